/**
 * Sets of sequence numbers as inclusive ranges, sorted and disjoint. Pure; every function returns a new list.
 */

export interface Range {
  readonly first: number;
  readonly last: number;
}

/** Sorted, disjoint, neighbours joined. */
export function normalise(ranges: readonly Range[]): Range[] {
  const sorted = [...ranges].sort((x, y) => x.first - y.first);
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of sorted) {
    const end = result.at(-1);
    if (end !== undefined && first <= end.last + 1) end.last = Math.max(end.last, last);
    else result.push({ first, last });
  }
  return result;
}

export function union(...sets: readonly (readonly Range[])[]): Range[] {
  return normalise(sets.flat());
}

/** What is in `from` and not in `minus`. Both normalised. */
export function subtract(from: readonly Range[], minus: readonly Range[]): Range[] {
  const result: Range[] = [];
  let index = 0;
  for (const range of from) {
    let first = range.first;
    while (index > 0 && (minus[index - 1]?.last ?? -Infinity) >= first) index -= 1;
    while (index < minus.length && first <= range.last) {
      const hole = minus[index] as Range;
      if (hole.last < first) index += 1;
      else if (hole.first > range.last) break;
      else {
        if (hole.first > first) result.push({ first, last: hole.first - 1 });
        first = hole.last + 1;
        index += 1;
      }
    }
    if (first <= range.last) result.push({ first, last: range.last });
  }
  return result;
}

export function intersect(left: readonly Range[], right: readonly Range[]): Range[] {
  return subtract(left, subtract(left, right));
}

/** The part of `ranges` inside `[first, last]`. */
export function clip(ranges: readonly Range[], first: number, last: number): Range[] {
  return ranges
    .filter((range) => range.last >= first && range.first <= last)
    .map((range) => ({
      first: Math.max(range.first, first),
      last: Math.min(range.last, last),
    }));
}

/** What lies between the ranges. */
export function gaps(ranges: readonly Range[]): Range[] {
  return ranges.slice(1).map((range, index) => ({
    first: (ranges[index] as Range).last + 1,
    last: range.first - 1,
  }));
}

export function count(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}
