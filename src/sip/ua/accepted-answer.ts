import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { Clock } from '../clock.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import { TimerSet } from '../transaction/timer-set.ts';
import type { SipTimers } from '../timers.ts';
import { SipFailure } from './sip-failure.ts';

/** RFC 3261 section 13.3.1.4: a 2xx to INVITE is repeated, over any transport, until its ACK arrives. */
export class AcceptedAnswer {
  readonly #transaction: ServerTransaction;
  readonly #response: SipResponse;
  readonly #timers: SipTimers;
  readonly #running: TimerSet<'repeat' | 'giveUp'>;
  readonly #settled = Promise.withResolvers<SipRequest>();

  constructor(options: {
    transaction: ServerTransaction;
    response: SipResponse;
    clock: Clock;
    timers: SipTimers;
  }) {
    this.#transaction = options.transaction;
    this.#response = options.response;
    this.#timers = options.timers;
    this.#running = new TimerSet(options.clock);
  }

  /**
   * Sends the 2xx.
   * @returns the ACK
   * @throws SipFailure `timeout` after 64 T1
   */
  send(): Promise<SipRequest> {
    this.#transaction.respond(this.#response);
    this.#repeatAfter(this.#timers.t1Ms);
    this.#running.start('giveUp', 64 * this.#timers.t1Ms, () => {
      this.abort(SipFailure.timeout('No ACK'));
    });
    return this.#settled.promise;
  }

  acknowledge(ack: SipRequest): void {
    this.#running.stopAll();
    this.#settled.resolve(ack);
  }

  abort(failure: SipFailure): void {
    this.#running.stopAll();
    this.#settled.reject(failure);
  }

  #repeatAfter(delayMs: number): void {
    this.#running.start('repeat', delayMs, () => {
      this.#transaction.respond(this.#response);
      this.#repeatAfter(Math.min(delayMs * 2, this.#timers.t2Ms));
    });
  }
}
