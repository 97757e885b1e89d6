import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { Clock } from '../clock.ts';
import type { SipTimers } from '../timers.ts';

/** Sends the bytes of a response back the way 18.2.2 says. */
export type SendResponse = (bytes: Buffer, onError: (error: Error) => void) => void;

export interface ServerTransactionOptions {
  request: SipRequest;
  /** Where the request came from. */
  flow: SipFlow;
  send: SendResponse;
  clock: Clock;
  timers: SipTimers;
  /** Makes the 100 that an INVITE gets when its user is slow. */
  trying?: () => SipResponse;
  onTerminated(): void;
}

export interface ServerTransaction {
  readonly request: SipRequest;
  readonly flow: SipFlow;
  /** Whether a final response was sent. */
  readonly answered: boolean;
  start(): void;
  /** Called when a final response could not be delivered or acknowledged (timer H, the transport). */
  onFailure: ((error: Error) => void) | undefined;
  respond(response: SipResponse): void;
  /** A retransmission of the request, or the ACK of an INVITE. */
  receive(request: SipRequest): void;
  terminate(): void;
}
