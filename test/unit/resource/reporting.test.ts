import { describe, expect, it } from 'vitest';
import { ReportingRecord } from '../../../src/resource/reporting.ts';

function after(...habits: Habit[]): ReportingRecord {
  const record = new ReportingRecord();
  for (const [reports, sentMs] of habits) record.note({ reports, sentMs });
  return record;
}

type Habit = readonly [reports: number, sentMs: number];

function times(sessions: number, reports: number, sentMs: number): Habit[] {
  return Array.from({ length: sessions }, () => [reports, sentMs]);
}

describe('what is known of a recorder that reports', () => {
  it.each([
    ['nothing before the first session', [], undefined],
    ['nothing from sessions too short for a report', times(20, 0, 4_999), undefined],
    ['nothing from two silent sessions', times(2, 0, 5_000), undefined],
    ['that it does not, from several silent sessions', times(3, 0, 5_000), 0],
    ['that it does after all', [...times(50, 0, 9_000), [20, 10_000]], 500],
    ['how often', [[20, 10_000]], 500],
    ['at most the usual interval from a report or two', [[2, 1_000]], 5_000],
    ['a longer one from a report or two in a long session', [[2, 40_000]], 20_000],
    [
      'the middle of what it did, whatever single sessions were',
      [
        [20, 10_000],
        [3, 90_000],
        [20, 10_000],
      ],
      500,
    ],
    ['no more than a minute', [[3, 900_000]], 60_000],
    ['no less than a packet', [[9_000, 9_000]], 20],
    ['what it did lately', [...times(15, 10, 10_000), ...times(15, 20, 10_000)], 500],
    ['that it did, however long it is silent since', [[20, 10_000], ...times(99, 0, 9_000)], 500],
  ] as [string, Habit[], number | undefined][])('is %s', (_, habits, everyMs) => {
    expect(after(...habits).everyMs('auto')).toBe(everyMs);
  });

  it('is what the operator says, or else what is known beforehand', () => {
    expect(after([20, 10_000]).everyMs('none')).toBe(0);
    expect(after().everyMs('expected')).toBe(5_000);
    expect(after([0, 9_000], [0, 9_000], [0, 9_000]).everyMs('expected')).toBe(5_000);
    expect(after([20, 10_000]).everyMs('expected')).toBe(500);
    expect(after([3, 60_000]).everyMs('expected', 500)).toBe(500);
  });
});
