import type { Clock, Timer } from '../src/clock.ts';

/** The clock of one process: its timers are counted, and end with it. */
export class ProcessClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Timers that have neither run nor been cleared. */
  get waiting(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#clock.now();
  }

  wallOf(at: number): number {
    return this.#clock.wallOf(at);
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    if (this.#ended) this.#clock.clearTimeout(timer);
    else this.#timers.add(timer);
    return timer;
  }

  /** As with timers of the platform, none is cleared by `undefined`. */
  clearTimeout(timer: Timer | undefined): void {
    if (timer === undefined) return;
    this.#timers.delete(timer);
    this.#clock.clearTimeout(timer);
  }

  end(): void {
    this.#ended = true;
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
  }
}
