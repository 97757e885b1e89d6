import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { Clock } from '../clock.ts';
import type { SipTimers } from '../timers.ts';

/** What the user of a client transaction is told. */
export interface ClientTransactionEvents {
  /** Every provisional response and every 2xx to an INVITE, retransmitted ones too; one other final response. */
  onResponse(response: SipResponse): void;
  /** Timer B or F. */
  onTimeout(): void;
  onTransportError(error: Error): void;
}

export interface ClientTransactionOptions {
  request: SipRequest;
  /** The request as it goes out, Via included. */
  bytes: Buffer;
  flow: SipFlow;
  clock: Clock;
  timers: SipTimers;
  events: ClientTransactionEvents;
  onTerminated(): void;
}

export interface ClientTransaction {
  readonly request: SipRequest;
  readonly flow: SipFlow;
  start(): void;
  receive(response: SipResponse): void;
  /** Ends it without telling its user. */
  terminate(): void;
}
