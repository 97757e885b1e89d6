import type { Death } from './messages.ts';

/** Of those, control has the alarms to raise. */
const deathsMax = 100;

/** Deaths that control has not told of yet, newest last; the oldest are dropped where there are too many. */
export class DeathList {
  #deaths: Death[] = [];

  list(): Death[] {
    return this.#deaths;
  }

  add(death: Omit<Death, 'id'>): void {
    const { role, process, pid, at } = death;
    const id = `${role} ${process} ${pid} ${at}`;
    this.#deaths = [...this.#deaths, { id, ...death }].slice(-deathsMax);
  }

  told(ids: readonly string[]): void {
    const known = new Set(ids);
    this.#deaths = this.#deaths.filter(({ id }) => !known.has(id));
  }
}
