import type { Clock, Timer } from '../clock.ts';
import type { FailureReason } from './interfaces.ts';
import type { Verdict } from './evidence.ts';

const pollMs = 50;

/** A doubt about a recorder, looked at again and again until media says what is true. One at a time. */
export class Suspicion {
  readonly #clock: Clock;
  readonly #settle: (verdict: 'alive' | 'dead', reason: FailureReason, since: number) => void;
  readonly #weigh: (since: number) => Verdict;
  #timer: Timer | undefined;

  constructor(
    clock: Clock,
    weigh: (since: number) => Verdict,
    settle: (verdict: 'alive' | 'dead', reason: FailureReason, since: number) => void,
  ) {
    this.#clock = clock;
    this.#weigh = weigh;
    this.#settle = settle;
  }

  /** @param since when the recorder was last known to answer, Unix ms */
  raise(reason: FailureReason, since: number): void {
    if (this.#timer === undefined) this.#look(reason, since);
  }

  drop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(reason: FailureReason, since: number): void {
    this.#timer = undefined;
    const verdict = this.#weigh(since);
    if (verdict !== 'wait') {
      this.#settle(verdict, reason, since);
      return;
    }
    this.#timer = this.#clock.setTimeout(() => {
      this.#look(reason, since);
    }, pollMs);
  }
}
