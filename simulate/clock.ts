import type { Clock, Timer } from '../src/clock.ts';

interface Event extends Timer {
  readonly at: number;
  /** Events of one moment happen in the order in which they were planned. */
  readonly order: number;
  readonly settles: boolean;
  callback: (() => void) | undefined;
}

/** At one moment; more than this is a loop that time does not end. */
const eventsAtOnceMax = 200_000;

const nextTurn = setImmediate;

/** One turn of this machine's event loop: every promise that waits for no event has run. */
function realTurn(): Promise<void> {
  return new Promise((resolve) => {
    nextTurn(resolve);
  });
}

/**
 * Simulated time: one queue of events, ordered by time and then by when they were planned. Time moves only when everything that
 * an event set off has come to rest.
 */
export class SimClock implements Clock {
  #now: number;
  #planned = 0;
  #offsetMs = 0;
  #disturbed = false;
  /** A binary heap. */
  readonly #queue: Event[] = [];

  constructor(now = 1_800_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wallOf(at: number): number {
    return at + this.#offsetMs;
  }

  /** Somebody sets the machine's clock. */
  set(byMs: number): void {
    this.#offsetMs += byMs;
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    return this.#plan(callback, delayMs, true);
  }

  /** As with timers of the platform, none is cleared by `undefined`. */
  clearTimeout(timer: Timer | undefined): void {
    if (timer !== undefined) (timer as Event).callback = undefined;
  }

  /** For the simulation itself: what runs here touches no shipped code that waits for anything, unless it says so by `disturb`. */
  quietly(delayMs: number, callback: () => void): Timer {
    return this.#plan(callback, delayMs, false);
  }

  /** The event that runs has set off promises: they come to rest before the next one. */
  disturb(): void {
    this.#disturbed = true;
  }

  async runUntil(until: number): Promise<void> {
    await this.#settle();
    let atOnce = 0;
    for (;;) {
      const event = this.#queue[0];
      if (event === undefined || event.at > until) break;
      this.#take();
      const { callback } = event;
      if (callback === undefined) continue;
      event.callback = undefined;
      atOnce = event.at === this.#now ? atOnce + 1 : 0;
      if (atOnce > eventsAtOnceMax) throw new Error('time does not go on');
      this.#now = event.at;
      callback();
      if (event.settles || this.#disturbed) await this.#settle();
    }
    this.#now = Math.max(this.#now, until);
  }

  async #settle(): Promise<void> {
    this.#disturbed = false;
    await realTurn();
  }

  #plan(callback: () => void, delayMs: number, settles: boolean): Event {
    this.#planned += 1;
    const at = this.#now + Math.max(0, delayMs);
    const event: Event = { at, order: this.#planned, settles, callback };
    const queue = this.#queue;
    let index = queue.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(queue[parent] as Event, event)) break;
      queue[index] = queue[parent] as Event;
      index = parent;
    }
    queue[index] = event;
    return event;
  }

  #take(): void {
    const queue = this.#queue;
    const last = queue.pop() as Event;
    const { length } = queue;
    if (length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(queue[child + 1] as Event, queue[child] as Event)) {
        child += 1;
      }
      if (isBefore(last, queue[child] as Event)) break;
      queue[index] = queue[child] as Event;
      index = child;
    }
    queue[index] = last;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order);
}

/** A date that is made of nothing is the simulated machine's. To be called in a thread of the simulation's own. */
export function takeDatesOver(clockOf: () => SimClock | undefined): void {
  const RealDate = Date;
  const wallNow = (): number => {
    const clock = clockOf();
    return clock === undefined ? RealDate.now() : clock.wallOf(clock.now());
  };
  globalThis.Date = class extends RealDate {
    constructor(...args: unknown[]) {
      if (args.length === 0) super(wallNow());
      else super(...(args as [number]));
    }

    static override now(): number {
      return wallNow();
    }
  } as DateConstructor;
}

/**
 * `setImmediate` of the code that runs on a clock becomes an event of that clock, so that its order is the clock's. To be called
 * in a thread of the simulation's own.
 */
export function takeImmediatesOver(clockOf: () => SimClock): void {
  globalThis.setImmediate = ((callback: (...args: unknown[]) => void, ...args: unknown[]) =>
    clockOf().setTimeout(() => {
      callback(...args);
    }, 0)) as unknown as typeof setImmediate;
}
