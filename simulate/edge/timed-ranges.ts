import type { SequenceRange } from '../../src/edge/types.ts';
import { TimeLine, timeErrorMs } from './time-line.ts';

/**
 * A set of extended sequence numbers with the receive times of its ranges' ends. A range ends where the times in it would leave
 * the line between them, and the next one follows on it.
 */
export class TimedRanges {
  readonly #ranges: SequenceRange[] = [];
  /** Of the newest range. */
  #line = new TimeLine();

  has(sequence: number): boolean {
    const index = this.#indexOf(sequence);
    const range = this.#ranges[index];
    return range !== undefined && range.first <= sequence;
  }

  /** False when it was there already. */
  add(sequence: number, at: number): boolean {
    const added = { first: sequence, last: sequence, firstAt: at, lastAt: at };
    const newest = this.#ranges.at(-1);
    if (newest !== undefined && sequence === newest.last + 1) {
      const [numbers, ms] = [sequence - newest.first, at - newest.firstAt];
      if (this.#line.mayEndAt(numbers, ms)) {
        this.#line.pass(numbers, ms);
        this.#ranges[this.#ranges.length - 1] = joined(newest, added);
      } else this.#push(added);
      return true;
    }
    const index = this.#indexOf(sequence);
    const right = this.#ranges[index];
    if (right === undefined) {
      this.#push(added);
      return true;
    }
    if (right.first <= sequence) return false;
    this.#insert(index, added, right);
    return true;
  }

  delete(sequence: number): void {
    const index = this.#indexOf(sequence);
    const range = this.#ranges[index];
    if (range === undefined || range.first > sequence) return;
    const left = { ...range, last: sequence - 1, lastAt: timeOf(range, sequence - 1) };
    const right = { ...range, first: sequence + 1, firstAt: timeOf(range, sequence + 1) };
    this.#ranges.splice(index, 1, ...[left, right].filter(({ first, last }) => first <= last));
    this.#drawLine();
  }

  list(): SequenceRange[] {
    return this.#ranges.map((range) => ({ ...range }));
  }

  #push(range: SequenceRange): void {
    this.#ranges.push(range);
    this.#line = new TimeLine();
  }

  #insert(index: number, added: SequenceRange, right: SequenceRange): void {
    const left = this.#ranges[index - 1];
    const isNewest = index === this.#ranges.length - 1;
    if (left !== undefined && follows(left, added)) {
      const before = joined(left, added);
      if (!follows(before, right)) {
        this.#ranges[index - 1] = before;
        return;
      }
      this.#ranges.splice(index - 1, 2, joined(before, right));
      if (isNewest) this.#drawLine(before, right);
    } else if (follows(added, right)) {
      this.#ranges[index] = joined(added, right);
      if (isNewest) this.#drawLine(added, right);
    } else {
      this.#ranges.splice(index, 0, added);
    }
  }

  /** @param parts of which the newest range is made */
  #drawLine(...parts: readonly SequenceRange[]): void {
    const newest = this.#ranges.at(-1);
    this.#line = new TimeLine();
    if (newest === undefined) return;
    for (const { first, last, firstAt, lastAt } of [...parts, newest]) {
      if (first > newest.first) this.#line.pass(first - newest.first, firstAt - newest.firstAt);
      if (last > newest.first) this.#line.pass(last - newest.first, lastAt - newest.firstAt);
    }
  }

  /** Of the first range that ends at or after it. */
  #indexOf(sequence: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ranges[middle] as SequenceRange).last >= sequence) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Read off the line between the ends of its range. */
function timeOf({ first, last, firstAt, lastAt }: SequenceRange, sequence: number): number {
  return firstAt + ((lastAt - firstAt) * (sequence - first)) / Math.max(1, last - first);
}

function joined(before: SequenceRange, after: SequenceRange): SequenceRange {
  const { first, firstAt } = before;
  return { first, last: after.last, firstAt, lastAt: after.lastAt };
}

/** Whether both can be one, in number and time. */
function follows(before: SequenceRange, after: SequenceRange): boolean {
  if (after.first !== before.last + 1) return false;
  const both = joined(before, after);
  const isNear = (sequence: number, at: number): boolean =>
    Math.abs(timeOf(both, sequence) - at) <= timeErrorMs;
  return isNear(before.last, before.lastAt) && isNear(after.first, after.firstAt);
}
