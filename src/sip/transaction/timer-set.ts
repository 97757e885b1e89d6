import type { Clock } from '../clock.ts';

/** The running timers of one transaction, by their letter. */
export class TimerSet<Name extends string> {
  readonly #clock: Clock;
  readonly #running = new Map<Name, unknown>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(name: Name, delayMs: number, callback: () => void): void {
    this.stop(name);
    this.#running.set(
      name,
      this.#clock.setTimeout(() => {
        this.#running.delete(name);
        callback();
      }, delayMs),
    );
  }

  stop(name: Name): void {
    const timer = this.#running.get(name);
    if (timer === undefined) return;
    this.#running.delete(name);
    this.#clock.clearTimeout(timer);
  }

  stopAll(): void {
    for (const timer of this.#running.values()) this.#clock.clearTimeout(timer);
    this.#running.clear();
  }
}
