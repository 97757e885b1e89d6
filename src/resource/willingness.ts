import type { SessionRefusal } from '../recording/interfaces.ts';
import { meaningOf } from './refusal.ts';

/** A recorder that says nothing of how long gets this, twice as long each time it says so again. */
const waitMsFirst = 1_000;
const waitMsMax = 30_000;
/** Refusals one after the other that make a recorder second choice, and for how long after the last. */
const reluctantAfter = 3;
const reluctantMs = 30_000;

/**
 * What one recorder said of taking sessions. Its load keeps all sessions away for a time. That it would not have single calls
 * keeps none away: it is asked after others then, because whoever places calls could else put it out of service.
 */
export class Willingness {
  #busyUntil = 0;
  #busyInARow = 0;
  #refusedInARow = 0;
  #untakenInARow = 0;
  #spurnedAt = -Infinity;

  /** Returns what is to be held against the recorder itself. */
  refused(refusal: SessionRefusal, now: number): ReturnType<typeof meaningOf> {
    const meaning = meaningOf(refusal);
    switch (meaning.about) {
      case 'load': {
        this.#busyUntil = Math.max(this.#busyUntil, now + (meaning.waitMs ?? this.#growingMs(now)));
        break;
      }
      case 'call':
        this.#refusedInARow += 1;
        this.#spurnedAt = now;
        break;
      case 'recorder':
        break;
    }
    return meaning;
  }

  /** It took a session and no media. */
  tookNoMedia(now: number): void {
    this.#untakenInARow += 1;
    this.#spurnedAt = now;
  }

  /** It took a session. */
  accepted(now: number): void {
    this.#refusedInARow = 0;
    if (this.#busyUntil <= now) this.#busyInARow = 0;
  }

  tookMedia(): void {
    this.#untakenInARow = 0;
  }

  /** Undefined: it may be asked now. */
  busyUntil(now: number): number | undefined {
    return this.#busyUntil > now ? this.#busyUntil : undefined;
  }

  isReluctant(now: number): boolean {
    const inARow = Math.max(this.#refusedInARow, this.#untakenInARow);
    return inARow >= reluctantAfter && now - this.#spurnedAt < reluctantMs;
  }

  #growingMs(now: number): number {
    // Several INVITEs may be out at once: their answers are one word.
    if (this.#busyUntil > now) return 0;
    const waitMs = waitMsFirst * 2 ** Math.min(this.#busyInARow, 16);
    this.#busyInARow += 1;
    return Math.min(waitMs, waitMsMax);
  }
}
