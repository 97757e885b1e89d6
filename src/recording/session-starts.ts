import type { Bridge, CallStock, ForksStart } from './interfaces.ts';

/** A recording session whose recorder has answered. */
export interface SessionStart {
  readonly callId: string;
  /**
   * The session of the same leg that is over, if there is one, and since when, Unix ms: its forks are stopped first. Asked for when
   * the bridge is told to.
   */
  retired(): { readonly recordId: string; readonly at: number } | undefined;
  /** What begins where, now that it is known what there is; undefined: nothing. What it throws gives the session up. */
  plan(stock: CallStock | undefined): ForksStart | undefined;
  /** The forks are there. */
  begun(): void;
}

interface Waiting {
  readonly start: SessionStart;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const togetherMax = 16;

/**
 * Sessions whose recorders answer in one turn of the event loop get their media together, by two orders to the edge, however
 * many there are: a leg that is moved has no time to wait for the others. What comes in later turns does not wait for the answers.
 */
export class SessionStarts {
  readonly #bridge: Pick<Bridge, 'takeStock' | 'startForks'>;
  readonly #waiting: Waiting[] = [];

  constructor(bridge: Pick<Bridge, 'takeStock' | 'startForks'>) {
    this.#bridge = bridge;
  }

  /** Resolves when `begun` has been called, or there was nothing to begin; rejects with what was in the way. */
  add(start: SessionStart): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(this.#next);
    });
  }

  readonly #next = (): void => {
    const together = this.#waiting.splice(0, togetherMax);
    if (this.#waiting.length > 0) setImmediate(this.#next);
    this.#begin(together).catch((error: unknown) => {
      for (const { reject } of together) reject(error);
    });
  };

  async #begin(together: readonly Waiting[]): Promise<void> {
    const stock = await this.#bridge.takeStock(
      together.map(({ start }) => {
        const retired = start.retired();
        return {
          callId: start.callId,
          retired: retired?.recordId,
          ...(retired && { at: retired.at }),
        };
      }),
    );
    const planned = together.flatMap((waiting, index) => {
      try {
        const forks = waiting.start.plan(stock[index]);
        if (forks === undefined) waiting.resolve();
        return forks === undefined ? [] : { ...waiting, forks };
      } catch (error) {
        waiting.reject(error);
        return [];
      }
    });
    if (planned.length === 0) return;
    const errors = await this.#bridge.startForks(planned.map(({ forks }) => forks));
    for (const [index, { start, resolve, reject }] of planned.entries()) {
      if (errors[index] === undefined) {
        try {
          start.begun();
          resolve();
        } catch (error) {
          reject(error);
        }
      } else {
        reject(errors[index]);
      }
    }
  }
}
