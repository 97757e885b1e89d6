import type { SequenceRange } from './types.ts';

/** What the addon says of a thing: as it is, but for lists of ranges, which are four numbers a range in one array. */
export type WithPackedRanges<T> = {
  readonly [K in keyof T]: T[K] extends readonly SequenceRange[] ? Float64Array : T[K];
};

const numbersPerRange = 4;

/** A list may have 65,536 ranges: objects are made here, where one costs nanoseconds. */
function unpackRanges(packed: Float64Array): SequenceRange[] {
  const ranges: SequenceRange[] = [];
  for (let at = 0; at < packed.length; at += numbersPerRange) {
    const [first, last, firstAt, lastAt] = packed.subarray(at, at + numbersPerRange) as unknown as [
      number,
      number,
      number,
      number,
    ];
    ranges.push({ first, last, firstAt, lastAt });
  }
  return ranges;
}

export function unpack<T extends object>(report: WithPackedRanges<T>): T {
  const entries = Object.entries(report).map(([key, value]: [string, unknown]) => [
    key,
    value instanceof Float64Array ? unpackRanges(value) : value,
  ]);
  return Object.fromEntries(entries) as T;
}
