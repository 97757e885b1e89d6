import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { ClientTransaction, ClientTransactionOptions } from './client-transaction.ts';
import { TimerSet } from './timer-set.ts';

type State = 'trying' | 'proceeding' | 'completed' | 'terminated';

/**
 * RFC 3261 section 17.1.2.
 *
 *     trying ─1xx─► proceeding ─200..699─► completed ─K─► terminated
 *        │ E: again, T1 doubling up to T2      (in proceeding every T2)
 *        └─F─► terminated
 */
export class NonInviteClientTransaction implements ClientTransaction {
  readonly request: SipRequest;
  readonly flow: SipFlow;
  readonly #options: ClientTransactionOptions;
  readonly #timers: TimerSet<'E' | 'F' | 'K'>;
  #state: State = 'trying';
  #release: (() => void) | undefined;

  constructor(options: ClientTransactionOptions) {
    this.#options = options;
    this.request = options.request;
    this.flow = options.flow;
    this.#timers = new TimerSet(options.clock);
  }

  get state(): State {
    return this.#state;
  }

  start(): void {
    const { t1Ms } = this.#options.timers;
    this.#release = this.flow.retain((error) => {
      this.#fail(error);
    });
    this.#send();
    if (this.flow.transport === 'udp') this.#retransmitAfter(t1Ms);
    this.#timers.start('F', 64 * t1Ms, () => {
      this.terminate();
      this.#options.events.onTimeout();
    });
  }

  receive(response: SipResponse): void {
    if (this.#state === 'completed' || this.#state === 'terminated') return;
    if (response.status < 200) {
      this.#state = 'proceeding';
    } else {
      this.#state = 'completed';
      this.#timers.stopAll();
      if (this.flow.transport === 'udp') {
        this.#timers.start('K', this.#options.timers.t4Ms, () => {
          this.terminate();
        });
      } else this.terminate();
    }
    this.#options.events.onResponse(response);
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.stopAll();
    this.#release?.();
    this.#options.onTerminated();
  }

  #send(): void {
    this.flow.send(this.#options.bytes, (error) => {
      this.#fail(error);
    });
  }

  #retransmitAfter(delayMs: number): void {
    this.#timers.start('E', delayMs, () => {
      this.#send();
      const { t2Ms } = this.#options.timers;
      this.#retransmitAfter(this.#state === 'proceeding' ? t2Ms : Math.min(delayMs * 2, t2Ms));
    });
  }

  #fail(error: Error): void {
    if (this.#state === 'terminated') return;
    const waiting = this.#state !== 'completed';
    this.terminate();
    if (waiting) this.#options.events.onTransportError(error);
  }
}
