import type { SessionRefusal } from '../recording/interfaces.ts';
import { Complaints } from './complaints.ts';
import { meaningOf, type RefusalMeaning } from './refusal.ts';

/** A recorder that says nothing of how long gets this, twice as long each time it says so again. */
const waitMsFirst = 1_000;
const waitMsMax = 30_000;
/** Refusals one after the other that make a recorder second choice, and for how long after the last. */
const reluctantAfter = 3;
const reluctantMs = 30_000;
/** Media that was sent for less may have been sent into a session that was being ended. */
const takenMsMin = 2_000;

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
  readonly #refusals = new Complaints();
  readonly #endings = new Complaints();

  /** Returns what is to be held against the recorder itself. */
  refused(refusal: SessionRefusal, now: number, callId?: string): RefusalMeaning {
    const said = meaningOf(refusal);
    const isOneCall =
      said.about === 'recorder' && callId !== undefined && !this.#refusals.add(callId, now);
    const meaning: RefusalMeaning = isOneCall ? { about: 'call' } : said;
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

  /** It ended a session by itself. Whether that is to be held against the recorder. */
  ended(now: number, callId?: string): boolean {
    if (callId === undefined || this.#endings.add(callId, now)) return true;
    this.tookNoMedia(now);
    return false;
  }

  /** It took a session and no media, or answered what nothing can be sent by. */
  tookNoMedia(now: number): void {
    this.#untakenInARow += 1;
    this.#spurnedAt = now;
  }

  /** It took a session. */
  accepted(now: number): void {
    this.#refusedInARow = 0;
    this.#refusals.clear();
    if (this.#busyUntil <= now) this.#busyInARow = 0;
  }

  /** A session is over in which media was sent to it for so long. */
  tookMedia(sentMs: number): void {
    if (sentMs < takenMsMin) return;
    this.#untakenInARow = 0;
    this.#endings.clear();
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
