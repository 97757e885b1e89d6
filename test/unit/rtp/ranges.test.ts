import { describe, expect, it } from 'vitest';
import {
  clip,
  count,
  gaps,
  intersect,
  normalise,
  subtract,
  union,
} from '../../../src/rtp/ranges.ts';
import type { Range } from '../../../src/rtp/ranges.ts';

const range = (first: number, last: number): Range => ({ first, last });

/** The same algebra on plain sets: slow, and obviously right. */
function members(ranges: readonly Range[]): Set<number> {
  return new Set(
    ranges.flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, index) => first + index),
    ),
  );
}

function* randomSets(seed: number): Generator<[Range[], Range[]]> {
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const set = (): Range[] =>
    normalise(
      Array.from({ length: next(8) }, () => {
        const first = next(60);
        return range(first, first + next(9));
      }),
    );
  for (let round = 0; round < 2_000; round += 1) yield [set(), set()];
}

describe('ranges', () => {
  it('joins overlapping and neighbouring ranges', () => {
    expect(normalise([range(5, 6), range(1, 2), range(3, 3), range(9, 9)])).toEqual([
      range(1, 3),
      range(5, 6),
      range(9, 9),
    ]);
  });

  it('agrees with plain sets on union, difference and intersection', () => {
    for (const [left, right] of randomSets(7)) {
      const [l, r] = [members(left), members(right)];
      expect(members(union(left, right))).toEqual(l.union(r));
      expect(members(subtract(left, right))).toEqual(l.difference(r));
      expect(members(intersect(left, right))).toEqual(l.intersection(r));
      expect(count(left)).toBe(l.size);
    }
  });

  it('unites any number of sets, in whatever order they are', () => {
    const sets = [...randomSets(11)].slice(0, 300).map(([left, right]) => [...right, ...left]);
    for (let index = 0; index + 5 < sets.length; index += 1) {
      const some = sets.slice(index, index + (index % 6));
      const all = some.reduce((sum, set) => sum.union(members(set)), new Set<number>());
      const united = union(...some);
      expect(members(united)).toEqual(all);
      expect(normalise(united)).toEqual(united);
    }
  });

  it('leaves what it is given as it was', () => {
    const sets = [[range(1, 2)], [range(2, 9)]];
    union(...sets);
    normalise([...sets.flat()]);
    expect(sets).toEqual([[range(1, 2)], [range(2, 9)]]);
  });

  it('clips to a window and lists what lies between', () => {
    const ranges = [range(1, 5), range(8, 12), range(20, 20)];
    expect(clip(ranges, 4, 10)).toEqual([range(4, 5), range(8, 10)]);
    expect(gaps(ranges)).toEqual([range(6, 7), range(13, 19)]);
  });
});
