import type { Clock, Timer } from '../clock.ts';

export interface IdleCandidate {
  /** When media came last, or when the session began: Unix ms. */
  readonly lastMediaAt: number;
  /** Whether the other side still knows the session. */
  isAlive(): Promise<boolean>;
  giveUp(): void;
}

export interface IdleWatchOptions {
  readonly idleMs: number;
  readonly clock: Clock;
  /** By an id that stands for one session for its life. */
  readonly candidates: () => Iterable<readonly [string, IdleCandidate]>;
  /** At every look, before the sessions. */
  readonly onLook: () => void;
}

const lookMsMax = 10_000;

/**
 * Finds sessions whose SRC went away without a BYE. No media for long is not proof, since a session may be paused: it is
 * a reason to ask. Who answers is asked again after as long a silence.
 */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  /** When each silent session was asked last. */
  #askedAt = new Map<string, number>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: IdleWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, idleMs } = this.#options;
    this.#timer = clock.setTimeout(
      () => {
        this.#look();
        if (!this.#closed) this.start();
      },
      Math.min(idleMs, lookMsMax),
    );
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  #look(): void {
    const { clock, idleMs, candidates, onLook } = this.#options;
    onLook();
    const now = clock.now();
    const asked = new Map<string, number>();
    for (const [id, candidate] of candidates()) {
      const before = this.#askedAt.get(id);
      if (now - Math.max(candidate.lastMediaAt, before ?? 0) < idleMs) {
        if (before !== undefined) asked.set(id, before);
        continue;
      }
      asked.set(id, now);
      void candidate.isAlive().then((alive) => {
        if (!alive && !this.#closed) candidate.giveUp();
      });
    }
    // Those that are gone are forgotten with the old map.
    this.#askedAt = asked;
  }
}
