import type { SequenceRange } from '../../src/edge/types.ts';

type Mutable = { -readonly [K in keyof SequenceRange]: SequenceRange[K] };

/** A set of extended sequence numbers with the receive times of its ranges' ends. */
export class TimedRanges {
  readonly #ranges: Mutable[] = [];

  has(sequence: number): boolean {
    const index = this.#indexOf(sequence);
    const range = this.#ranges[index];
    return range !== undefined && range.first <= sequence;
  }

  /** False when it was there already. */
  add(sequence: number, at: number): boolean {
    const newest = this.#ranges.at(-1);
    if (newest !== undefined && sequence === newest.last + 1) {
      newest.last = sequence;
      newest.lastAt = at;
      return true;
    }
    const index = this.#indexOf(sequence);
    const right = this.#ranges[index];
    if (right !== undefined && right.first <= sequence) return false;
    const left = this.#ranges[index - 1];
    const joinsLeft = left?.last === sequence - 1;
    const joinsRight = right?.first === sequence + 1;
    if (joinsLeft && joinsRight) {
      left.last = right.last;
      left.lastAt = right.lastAt;
      this.#ranges.splice(index, 1);
    } else if (joinsLeft) {
      left.last = sequence;
      left.lastAt = at;
    } else if (joinsRight) {
      right.first = sequence;
      right.firstAt = at;
    } else {
      this.#ranges.splice(index, 0, { first: sequence, last: sequence, firstAt: at, lastAt: at });
    }
    return true;
  }

  delete(sequence: number): void {
    const index = this.#indexOf(sequence);
    const range = this.#ranges[index];
    if (range === undefined || range.first > sequence) return;
    const left = { ...range, last: sequence - 1 };
    const right = { ...range, first: sequence + 1 };
    this.#ranges.splice(index, 1, ...[left, right].filter(({ first, last }) => first <= last));
  }

  list(): SequenceRange[] {
    return this.#ranges.map((range) => ({ ...range }));
  }

  /** Of the first range that ends at or after it. */
  #indexOf(sequence: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as Mutable).last >= sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
