import { EventEmitter } from 'node:events';
import type { Header } from '../message/headers.ts';
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.ts';
import type { IncomingReinvite } from './incoming-reinvite.ts';
import type { IncomingRequest } from './incoming-request.ts';
import type { DialogSnapshot } from './snapshot.ts';

/**
 * - `bye`: either side hung up. - `gone`: the peer knows no such dialog (481).
 * - `timeout`: the peer did not answer a request in the dialog (408 or none), or never acknowledged.
 * - `closed`: the user agent was closed.
 */
export type SipCloseReason = 'bye' | 'gone' | 'timeout' | 'closed';

export interface SipDialogEvents {
  /** A re-INVITE or UPDATE. Without a listener it is answered 488. */
  reinvite: [request: IncomingReinvite];
  /** Another request in the dialog (INFO, MESSAGE ...). Without a listener it is answered 405. */
  request: [request: IncomingRequest];
  /** The peer hung up (200 is sent already): see its Reason header. `closed` follows. */
  bye: [request: SipRequest];
  /**
   * The TCP connection that carried the dialog ended: the quickest sign that the peer's process or host is gone.
   * The dialog itself stands (RFC 3261 section 18); the next request opens a new connection, and tells.
   */
  disconnected: [];
  /** Its snapshot is another: told before the request that makes it so leaves. */
  changed: [];
  /** The dialog is over, however that came about; emitted once. */
  closed: [why: SipCloseReason];
}

export interface ReinviteOptions {
  /** The offer; left out, as `offer` is, the peer is asked for one and `answer` is called with its 2xx. */
  body?: Buffer;
  contentType?: string;
  /** Makes the offer when its turn has come, and again when it has to be repeated after a glare. */
  offer?: () => { body: Buffer; contentType: string };
  headers?: readonly Header[];
  /** Makes the body of the ACK out of the offer in the 2xx, when the re-INVITE had none. */
  answer?: (response: SipResponse) => { body: Buffer; contentType: string };
  /**
   * No final response within this ends the attempt with a SipFailure `timeout`: the dialog stands until timer B (64 T1, also the
   * default) has run out, and what is asked meanwhile waits until the transaction is over.
   */
  timeoutMs?: number;
}

export interface DialogRequestOptions {
  body?: Buffer;
  contentType?: string;
  headers?: readonly Header[];
  /** Default: timer F (64 T1). */
  timeoutMs?: number;
}

/** An established dialog, seen from either side. */
export abstract class SipDialog extends EventEmitter<SipDialogEvents> {
  abstract readonly callId: string;
  abstract readonly localTag: string;
  abstract readonly remoteTag: string;
  /** URI of our From or To. */
  abstract readonly localUri: string;
  abstract readonly remoteUri: string;
  /** IP address at the other end of the way that made the dialog. */
  abstract readonly remoteAddress: string;
  /** URI of the peer's Contact, as last refreshed: where requests in the dialog go. */
  abstract readonly remoteContact: string;
  /** Header parameters of the peer's Contact in lower case, e.g. `+sip.srs`; `''` for those without a value. */
  abstract readonly remoteParams: ReadonlyMap<string, string>;
  /**
   * The peer's message that made the dialog: the 2xx with its body for the caller, the INVITE for the called. Undefined in a dialog
   * that was adopted.
   */
  abstract readonly established: SipMessage | undefined;
  /** The ACK that completed the dialog; only for the called. */
  abstract readonly ack: SipRequest | undefined;
  abstract readonly closed: boolean;

  /** As it stands now, for `SipUserAgent.adopt` of another process. */
  abstract snapshot(): DialogSnapshot;

  /**
   * Re-INVITE. Only one INVITE runs in a dialog at a time: calls queue. 491 is retried after the times of section
   * 14.1. ACK is sent by the stack.
   * @returns the 2xx
   * @throws SipFailure `refused` (the session stays as it was), `timeout`, `transport`,
   * `cancelled` (the dialog ended meanwhile)
   */
  abstract reinvite(options?: ReinviteOptions): Promise<SipResponse>;

  /**
   * Any other request in the dialog: UPDATE, INFO ...
   * @returns the 2xx
   * @throws SipFailure as `reinvite`
   */
  abstract request(method: string, options?: DialogRequestOptions): Promise<SipResponse>;

  /**
   * Hangs up. Resolves when BYE is answered, or after timer F (64 T1) without an answer, or when it cannot be sent:
   * it never rejects. Further calls give the same promise.
   */
  abstract bye(options?: { headers?: readonly Header[] }): Promise<void>;
}
