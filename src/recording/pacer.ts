import type { Clock, Timer } from '../clock.ts';

const jobsPerTurn = 16;
/** Longer than legs need to move; one that finds no recorder must not hold back the goodbyes of others. */
const laterMsMax = 500;

type Job = () => void;

/**
 * What is done first when a recorder dies under hundreds of legs. The signs of all of them are taken in before the first INVITE
 * holds anything up; INVITEs go out a few in each turn of the event loop; and what nobody waits for comes after the moves.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #jobs: Job[] = [];
  readonly #later: Job[] = [];
  #moves = 0;
  #timer: Timer | undefined;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Heavy work that a leg waits for. */
  run(job: Job): void {
    this.#jobs.push(job);
    this.#schedule();
  }

  /** A leg is on its way to another recorder, until it calls what this returns. */
  move(): () => void {
    this.#moves += 1;
    let isDone = false;
    return () => {
      if (isDone) return;
      isDone = true;
      this.#moves -= 1;
      if (this.#moves === 0) this.#release();
    };
  }

  /** Work that can wait until no leg is on its way; at once, if none is. */
  afterMoves(job: Job): void {
    if (this.#moves === 0) {
      job();
      return;
    }
    this.#later.push(job);
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#release();
    }, laterMsMax);
  }

  /** What is left is done now, and no timer stays. */
  close(): void {
    this.#release();
  }

  #release(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#jobs.push(...this.#later.splice(0));
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const job of this.#jobs.splice(0, jobsPerTurn)) job();
      this.#schedule();
    });
  }
}
