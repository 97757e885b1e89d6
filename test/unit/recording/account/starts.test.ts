import { describe, expect, it } from 'vitest';
import type { ForkReport, ForkStart } from '../../../../src/edge/types.ts';
import type { LegBooks } from '../../../../src/recording/account/books.ts';
import type { HandOver } from '../../../../src/recording/account/starts.ts';
import type { SessionRecord } from '../../../../src/recording/account/records.ts';
import {
  goOnPoints,
  handOverPoints,
  lateStart,
  livePoints,
  replayPoints,
} from '../../../../src/recording/account/starts.ts';
import type { FailureReason } from '../../../../src/recording/interfaces.ts';
import { booksOf, endedSession, exactFork, sessionRecord } from '../../../support/account.ts';
import { forkReport, range } from '../../../support/reports.ts';

const all = [range(100, 300)];
const at = (sequence: number): ForkStart => ({ kind: 'sequence', sequence });

function failed(
  fork: ForkReport,
  reason: FailureReason,
  points: { readonly deadFrom: number; readonly unsureFrom?: number },
): SessionRecord {
  const { deadFrom, unsureFrom = deadFrom } = points;
  return endedSession(
    { a: fork },
    {
      failure: { reason, deadAt: 0, safeAt: 0, detectedAt: 0 },
      deadFrom: { a: deadFrom },
      unsureFrom: { a: unsureFrom },
    },
  );
}

function replayed(session: SessionRecord, change: Parameters<typeof booksOf>[1] = {}): ForkStart {
  return replayPoints(booksOf(all, { sessions: [session], ...change }), 200).a;
}

describe('a replay begins', () => {
  it('with the first packet that was to be recorded when it is the first of its leg', () => {
    const window = { from: { a: 150, b: undefined }, pauses: [] };
    const books = booksOf(all, { window });
    expect(replayPoints(books, 200)).toEqual({ a: at(150), b: { kind: 'oldest' } });
  });

  it('with what the recorder before may not have, less the overlap', () => {
    const session = failed(forkReport(all), 'icmp', { deadFrom: 250, unsureFrom: 240 });
    expect(replayed(session)).toEqual(at(230));
  });

  it('with what a recorder that reports has not confirmed, whatever its last report is newer than', () => {
    const receiverReport = { at: 0, highestSequence: 299, fractionLost: 0.9, jitterMs: 0 };
    const fork = forkReport(all, {
      receiverReports: 4,
      receiverReport,
      confirmed: [range(100, 159)],
      reportedLost: { atLeast: 120, atMost: 120 },
    });
    expect(replayed(failed(fork, 'rtcp_loss', { deadFrom: 300 }))).toEqual(at(150));
  });

  it('with what a recorder has named as not received', () => {
    const confirmed = [range(100, 199), range(203, 300)];
    const fork = exactFork(all, { confirmed, denied: [range(200, 202)] });
    expect(replayed(failed(fork, 'icmp', { deadFrom: 301 }))).toEqual(at(190));
  });

  it('with all that it was sent when it never reported and that is what moved the leg', () => {
    const session = failed(forkReport(all), 'rtcp_silence', { deadFrom: 290 });
    expect(replayed(session, { stream: { ringFirst: 120 } })).toEqual(at(110));
  });

  it('no further back than the ring goes, nor the recording', () => {
    const session = failed(forkReport(all), 'media_refused', { deadFrom: 100 });
    expect(replayed(session, { stream: { ringFirst: 250 } })).toEqual(at(240));
    const window = { from: { a: 245, b: undefined }, pauses: [] };
    expect(replayed(session, { stream: { ringFirst: 250 }, window })).toEqual(at(245));
  });

  it('with the next packet, less the overlap, when nothing is missing', () => {
    expect(replayed(endedSession({ a: exactFork(all) }))).toEqual(at(291));
  });

  it('not for packets of a pause', () => {
    const window = {
      from: { a: 100, b: undefined },
      pauses: [{ from: { a: 200, b: undefined }, to: { a: 280, b: undefined } }],
    };
    const sent = [range(100, 199)];
    expect(replayed(endedSession({ a: exactFork(sent) }), { window })).toEqual(at(270));
  });
});

describe('a session that goes on', () => {
  it('begins with the next packet', () => {
    expect(livePoints(booksOf(all).streams)).toEqual({ a: at(301), b: { kind: 'oldest' } });
  });

  const expected: HandOver = {
    overlapMs: 200,
    doubted: false,
    habit: { reports: 'expected', everyMs: 500 },
    now: 6_000,
  };
  const current = (fork: ForkReport | undefined, change = {}): LegBooks =>
    booksOf(all, {
      sessions: [sessionRecord({ from: { a: at(200) } })],
      live: fork === undefined ? {} : { a: fork },
      ...change,
    });
  const handedOver = (fork: ForkReport | undefined, how: Partial<HandOver> = {}): ForkStart =>
    handOverPoints(current(fork), { ...expected, ...how }).a;
  const report = (sentAt: number, highestSequence: number): Partial<ForkReport> => ({
    receiverReports: 10,
    receiverReport: { at: sentAt, highestSequence, fractionLost: 0, jitterMs: 0 },
    confirmed: [range(100, highestSequence)],
  });

  it.each([
    ['that has confirmed all', forkReport(all, report(6_000, 300))],
    ['whose next report is not due yet', forkReport(all, report(5_500, 275))],
    ['whose next report is late and not too late', forkReport(all, report(5_200, 260))],
  ])('takes over with the next packet from one %s', (_title, fork) => {
    expect(handedOver(fork)).toEqual(at(301));
  });

  it('takes over with what was not sent from one that is behind', () => {
    const behind = { state: 'catching-up' } as const;
    const confirmed = [range(200, 220)];
    expect(handedOver(exactFork([range(200, 220)], { ...behind, confirmed }))).toEqual(at(221));
    expect(handedOver(forkReport([], behind))).toEqual(at(200));
  });

  it('takes over with the next packet from one that is known never to report', () => {
    expect(handedOver(forkReport(all), { habit: { reports: 'none' } })).toEqual(at(301));
  });

  it.each<[string, ForkReport, Partial<HandOver>, number]>([
    ['is long due for a report', forkReport(all, report(3_000, 150)), {}, 151],
    ['never sent the report that is expected', forkReport(all), {}, 100],
    [
      'never sent a report where it is not known whether it does',
      forkReport(all),
      { habit: { reports: 'unknown' }, now: 60_000 },
      100,
    ],
    [
      'reported, and not all of it came',
      forkReport(all, { ...report(6_000, 300), confirmed: [range(100, 280)] }),
      {},
      281,
    ],
    ['is left for its loss', forkReport(all, report(6_000, 290)), { doubted: true }, 291],
  ])('gives the next one again what one may not have that %s', (_title, fork, how, first) => {
    expect(handedOver(fork, how)).toEqual(at(first - 10));
  });

  it('gives nothing again that has left the ring', () => {
    const fork = forkReport(all, { ...report(6_000, 300), confirmed: [range(200, 300)] });
    const books = current(fork, { stream: { ringFirst: 200 } });
    expect(handOverPoints(books, expected).a).toEqual(at(301));
  });

  it('gives nothing again where nothing is to be', () => {
    expect(goOnPoints(current(forkReport(all, report(3_000, 150)))).a).toEqual(at(301));
    expect(goOnPoints(current(undefined)).a).toEqual(at(200));
  });

  it('takes over from its beginning a stream that the recorder did not want', () => {
    expect(handedOver(undefined)).toEqual(at(200));
  });
});

describe('a stream that the recorder did not want at first', () => {
  it('begins where its session did, or where the ring does', () => {
    const sessions = [sessionRecord({ from: { a: at(200) } })];
    expect(lateStart(booksOf(all, { sessions }), 'a')).toEqual(at(200));
    const stream = { ringFirst: 260 };
    expect(lateStart(booksOf(all, { sessions, stream }), 'a')).toEqual(at(260));
  });
});
