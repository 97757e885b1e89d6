import { describe, expect, it } from 'vitest';
import type { ForkReport } from '../../../../src/edge/types.ts';
import { finishFailover } from '../../../../src/recording/account/failovers.ts';
import type { FailoverRecord } from '../../../../src/recording/account/failovers.ts';
import type { SessionFailure, SessionRecord } from '../../../../src/recording/account/records.ts';
import {
  currentSession,
  endSession,
  failSession,
  newSession,
  settleSession,
} from '../../../../src/recording/account/sessions.ts';
import type { SessionEnd } from '../../../../src/recording/account/sessions.ts';
import { failoverState, sessionState } from '../../../../src/recording/account/shown.ts';
import { sessionRecord, streamsOf } from '../../../support/account.ts';
import { forkReport, range, streamReport } from '../../../support/reports.ts';

const stream = streamReport([range(100, 300)]);

function failure(change: Partial<SessionFailure> = {}): SessionFailure {
  const deadAt = change.deadAt ?? 200 * 20;
  return { reason: 'sip_closed', deadAt, safeAt: deadAt, detectedAt: 300 * 20, ...change };
}

function ended(
  fork: ForkReport,
  failed: Partial<SessionFailure>,
  change: Partial<SessionEnd> = {},
): SessionRecord {
  return endSession(failSession(sessionRecord(), failure(failed)), {
    at: 6_000,
    reason: 'sip_closed',
    forks: { a: fork },
    streams: streamsOf(stream),
    ...change,
  });
}

const all = forkReport([range(100, 300)]);
const reported = (highestSequence: number): Partial<ForkReport> => ({
  receiverReports: 1,
  receiverReport: { at: 0, highestSequence, fractionLost: 0, jitterMs: 0 },
});

describe('a recording session', () => {
  it('is the current one until it has ended', () => {
    const first = sessionRecord();
    expect(currentSession([])).toBeUndefined();
    expect(currentSession([first])).toBe(first);
    expect(currentSession([{ ...first, endedAt: 1 }])).toBeUndefined();
    expect(currentSession([{ ...first, endedAt: 1 }, first])).toBe(first);
  });

  it('fails once and ends once', () => {
    const failed = failSession(sessionRecord(), failure());
    expect(failSession(failed, failure({ reason: 'icmp' }))).toBe(failed);
    const over = ended(all, {});
    expect(endSession(over, { at: 9, reason: 'x', forks: {}, streams: streamsOf(stream) })).toBe(
      over,
    );
  });

  it('takes a later account of its copies when it has ended, and not before', () => {
    const later = { a: forkReport([range(100, 100)]) };
    expect(settleSession(sessionRecord(), later).forks).toBeUndefined();
    expect(settleSession(ended(all, {}), later).forks).toEqual(later);
  });

  it('that did not fail has no end before its end', () => {
    const end = { at: 1, reason: 'x', forks: { a: all }, streams: streamsOf(stream) };
    expect(endSession(sessionRecord(), end).deadFrom).toBeUndefined();
  });
});

describe('from which packet on a failed recorder was not there', () => {
  it('is where it was when the recorder was last known to be', () => {
    expect(ended(all, {}).deadFrom).toEqual({ a: 200 });
  });

  it('is as the ring knows it, where that is told', () => {
    const arrivedAt = { a: 230 };
    const known = streamsOf({ ...stream, ringFirst: 150 });
    expect(ended(all, {}, { arrivedAt, streams: known }).deadFrom).toEqual({ a: 230 });
  });

  it('is no later than the ends of ranges allow where the ring does not reach back so far', () => {
    const arrivedAt = { a: 230 };
    const known = streamsOf({ ...stream, ringFirst: 230 });
    expect(ended(all, {}, { arrivedAt, streams: known }).deadFrom).toEqual({ a: 200 });
  });

  it('is the packet that was refused', () => {
    const refused = { at: 250 * 20, sequence: 250, count: 1 };
    const record = ended({ ...all, refused }, { reason: 'icmp', deadAt: 250 * 20 });
    expect(record.deadFrom).toEqual({ a: 250 });
  });

  it('is a little before the refusal for the stream that was not refused itself', () => {
    const refused = { at: 250 * 20, sequence: 250, count: 1 };
    const record = ended(
      { ...all, refused },
      { reason: 'icmp', deadAt: 250 * 20 },
      { forks: { a: { ...all, refused }, b: all }, streams: streamsOf(stream, stream) },
    );
    expect(record.deadFrom).toEqual({ a: 250, b: 250 });
    const between = ended(
      { ...all, refused },
      { deadAt: 250 * 20 - 5 },
      {
        forks: { a: { ...all, refused }, b: all },
        streams: streamsOf(stream, stream),
      },
    );
    expect(between.deadFrom).toEqual({ a: 250, b: 250 });
  });

  it('is not before what it has reported on', () => {
    expect(ended({ ...all, ...reported(219) }, {}).deadFrom).toEqual({ a: 220 });
  });

  it('is not beyond what it was sent, whatever it reported', () => {
    expect(ended({ ...all, ...reported(9_000_000) }, {}).deadFrom).toEqual({ a: 301 });
  });

  it('does not go by the time of packets that were sent later than they arrived', () => {
    const behind = forkReport([range(100, 250)], { replayed: [range(100, 250)] });
    expect(ended(behind, { deadAt: 300 * 20 }).deadFrom).toEqual({ a: 100 });
  });
});

describe('from which packet on it is not sure that a failed recorder was there', () => {
  it('is when it answered for sure', () => {
    expect(ended(all, { safeAt: 150 * 20 }).unsureFrom).toEqual({ a: 150 });
    expect(ended(all, {}).unsureFrom).toEqual({ a: 200 });
  });

  it('is after what it reported, however long it was there', () => {
    const record = ended({ ...all, ...reported(180) }, { reason: 'icmp' });
    expect(record.unsureFrom).toEqual({ a: 181 });
  });

  it('is when it said goodbye', () => {
    expect(ended(all, { reason: 'srs_bye', safeAt: 0 }).unsureFrom).toEqual({ a: 200 });
  });
});

describe('what is shown', () => {
  const wallOf = (at: number): number => at + 60_000;

  it('has the times of the machine’s clock', () => {
    const record = newSession({ recordId: 's1', recorder: 'r1', zone: 'east' }, 1_000, {});
    expect(sessionState(record, wallOf)).toEqual({
      recordId: 's1',
      recorder: 'r1',
      startedAt: '1970-01-01T00:01:01.000Z',
      endedAt: null,
      endReason: null,
    });
    const over = { ...record, endedAt: 2_000, endReason: 'call ended' };
    expect(sessionState(over, wallOf)).toMatchObject({
      endedAt: '1970-01-01T00:01:02.000Z',
      endReason: 'call ended',
    });
  });

  it('of a move is what it took and what it cost, once it is over', () => {
    const failover: FailoverRecord = {
      leg: 1,
      from: 'r1',
      reason: 'icmp',
      detectedAt: 1_000.126,
      deadAt: 990,
    };
    expect(failoverState(failover, wallOf)).toMatchObject({
      to: null,
      failoverMs: null,
      detectionMs: 10.13,
      at: '1970-01-01T00:01:01.000Z',
    });
    const cost = { lostPackets: 2, lostMs: 40, replayedPackets: 9 };
    const done = finishFailover(failover, 'r2', 1_050.126, cost);
    expect(failoverState(done, wallOf)).toMatchObject({ to: 'r2', failoverMs: 50, ...cost });
    expect(finishFailover(done, 'r3', 2_000, cost)).toBe(done);
  });
});
