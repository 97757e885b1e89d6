import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import { makeResponse } from '../message/response.ts';
import type { ResponseInit } from '../message/response.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { Clock } from '../clock.ts';
import type { SipRandom } from '../transaction/identifiers.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import type { SipTimers } from '../timers.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { HostAddress } from '../transport/host-names.ts';
import type { SipCloseReason } from './dialog.ts';
import { addIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import type { RequestSender } from './request-sender.ts';

/** A dialog as its user agent sees it: what the network brings is handed to it, and it can be ended. */
export interface KnownDialog {
  /** Whether a request that names this dialog comes from its other end; anything else must change nothing. */
  isFromPeer(flow: SipFlow): boolean | Promise<boolean>;
  receive(transaction: ServerTransaction): void;
  receiveAck(ack: SipRequest): void;
  /** A 2xx to an INVITE whose transaction is over, or was another process's: it wants its ACK (13.2.2.4). */
  receiveAgain(response: SipResponse): void;
  /** Sends BYE and ends the dialog at once; the promise waits for the answer. */
  hangUp(why: SipCloseReason): Promise<void>;
  /** The user agent is closed and waits no longer. */
  drop(): void;
}

/** What the parts of one user agent share. */
export interface SipCore {
  readonly sender: RequestSender;
  readonly clock: Clock;
  readonly random: SipRandom;
  readonly timers: SipTimers;
  readonly limits: SipLimits;
  readonly logger: Logger;
  readonly identity: Identity;
  /** Addresses that are the peers' beside what their messages show. */
  readonly trusts: (address: string) => boolean;
  readonly addressesOf: (host: string) => Promise<readonly HostAddress[]>;
  /** By `dialogKey`. */
  readonly dialogs: Map<string, KnownDialog>;
  /** INVITEs that wait for a final response, and what a CANCEL does to them. */
  readonly cancellable: Map<ServerTransaction, () => void>;
}

/** Answers a request with what this user agent adds to its responses. */
export function respond(core: SipCore, transaction: ServerTransaction, init: ResponseInit): void {
  const response = makeResponse(transaction.request, init);
  addIdentity(response.headers, core.identity, 'response');
  transaction.respond(response);
}
