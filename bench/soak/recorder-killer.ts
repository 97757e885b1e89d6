import type { RecorderInfo, TandemProcess } from '../../test/support/tandem-process.ts';

/** Besides the one that is killed, so that both legs of a call find a recorder. */
const spares = 2;
const returnMsMax = 60_000;

/** Kills recorders, each time one of those that are up, and sees to it that enough are left. */
export class RecorderKiller {
  readonly #tandem: TandemProcess;
  readonly #random: () => number;
  #kills = 0;

  constructor(tandem: TandemProcess, random: () => number) {
    this.#tandem = tandem;
    this.#random = random;
  }

  get kills(): number {
    return this.#kills;
  }

  /** Resolves when one can be killed and the others still take both legs of a call. @throws when that does not come */
  ready(): Promise<void> {
    return this.#until((recorders) => recorders.filter(isUp).length > spares);
  }

  /** @throws when one does not come back */
  allUp(): Promise<void> {
    return this.#until((recorders) => recorders.every(isUp));
  }

  async kill(): Promise<void> {
    const up = (await this.#tandem.recorders()).filter(isUp);
    const victim = up[Math.floor(this.#random() * up.length)];
    if (victim?.pid === undefined || up.length <= spares) return;
    process.kill(victim.pid, 'SIGKILL');
    this.#kills += 1;
  }

  async #until(satisfied: (recorders: readonly RecorderInfo[]) => boolean): Promise<void> {
    const until = performance.now() + returnMsMax;
    const recorders = await this.#tandem.until(
      () => this.#tandem.recorders(),
      (all) => satisfied(all) || performance.now() > until,
    );
    if (!satisfied(recorders)) {
      throw new Error(`recorders do not come back: ${JSON.stringify(recorders)}`);
    }
  }
}

function isUp({ state, pid }: RecorderInfo): boolean {
  return state === 'up' && pid !== undefined;
}
