import type { RecorderInfo, TandemProcess } from '../../test/support/tandem-process.ts';

/** Besides the one that is killed, so that both legs of a call find a recorder. */
const spares = 2;

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

  /** Resolves when one can be killed and the others still take both legs of a call. */
  async ready(): Promise<void> {
    await this.#tandem.until(
      () => this.#tandem.recorders(),
      (recorders) => recorders.filter(isUp).length > spares,
    );
  }

  async kill(): Promise<void> {
    const up = (await this.#tandem.recorders()).filter(isUp);
    const victim = up[Math.floor(this.#random() * up.length)];
    if (victim?.pid === undefined || up.length <= spares) return;
    process.kill(victim.pid, 'SIGKILL');
    this.#kills += 1;
  }
}

function isUp({ state, pid }: RecorderInfo): boolean {
  return state === 'up' && pid !== undefined;
}
