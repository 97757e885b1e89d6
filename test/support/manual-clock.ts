import type { Clock, Timer } from '../../src/clock.ts';

interface Pending {
  readonly dueAt: number;
  readonly callback: () => void;
}

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<Pending>();

  constructor(now = 1_800_000_000_000) {
    this.#now = now;
  }

  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  wallOf(at: number): number {
    return at;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer: Pending = { dueAt: this.#now + delayMs, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: Timer): void {
    this.#timers.delete(timer as Pending);
  }

  /** Runs what falls due, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers]
        .filter(({ dueAt }) => dueAt <= until)
        .sort((left, right) => left.dueAt - right.dueAt)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.dueAt);
      due.callback();
      await settle();
    }
    this.#now = until;
  }
}

const turns = 6;

/** Long enough for chains of promises and turns of the event loop that wait for nothing but each other. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
