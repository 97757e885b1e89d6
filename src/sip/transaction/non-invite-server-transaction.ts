import { serialize } from '../message/serialize.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { ServerTransaction, ServerTransactionOptions } from './server-transaction.ts';
import { TimerSet } from './timer-set.ts';

type State = 'trying' | 'proceeding' | 'completed' | 'terminated';

/**
 * RFC 3261 section 17.2.2.
 *
 *     trying ─1xx─► proceeding ─200..699─► completed ─J─► terminated
 */
export class NonInviteServerTransaction implements ServerTransaction {
  readonly request: SipRequest;
  readonly flow: SipFlow;
  onFailure: ((error: Error) => void) | undefined;
  readonly #options: ServerTransactionOptions;
  readonly #timers: TimerSet<'J'>;
  #state: State = 'trying';
  #last: Buffer | undefined;

  constructor(options: ServerTransactionOptions) {
    this.#options = options;
    this.request = options.request;
    this.flow = options.flow;
    this.#timers = new TimerSet(options.clock);
  }

  get state(): State {
    return this.#state;
  }

  get answered(): boolean {
    return this.#state === 'completed' || this.#state === 'terminated';
  }

  start(): void {
    // Nothing runs until the user answers.
  }

  respond(response: SipResponse): void {
    if (this.answered) return;
    this.#last = serialize(response);
    this.#send(this.#last);
    if (response.status < 200) {
      this.#state = 'proceeding';
      return;
    }
    this.#state = 'completed';
    if (this.flow.transport === 'udp') {
      this.#timers.start('J', 64 * this.#options.timers.t1Ms, () => {
        this.terminate();
      });
    } else this.terminate();
  }

  receive(request: SipRequest): void {
    if (request.method !== 'ACK' && this.#last !== undefined) this.#send(this.#last);
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.stopAll();
    this.#options.onTerminated();
  }

  #send(bytes: Buffer): void {
    this.#options.send(bytes, (error) => this.onFailure?.(error));
  }
}
