import type { Header, SipHeaders } from '../message/headers.ts';
import type { SipRequest } from '../message/sip-message.ts';

export interface ReinviteAnswer {
  body?: Buffer;
  contentType?: string;
  headers?: readonly Header[];
}

/**
 * A re-INVITE or UPDATE from the peer. Answer it with `accept` or `reject`, now or later; a CANCEL of the peer or
 * the end of the dialog answers it for you.
 */
export interface IncomingReinvite {
  readonly method: 'INVITE' | 'UPDATE';
  readonly request: SipRequest;
  readonly headers: SipHeaders;
  readonly body: Buffer;
  /** Content-Type with its parameters, `''` when there is none. */
  readonly contentType: string;
  /**
   * Whether the request carries an offer (SDP, alone or in a multipart body). A re-INVITE without one asks for an
   * offer in `accept`, its answer is then the body of the ACK. An UPDATE without one asks for nothing.
   */
  readonly hasOffer: boolean;
  /** Aborted when the peer cancels it or the dialog ends before it is answered. */
  readonly signal: AbortSignal;
  /**
   * Sends 200. Resolves with the peer's ACK (its body is the answer to an offer in the 2xx), for an UPDATE at once
   * with `undefined`.
   * @throws SipFailure `timeout` when no ACK comes (the dialog is then ended with BYE), `cancelled` when the
   * request or the dialog ended before.
   */
  accept(answer?: ReinviteAnswer): Promise<SipRequest | undefined>;
  /** Sends a final response of 300 to 699, `488 Not Acceptable Here` by default. */
  reject(status?: number, reason?: string, headers?: readonly Header[]): void;
}
