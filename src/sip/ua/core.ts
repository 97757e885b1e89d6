import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import { makeResponse } from '../message/response.ts';
import type { ResponseInit } from '../message/response.ts';
import type { Clock } from '../transaction/clock.ts';
import type { SipRandom } from '../transaction/identifiers.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import type { SipTimers } from '../transaction/timers.ts';
import type { DialogSession } from './dialog-session.ts';
import { addIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import type { HostAddress } from '../transport/host-names.ts';
import type { RequestSender } from './request-sender.ts';

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
  readonly dialogs: Map<string, DialogSession>;
  /** INVITEs that wait for a final response, and what a CANCEL does to them. */
  readonly cancellable: Map<ServerTransaction, () => void>;
}

/** Answers a request with what this user agent adds to its responses. */
export function respond(core: SipCore, transaction: ServerTransaction, init: ResponseInit): void {
  const response = makeResponse(transaction.request, init);
  addIdentity(response.headers, core.identity, 'response');
  transaction.respond(response);
}
