/** Time as the code below the composition root sees it: injected, so that no test sleeps. */
export interface Clock {
  /**
   * Unix milliseconds, read once when the process starts and monotonic from there: durations, deadlines and the edge's times are of
   * this clock, and nobody who sets the machine's clock moves them.
   */
  now(): number;
  /** A time of this clock as the machine's clock has it now: for what people and other machines are shown. */
  wallOf(at: number): number;
  setTimeout(callback: () => void, delayMs: number): Timer;
  clearTimeout(timer: Timer): void;
}

/** Opaque: hand it back to `clearTimeout`. */
export type Timer = object;

/** From the start of this process's clock to that of the one before it, which it goes on with. */
let skewMs = 0;

const now = (): number => performance.timeOrigin + performance.now() + skewMs;

/** Before anybody has read it: this process goes on with the times of another one, whose clock is this much ahead. */
export function shiftSystemClock(byMs: number): void {
  skewMs += byMs;
}

/** Readings differ by their resolution; only a clock that was set is followed. */
const setByMs = 20;
let offsetMs = 0;

export const systemClock: Clock = {
  now,
  wallOf: (at) => {
    const difference = Date.now() - now();
    if (Math.abs(difference - offsetMs) > setByMs) offsetMs = difference;
    return at + offsetMs;
  },
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};
