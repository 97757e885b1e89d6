/** Time as the code below the composition root sees it: injected, so that no test sleeps. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  setTimeout(callback: () => void, delayMs: number): Timer;
  clearTimeout(timer: Timer): void;
}

/** Opaque: hand it back to `clearTimeout`. */
export type Timer = object;

export const systemClock: Clock = {
  // As precise as the edge's kernel times, which it is compared with.
  now: () => performance.timeOrigin + performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};
