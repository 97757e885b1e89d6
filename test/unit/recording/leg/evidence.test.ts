import { describe, expect, it } from 'vitest';
import type { ForkReport } from '../../../../src/edge/types.ts';
import { weigh } from '../../../../src/recording/leg/evidence.ts';
import { forkReport, range } from '../../../support/reports.ts';

const startedAt = 0;
const graceMs = 200;

/** Receiver reports every 500 ms, the last one at `at`; media goes on. */
function reporting(at: number, sent = [range(1, 10_000)]): ForkReport {
  return forkReport(sent, {
    receiverReports: Math.floor(at / 500),
    receiverReport: {
      at,
      highestSequence: 0,
      fractionLost: 0,
      jitterMs: 0,
    },
  });
}

describe('a suspicion', () => {
  it('is confirmed at once by an ICMP refusal', () => {
    const refused = forkReport([], { refused: { at: 5, sequence: 1, count: 1 } });
    expect(weigh([reporting(5_000), refused], 5_000, 5_000, startedAt, graceMs)).toBe('dead');
  });

  it('waits while the next receiver report is not due', () => {
    expect(weigh([reporting(5_000)], 5_010, 5_600, startedAt, graceMs)).toEqual({ waitMs: 251 });
  });

  it('is cleared by a receiver report that is newer', () => {
    expect(weigh([reporting(5_500)], 5_010, 5_600, startedAt, graceMs)).toBe('alive');
  });

  it('is not cleared by a report that was under way when it was raised', () => {
    expect(weigh([reporting(5_050)], 5_010, 5_060, startedAt, graceMs)).toEqual({
      waitMs: expect.any(Number) as number,
    });
  });

  it('is confirmed when reports that used to come stay out', () => {
    expect(weigh([reporting(5_000)], 5_010, 5_900, startedAt, graceMs)).toBe('dead');
  });

  it('follows the pace of the recorder: one that reports every 5 s is given longer', () => {
    const slow = { ...reporting(10_000), receiverReports: 2 };
    expect(weigh([slow], 10_010, 16_000, startedAt, graceMs)).toEqual({ waitMs: 1_601 });
    expect(weigh([slow], 10_010, 18_000, startedAt, graceMs)).toBe('dead');
  });

  it('gives a recorder that never reported its grace, and no more', () => {
    expect(weigh([forkReport([])], 1_000, 1_150, startedAt, graceMs)).toEqual({ waitMs: 51 });
    expect(weigh([forkReport([])], 1_000, 1_201, startedAt, graceMs)).toBe('dead');
  });

  describe('of a recorder to which nothing was sent since its last report', () => {
    const quiet = reporting(5_000, [range(1, 249)]);

    it('is left to OPTIONS, and cleared when a report would be due', () => {
      expect(weigh([quiet], 60_000, 60_010, startedAt, graceMs)).toEqual({ waitMs: 841 });
      expect(weigh([quiet], 60_000, 60_851, startedAt, graceMs)).toBe('alive');
    });

    it('is confirmed when it does not answer OPTIONS either', () => {
      expect(weigh([quiet], 60_000, 60_100, startedAt, graceMs, true)).toEqual({ waitMs: 101 });
      expect(weigh([quiet], 60_000, 60_201, startedAt, graceMs, true)).toBe('dead');
    });

    it('waits for a report when media has just gone on, and is confirmed when none comes', () => {
      const resumed = { ...quiet, sent: [range(1, 249), range(3_000, 3_010)] };
      const told = {
        ...resumed,
        receiverReport: { ...quiet.receiverReport!, highestSequence: 3_000 },
      };
      expect(weigh([told], 60_000, 60_300, startedAt, graceMs)).toEqual({ waitMs: 551 });
      expect(weigh([told], 60_000, 60_851, startedAt, graceMs)).toBe('dead');
    });
  });
});
