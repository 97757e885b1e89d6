export interface MissingRange {
  /** Extended sequence numbers, inclusive; the lower 16 bits are those of the packets. */
  readonly first: number;
  readonly last: number;
}

const SHOWN_MAX = 1_000;

/** Collects missing numbers in rising order; counts all, lists the first thousand ranges. */
export class MissingList {
  readonly #ranges: { first: number; last: number }[] = [];
  #newest = -Infinity;
  packets = 0;
  /** How many ranges there are. */
  rangeCount = 0;

  get ranges(): readonly MissingRange[] {
    return this.#ranges;
  }

  add(sequence: number): void {
    this.packets += 1;
    const follows = sequence === this.#newest + 1;
    this.#newest = sequence;
    if (!follows) this.rangeCount += 1;
    if (this.rangeCount > SHOWN_MAX) return;
    const open = this.#ranges.at(-1);
    if (follows && open !== undefined) open.last = sequence;
    else this.#ranges.push({ first: sequence, last: sequence });
  }
}
