import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';

const { tables } = loadAddon();

/** Every second number: as many gaps. */
const sparse = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + 2 * i);
/** In fours, the third of which comes last. */
const late = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + 8 * i).flatMap((n) => [n, n + 4, n + 6, n + 2]);
/** Of one or two gaps in turn: what is filled in joins. */
const filled = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first + 3 * i).flatMap((n) => [n + 2, n, n + 1]);

describe('a list in shared memory', () => {
  it.each<[string, number, number[]]>([
    ['that grows', 65_536, sparse(1, 500)],
    ['to which late numbers come', 65_536, late(1, 300)],
    ['of which ranges join', 65_536, filled(1, 300)],
    ['that reaches its bound again and again', 64, [...sparse(1, 500), ...late(2_001, 100)]],
    ['that is one range', 65_536, Array.from({ length: 500 }, (_, i) => i)],
  ])('%s reads as it is, also while the next one is being made', (_, max, numbers) => {
    for (const every of [1, 3, 16]) {
      const { wrong, left } = tables.sharedRanges(max, Float64Array.from(numbers), every);
      expect({ wrong, left }).toEqual({ wrong: 0, left: 0 });
    }
  });

  it('takes no memory of its own for a single range', () => {
    const inOrder = Float64Array.from({ length: 1_000 }, (_, i) => i);
    expect(tables.sharedRanges(65_536, inOrder, 1)).toMatchObject({ ranges: 1, chunks: 0 });
  });

  it('takes a piece for each 31 ranges', () => {
    const gaps = Float64Array.from(sparse(1, 311));
    expect(tables.sharedRanges(65_536, gaps, 1)).toMatchObject({ ranges: 311, chunks: 10 });
  });
});

describe('a record in shared memory', () => {
  it('is read whole while it is written, and never older than before', () => {
    const { readings, mixed, older, last } = tables.cell(200_000);
    expect({ mixed, older, last }).toEqual({ mixed: 0, older: 0, last: 200_000 });
    expect(readings).toBeGreaterThan(0);
  });

  it('is seen as it was shown, whatever is staged behind it', () => {
    const { mixed, older, last } = tables.stagedCell(200_000);
    expect({ mixed, older, last }).toEqual({ mixed: 0, older: 0, last: 199_998 });
  });

  it('stays as it was published last where its writer is killed in the middle of the next', () => {
    expect(tables.stoppedWrites()).toBe(0);
  });
});
