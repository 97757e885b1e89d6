import { describe, expect, it } from 'vitest';
import { arrivalOf, sequenceAt, timeTable } from '../../../../src/recording/account/times.ts';
import { range, streamReport } from '../../../support/reports.ts';

describe('the sequence number at a time', () => {
  const stream = streamReport([range(100, 199), range(205, 300)]);

  it.each([
    [0, 100],
    [100 * 20, 100],
    [150 * 20, 150],
    [150 * 20 + 1, 151],
    [202 * 20, 205],
    [300 * 20, 300],
    [400 * 20, 301],
  ])('at %i ms is %i', (at, sequence) => {
    expect(sequenceAt(stream, at)).toBe(sequence);
  });

  it('is unknown before the first packet', () => {
    expect(sequenceAt(streamReport([]), 0)).toBeUndefined();
  });

  it('is not taken for a later one when there was a silence that left no gap in the numbers', () => {
    // 50 packets in the first second, nine seconds of nothing, 50 packets in the last one.
    const silent = streamReport([{ first: 100, last: 199, firstAt: 1_000, lastAt: 11_000 }]);
    const arrivedAt = (index: number): number => (index < 50 ? 1_000 : 10_020) + (index % 50) * 20;
    for (let at = 1_000; at <= 11_000; at += 50) {
      const truth = Array.from({ length: 100 }, (_, index) => index).find(
        (index) => arrivedAt(index) >= at,
      );
      expect(sequenceAt(silent, at)).toBeLessThanOrEqual(100 + (truth ?? 100));
    }
    expect(sequenceAt(silent, 10_500)).toBe(174);
  });

  it('is never of after the straight line, should packets be shorter than is thought', () => {
    const short = streamReport([{ first: 100, last: 199, firstAt: 1_000, lastAt: 1_990 }]);
    expect(sequenceAt(short, 1_500)).toBe(150);
  });
});

describe('the time of a packet', () => {
  it('is as known where a range of whatever kind begins or ends', () => {
    const timeOf = timeTable([
      [{ first: 100, last: 200, firstAt: 1_000, lastAt: 9_000 }],
      [{ first: 100, last: 150, firstAt: 1_000, lastAt: 2_000 }],
    ]);
    expect([100, 150, 200].map(timeOf)).toEqual([1_000, 2_000, 9_000]);
    expect(timeOf(175)).toBe(5_500);
  });

  it('lies between its neighbours where nothing came, and is the last known one after that', () => {
    const timeOf = timeTable([[range(100, 199), range(205, 300)]]);
    expect(timeOf(202)).toBe(202 * 20);
    expect(timeOf(400)).toBe(300 * 20);
    expect(timeOf(1)).toBe(100 * 20);
    expect(timeTable([])(7)).toBe(0);
  });

  it('of arrival is looked up in what was received', () => {
    const stream = streamReport([range(100, 199), range(205, 205)]);
    expect([99, 150, 202, 205, 206].map((sequence) => arrivalOf(stream, sequence))).toEqual([
      100 * 20,
      150 * 20,
      205 * 20,
      205 * 20,
      205 * 20,
    ]);
    expect(arrivalOf(streamReport([]), 1)).toBe(0);
  });
});
