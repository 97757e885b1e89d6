import { serialize } from '../message/serialize.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { ServerTransaction, ServerTransactionOptions } from './server-transaction.ts';
import { TimerSet } from './timer-set.ts';

type State = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';

/**
 * RFC 3261 section 17.2.1, with the `accepted` state of RFC 6026 that absorbs retransmitted INVITEs while the user
 * repeats its 2xx.
 *
 *     proceeding ─300..699─► completed ─ACK─► confirmed ─I─► terminated
 *         │                     │ G: again, T1 doubling up to T2
 *         │                     └─H─► terminated
 *         └─2xx─► accepted ─L─► terminated
 */
export class InviteServerTransaction implements ServerTransaction {
  readonly request: SipRequest;
  readonly flow: SipFlow;
  onFailure: ((error: Error) => void) | undefined;
  readonly #options: ServerTransactionOptions;
  readonly #timers: TimerSet<'trying' | 'G' | 'H' | 'I' | 'L'>;
  #state: State = 'proceeding';
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
    return this.#state !== 'proceeding';
  }

  start(): void {
    const { trying, timers } = this.#options;
    if (trying === undefined) return;
    this.#timers.start('trying', timers.tryingDelayMs, () => {
      this.respond(trying());
    });
  }

  respond(response: SipResponse): void {
    const { t1Ms } = this.#options.timers;
    const bytes = serialize(response);
    if (this.#state === 'accepted') {
      // The user repeats its 2xx (13.3.1.4).
      if (response.status >= 200 && response.status < 300) this.#send(bytes);
      return;
    }
    if (this.#state !== 'proceeding') return;
    this.#timers.stop('trying');
    this.#last = bytes;
    this.#send(bytes);
    if (response.status < 200) return;
    if (response.status < 300) {
      this.#state = 'accepted';
      this.#timers.start('L', 64 * t1Ms, () => {
        this.terminate();
      });
      return;
    }
    this.#state = 'completed';
    if (this.flow.transport === 'udp') this.#retransmitAfter(t1Ms);
    this.#timers.start('H', 64 * t1Ms, () => {
      this.#fail(new Error('the final response was not acknowledged'));
    });
  }

  receive(request: SipRequest): void {
    if (request.method === 'ACK') {
      if (this.#state !== 'completed') return;
      this.#state = 'confirmed';
      this.#timers.stopAll();
      if (this.flow.transport === 'udp') {
        this.#timers.start('I', this.#options.timers.t4Ms, () => {
          this.terminate();
        });
      } else this.terminate();
      return;
    }
    const repeats = this.#state === 'proceeding' || this.#state === 'completed';
    if (repeats && this.#last !== undefined) this.#send(this.#last);
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.stopAll();
    this.#options.onTerminated();
  }

  #send(bytes: Buffer): void {
    this.#options.send(bytes, (error) => {
      // A provisional that is lost matters to nobody; timers H and L end the rest.
      if (this.answered && this.#state !== 'terminated') this.onFailure?.(error);
    });
  }

  #retransmitAfter(delayMs: number): void {
    this.#timers.start('G', delayMs, () => {
      if (this.#last !== undefined) this.#send(this.#last);
      this.#retransmitAfter(Math.min(delayMs * 2, this.#options.timers.t2Ms));
    });
  }

  #fail(error: Error): void {
    this.terminate();
    this.onFailure?.(error);
  }
}
