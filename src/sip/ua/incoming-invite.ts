import type { Header, SipHeaders } from '../message/headers.ts';
import type { SipRequest } from '../message/sip-message.ts';
import type { SipDialog } from './dialog.ts';
import type { SipSource } from './incoming-request.ts';

export interface AcceptOptions {
  body: Buffer;
  contentType: string;
  headers?: readonly Header[];
  /** Header parameters of our Contact, as text: `+sip.srs`. */
  contactParams?: string;
}

/** An INVITE that asks for a new dialog. 100 is sent by the stack. */
export interface IncomingInvite {
  readonly request: SipRequest;
  readonly headers: SipHeaders;
  readonly body: Buffer;
  /** Content-Type with its parameters, `''` when there is none. */
  readonly contentType: string;
  readonly source: SipSource;
  /** User part of the Request-URI, unescaped; `''` when there is none. */
  readonly requestUser: string;
  /** Header parameters of the peer's Contact in lower case, e.g. `+sip.src`; `''` for those without a value. */
  readonly remoteParams: ReadonlyMap<string, string>;
  /** Aborted when the caller cancels (487 is then sent already); its reason is a SipFailure `cancelled`. */
  readonly signal: AbortSignal;
  /** Sends a response of 101 to 199. Does nothing after a final one. */
  provisional(status: number, reason?: string, headers?: readonly Header[]): void;
  /**
   * Sends 200, again and again until it is acknowledged, and resolves with the dialog once it is. The body of the
   * ACK, if any, is `dialog.ack`. Attach the dialog's listeners in the same turn as the promise resolves:
   * requests of the peer are held back until then.
   * @throws SipFailure `cancelled` when the caller cancelled or hung up before; `timeout` when no ACK came within
   * 64 T1 (BYE is then sent by the stack); `transport`.
   */
  accept(options: AcceptOptions): Promise<SipDialog>;
  /** Sends a final response of 300 to 699. Does nothing after a final one. */
  reject(status: number, reason?: string, headers?: readonly Header[]): void;
}
