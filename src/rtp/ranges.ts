/**
 * Sets of sequence numbers as inclusive ranges, sorted and disjoint. Pure; every function returns a new list.
 */

export interface Range {
  readonly first: number;
  readonly last: number;
}

/** Sorted, disjoint, neighbours joined. */
export function normalise(ranges: readonly Range[]): Range[] {
  return joined(isSorted(ranges) ? ranges : [...ranges].sort((x, y) => x.first - y.first));
}

export function union(...sets: readonly (readonly Range[])[]): Range[] {
  // What is sorted already, as a rule, is merged: two by two, so that each range is looked at a few times only.
  let merged: (readonly Range[])[] = sets
    .filter((set) => set.length > 0)
    .map((set) => (isSorted(set) ? set : normalise(set)));
  while (merged.length > 1) {
    const next: (readonly Range[])[] = [];
    for (let index = 0; index < merged.length; index += 2) {
      next.push(inOrder(merged[index] ?? [], merged[index + 1] ?? []));
    }
    merged = next;
  }
  return joined(merged[0] ?? []);
}

function isSorted(ranges: readonly Range[]): boolean {
  let before = -Infinity;
  for (const { first } of ranges) {
    if (first < before) return false;
    before = first;
  }
  return true;
}

/** Both sorted. */
function inOrder(left: readonly Range[], right: readonly Range[]): readonly Range[] {
  if (right.length === 0) return left;
  const result: Range[] = [];
  let next = 0;
  for (const range of left) {
    for (; (right[next]?.first ?? Infinity) < range.first; next += 1) {
      result.push(right[next] as Range);
    }
    result.push(range);
  }
  for (; next < right.length; next += 1) result.push(right[next] as Range);
  return result;
}

/** @param sorted by their first */
function joined(sorted: readonly Range[]): Range[] {
  const result: Range[] = [];
  let end: { first: number; last: number } | undefined;
  for (const { first, last } of sorted) {
    if (end !== undefined && first <= end.last + 1) {
      if (last > end.last) end.last = last;
    } else {
      end = { first, last };
      result.push(end);
    }
  }
  return result;
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

/** Both normalised. */
export function intersect(left: readonly Range[], right: readonly Range[]): Range[] {
  const result: Range[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    const x = left[i] as Range;
    const y = right[j] as Range;
    const first = Math.max(x.first, y.first);
    const last = Math.min(x.last, y.last);
    if (first <= last) result.push({ first, last });
    if (x.last < y.last) i += 1;
    else j += 1;
  }
  return result;
}

/** The part of `ranges` inside `[first, last]`. */
export function clip(ranges: readonly Range[], first: number, last: number): Range[] {
  const result: Range[] = [];
  for (const range of ranges) {
    if (range.last < first || range.first > last) continue;
    result.push({ first: Math.max(range.first, first), last: Math.min(range.last, last) });
  }
  return result;
}

/** What lies between the ranges, of which one may follow on another. */
export function gaps(ranges: readonly Range[]): Range[] {
  return joined(ranges)
    .map(({ first }, index, whole) => ({
      first: (whole[index - 1]?.last ?? first) + 1,
      last: first - 1,
    }))
    .slice(1);
}

export function count(ranges: readonly Range[]): number {
  let sum = 0;
  for (const { first, last } of ranges) sum += last - first + 1;
  return sum;
}
