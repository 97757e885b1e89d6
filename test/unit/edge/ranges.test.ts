import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';

const add = (max: number, numbers: readonly number[]) =>
  loadAddon().tables.ranges(max, Float64Array.from(numbers));

/** Every second number from `first`: as many gaps. */
const sparse = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => first + 2 * i);

describe('ranges of sequence numbers', () => {
  it.each<[string, number[], [number, number][], number]>([
    ['join what follows', [5, 6, 7], [[5, 7]], 0],
    [
      'keep a gap',
      [5, 7],
      [
        [5, 5],
        [7, 7],
      ],
      0,
    ],
    ['close a gap with what is late', [5, 7, 6], [[5, 7]], 0],
    [
      'narrow a gap from either side',
      [1, 9, 2, 8],
      [
        [1, 2],
        [8, 9],
      ],
      0,
    ],
    [
      'begin earlier with what came before the first',
      [5, 4, 2],
      [
        [2, 2],
        [4, 5],
      ],
      0,
    ],
    [
      'count what comes again',
      [1, 2, 5, 5, 1, 2, 6],
      [
        [1, 2],
        [5, 6],
      ],
      3,
    ],
  ])('%s', (_title, numbers, list, again) => {
    expect(add(8, numbers)).toEqual({ list, again, joined: 0 });
  });

  it('join the oldest when there are too many, and say from where on they are exact', () => {
    expect(add(4, sparse(0, 5))).toEqual({
      list: [
        [0, 2],
        [4, 4],
        [6, 6],
        [8, 8],
      ],
      again: 0,
      joined: 1,
      exactFrom: 2,
    });
  });

  it('stay exact in the last 61,000 of a million gaps', () => {
    const { list, joined, exactFrom } = add(65_536, sparse(0, 1_000_000));
    expect(list.length).toBeLessThanOrEqual(65_536);
    expect(list.length + joined).toBe(1_000_000);
    const exact = list.filter(([first]) => first > exactFrom!);
    expect(exact.length).toBeGreaterThan(61_000);
    expect(exact.every(([first, last]) => first === last)).toBe(true);
  });
});

describe('packets that the kernel dropped at our socket', () => {
  it.each<[string, [number, number][], [number, number][]]>([
    [
      'are the gap that they left',
      [
        [10, 0],
        [14, 3],
        [15, 0],
      ],
      [[11, 13]],
    ],
    [
      'are the first of a gap that is longer',
      [
        [10, 0],
        [20, 3],
      ],
      [[11, 13]],
    ],
    [
      'are no gap where none is',
      [
        [10, 0],
        [11, 3],
        [13, 0],
      ],
      [],
    ],
    [
      'are not what came late',
      [
        [10, 0],
        [15, 4],
        [12, 0],
      ],
      [
        [11, 11],
        [13, 14],
      ],
    ],
    [
      'before the first packet are unknown',
      [
        [10, 7],
        [11, 0],
      ],
      [],
    ],
    [
      'leave other gaps to others',
      [
        [10, 0],
        [12, 0],
        [15, 2],
      ],
      [[13, 14]],
    ],
  ])('%s', (_title, rows, ranges) => {
    expect(loadAddon().tables.dropped(rows)).toEqual(ranges);
  });
});

describe('receive times', () => {
  // The machine's clock and ours at the reading, a stamp by the machine's clock, and the earliest that it can be.
  it.each<[string, [number, number, number, number][], number[]]>([
    ['are converted', [[5_000, 1_000, 4_990, 0]], [990]],
    [
      'are converted from before and after the clock was set',
      [
        [5_000, 1_000, 4_990, 0],
        [16_020, 1_020, 5_010, 1_000],
        [16_020, 1_020, 16_015, 1_010],
      ],
      [990, 1_010, 1_015],
    ],
    [
      'are converted when it was set back',
      [
        [50_000, 1_000, 49_990, 0],
        [39_020, 1_020, 50_010, 1_000],
        [39_020, 1_020, 39_015, 1_010],
      ],
      [990, 1_010, 1_015],
    ],
    ['are never later than now', [[5_000, 1_000, 9_000, 0]], [1_000]],
    ['are never before what was read before', [[5_000, 1_000, 4_000, 900]], [900]],
  ])('%s', (_title, rows, expected) => {
    expect(loadAddon().tables.arrivals(rows)).toEqual(expected);
  });
});

describe('the times of ranges', () => {
  /** Packets from a number and a time on, so many ms apart. */
  const run = (first: number, count: number, at: number, apart: number): [number, number][] =>
    Array.from({ length: count }, (_, i) => [first + i, at + i * apart]);
  const errorOf = (packets: readonly [number, number][]): number => {
    const ranges = loadAddon().tables.timedRanges(packets);
    const errors = packets.map(([number, at]) => {
      const [first, last, firstAt, lastAt] = ranges.find(
        (range) => range[0] <= number && number <= range[1],
      )!;
      const share = (number - first) / Math.max(1, last - first);
      return Math.abs(firstAt + share * (lastAt - firstAt) - at);
    });
    return Math.max(...errors);
  };

  it.each<[string, [number, number][], number[][]]>([
    ['are one where packets come evenly', run(1, 500, 0, 20), [[1, 500, 0, 9_980]]],
    [
      'part at a silence that no gap shows',
      [...run(1, 100, 0, 20), ...run(101, 100, 62_000, 20)],
      [
        [1, 100, 0, 1_980],
        [101, 200, 62_000, 63_980],
      ],
    ],
    [
      'part where a sender that is silent sends less often',
      [...run(1, 100, 0, 20), ...run(101, 100, 2_400, 400), ...run(201, 100, 42_000, 20)],
      [
        [1, 101, 0, 2_400],
        [102, 201, 2_800, 42_000],
        [202, 300, 42_020, 43_980],
      ],
    ],
    [
      'are one where a packet came late',
      [...run(1, 50, 0, 20), ...run(52, 50, 1_020, 20), [51, 1_060], ...run(102, 9, 2_020, 20)],
      [[1, 110, 0, 2_180]],
    ],
    [
      'stay apart where what came late closes the gap at a silence',
      [...run(1, 100, 0, 20), ...run(102, 100, 60_000, 20), [101, 60_010]],
      [
        [1, 100, 0, 1_980],
        [101, 201, 60_010, 61_980],
      ],
    ],
  ])('%s', (_title, packets, ranges) => {
    expect(loadAddon().tables.timedRanges(packets)).toEqual(ranges);
    expect(errorOf(packets)).toBeLessThanOrEqual(500);
  });
});
