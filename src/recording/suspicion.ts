import type { Clock, Timer } from '../clock.ts';
import type { FailureReason } from './interfaces.ts';
import type { Verdict } from './evidence.ts';

const pollMs = 50;

/** When what happened. Unix ms. */
export interface DoubtTimes {
  /** Signs of life that are newer than this clear the doubt. */
  readonly since: number;
  /** When the recorder failed, if it did: as near as is known. */
  readonly deadAt: number;
  /** Until then it was well for sure. */
  readonly safeAt: number;
}

type Settle = (verdict: 'alive' | 'dead', reason: FailureReason, times: DoubtTimes) => void;

/** A doubt about a recorder, looked at again and again until media says what is true. One at a time. */
export class Suspicion {
  readonly #clock: Clock;
  readonly #settle: Settle;
  readonly #weigh: (since: number) => Verdict;
  #timer: Timer | undefined;
  #deadAt: number | undefined;

  constructor(clock: Clock, weigh: (since: number) => Verdict, settle: Settle) {
    this.#clock = clock;
    this.#weigh = weigh;
    this.#settle = settle;
  }

  /** Of the doubt that is open. */
  get deadAt(): number | undefined {
    return this.#deadAt;
  }

  raise(reason: FailureReason, times: DoubtTimes): void {
    if (this.#timer === undefined) this.#look(reason, times);
  }

  drop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#deadAt = undefined;
  }

  #look(reason: FailureReason, times: DoubtTimes): void {
    this.#timer = undefined;
    this.#deadAt = undefined;
    const verdict = this.#weigh(times.since);
    if (verdict !== 'wait') {
      this.#settle(verdict, reason, times);
      return;
    }
    this.#deadAt = times.deadAt;
    this.#timer = this.#clock.setTimeout(() => {
      this.#look(reason, times);
    }, pollMs);
  }
}
