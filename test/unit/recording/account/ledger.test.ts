import { describe, expect, it } from 'vitest';
import type { ForkReport, SequenceRange, StreamReport } from '../../../../src/edge/types.ts';
import type { LegBooks } from '../../../../src/recording/account/books.ts';
import { buildLedger } from '../../../../src/recording/account/ledger.ts';
import type {
  Ledger,
  LedgerInput,
  StreamLedger,
} from '../../../../src/recording/account/ledger.ts';
import type { SessionRecord } from '../../../../src/recording/account/records.ts';
import {
  booksOf,
  endedSession,
  exactFork,
  sessionRecord,
  streamsOf,
} from '../../../support/account.ts';
import { forkReport, range, streamReport } from '../../../support/reports.ts';

const all = [range(100, 300)];
const now = 300 * 20;

type LegOf = Omit<LegBooks, 'streams' | 'window'> & Pick<LedgerInput['legs'][number], 'everyMs'>;

/** Party b is on hold. */
function ledgerOf(
  stream: StreamReport,
  legs: readonly Partial<LegOf>[],
  change: Partial<LedgerInput> = {},
): Ledger {
  const { window, ...none } = booksOf([]);
  const streams = streamsOf(stream);
  return buildLedger({
    callId: 'c1',
    streams,
    window,
    answered: true,
    expectsMedia: { b: false },
    now,
    wallOf: (at) => at,
    ...change,
    legs: legs.map(({ everyMs = 500, ...books }, index) => ({
      leg: index === 0 ? 1 : 2,
      books: {
        ...none,
        ...books,
        streams: change.streams ?? streams,
        window: change.window ?? window,
      },
      reports: everyMs === 0 ? 'none' : 'expected',
      everyMs,
    })),
  });
}

const over = (fork: ForkReport): Partial<LegOf> => ({ sessions: [endedSession({ a: fork })] });
const running = (fork: ForkReport, session: Partial<SessionRecord> = {}): Partial<LegOf> => ({
  sessions: [sessionRecord(session)],
  live: { a: fork },
});

function verdicts(...legs: readonly Partial<LegOf>[]): string[] {
  const { legs: judged, verdict } = ledgerOf(streamReport(all), legs);
  return [...judged.map((leg) => leg.verdict), verdict];
}

function streamA(ledger: Ledger): StreamLedger {
  return ledger.streams[0] as StreamLedger;
}

const whole = exactFork(all);
/** Confirmed less the part from `first` to `last`, which is neither confirmed nor denied. */
const without = (first: number, last: number): SequenceRange[] => [
  range(100, first - 1),
  range(last + 1, 300),
];
const unconfirmed = (first: number, last: number): ForkReport =>
  exactFork(all, { confirmed: without(first, last) });
const denied = (first: number, last: number): ForkReport =>
  exactFork(all, { confirmed: without(first, last), denied: [range(first, last)] });
/** Of the packets of one interval `lost` did not come. */
const lossy = (first: number, last: number, lost: number, atMost = lost): ForkReport =>
  forkReport(all, {
    receiverReports: 9,
    receiverReport: { at: now, highestSequence: 300, fractionLost: 0, jitterMs: 0, final: true },
    confirmed: without(first, last),
    reportedLost: { atLeast: lost, atMost },
  });

describe('the verdict', () => {
  it.each([
    ['all is confirmed', whole, whole, ['complete', 'complete', 'complete']],
    [
      'no report confirms anything',
      forkReport(all),
      forkReport(all),
      ['unproven', 'unproven', 'unproven'],
    ],
    [
      'one leg confirms what nothing confirms on the other',
      whole,
      forkReport(all),
      ['complete', 'unproven', 'complete-by-merge'],
    ],
    [
      'each leg lacks what the other has confirmed',
      denied(150, 159),
      denied(160, 164),
      ['missing 200 ms', 'missing 100 ms', 'complete-by-merge'],
    ],
    [
      'both lack the same',
      denied(150, 159),
      denied(155, 164),
      ['missing 200 ms', 'missing 200 ms', 'missing 100 ms'],
    ],
    [
      'one lacks what nothing confirms on the other',
      denied(150, 159),
      unconfirmed(155, 156),
      ['missing 200 ms', 'unproven', 'unproven'],
    ],
    [
      'both lack some of the same interval, and nobody says which',
      lossy(150, 174, 3),
      lossy(170, 194, 2),
      ['missing 60 ms', 'missing 40 ms', 'unproven'],
    ],
    [
      'both lack some of different intervals',
      lossy(150, 174, 3),
      lossy(175, 199, 2),
      ['missing 60 ms', 'missing 40 ms', 'complete-by-merge'],
    ],
    [
      'one lacks some of what the other lacks all of',
      lossy(150, 174, 3),
      denied(150, 174),
      ['missing 60 ms', 'missing 500 ms', 'missing 60 ms'],
    ],
    [
      'it is not known whether one lacks any',
      lossy(150, 174, 0, 2),
      whole,
      ['unproven', 'complete', 'complete-by-merge'],
    ],
  ])('when %s', (_, first, second, expected) => {
    expect(verdicts(over(first), over(second))).toEqual(expected);
  });

  it('of a single leg is the call’s', () => {
    expect(verdicts(over(whole))).toEqual(['complete', 'complete']);
    expect(verdicts(over(unconfirmed(150, 151)))).toEqual(['unproven', 'unproven']);
    expect(verdicts(over(denied(150, 151)))).toEqual(['missing 40 ms', 'missing 40 ms']);
  });

  it('is missing when a leg never had a recorder, though the other leg makes up for it', () => {
    expect(verdicts(over(whole), {})).toEqual(['complete', 'missing 4020 ms', 'complete-by-merge']);
  });

  it('is complete where nothing was to be recorded', () => {
    expect(ledgerOf(streamReport(all), []).verdict).toBe('complete');
    const window = { from: { a: 301, b: undefined }, pauses: [] };
    const books = { sessions: [endedSession({ a: forkReport([]) })] };
    expect(ledgerOf(streamReport(all), [books], { window }).verdict).toBe('complete');
  });

  it('is not complete after our own socket dropped packets', () => {
    const received = [range(100, 149), range(152, 300)];
    const stream = streamReport(received, { kernelDrops: 2, dropped: [range(150, 151)] });
    const ledger = ledgerOf(stream, [over(exactFork(received)), over(exactFork(received))]);
    expect(ledger.verdict).toBe('missing 40 ms');
    expect(ledger.legs.map(({ verdict }) => verdict)).toEqual(['missing 40 ms', 'missing 40 ms']);
    expect(streamA(ledger)).toMatchObject({
      lostBeforeUs: [],
      lostBeforeUsPackets: 0,
      lostInUs: { ranges: [{ first: 150, last: 151 }], kernelDrops: 2 },
      missingFromUnion: [{ first: 150, last: 151 }],
    });
  });

  it('is never missing by ranges that were joined', () => {
    const stream = streamReport(all, { rangesJoined: 3, exactFrom: 250 });
    const sent = [range(100, 120), range(130, 300)];
    const ledger = ledgerOf(stream, [over(exactFork(sent)), over(exactFork(sent))]);
    expect(ledger.verdict).toBe('unproven');
    expect(streamA(ledger)).toMatchObject({ exactFrom: 250, missingFromUnion: [] });
  });

  it('is by what was sent, whatever a report counts', () => {
    const ledger = ledgerOf(streamReport(all), [over(lossy(150, 174, 16_753_600))]);
    expect(ledger.verdict).toBe('missing 500 ms');
  });
});

describe('without media', () => {
  const silent = streamReport([]);
  const nothing = over(forkReport([]));

  it('of either party a call is not complete', () => {
    const ledger = ledgerOf(silent, [nothing, nothing], { expectsMedia: {} });
    expect(ledger.streams.map(({ noMedia }) => noMedia)).toEqual([true, true]);
    expect([...ledger.legs.map(({ verdict }) => verdict), ledger.verdict]).toEqual([
      'no-media',
      'no-media',
      'no-media',
    ]);
  });

  it('of one party it is not either', () => {
    const ledger = ledgerOf(streamReport(all), [over(whole)], { expectsMedia: {} });
    expect(ledger.streams.map(({ noMedia }) => noMedia)).toEqual([false, true]);
    expect(ledger.verdict).toBe('no-media');
  });

  it('of a party that is not to send nothing is said, nor before the answer', () => {
    const onHold = ledgerOf(silent, [nothing], { expectsMedia: { a: false, b: false } });
    expect(onHold.verdict).toBe('complete');
    expect(ledgerOf(silent, [nothing], { answered: false }).verdict).toBe('complete');
  });

  it('of one party, what is missing of the other weighs more', () => {
    const ledger = ledgerOf(streamReport(all), [over(denied(150, 159))], { expectsMedia: {} });
    expect(ledger.verdict).toBe('missing 200 ms');
  });
});

describe('while a call lasts', () => {
  const report = (at: number) => ({
    receiverReports: 9,
    receiverReport: { at, highestSequence: 280, fractionLost: 0, jitterMs: 0 },
  });
  const to280 = [range(100, 280)];

  it('is complete what was confirmed when nothing else is due', () => {
    const fork = exactFork(all, { confirmed: to280, ...report(280 * 20) });
    expect(verdicts(running(fork))).toEqual(['complete', 'complete']);
    const counting = forkReport(all, { confirmed: to280, ...report(280 * 20) });
    expect(verdicts(running(counting))).toEqual(['complete', 'complete']);
  });

  it('is unproven what is not confirmed when the report on it is late', () => {
    const fork = exactFork([range(100, 300)], { confirmed: [range(100, 200)] });
    const late = ledgerOf(streamReport(all), [running(fork)], { now: 201 * 20 + 1_260 });
    expect(late.verdict).toBe('unproven');
    const due = ledgerOf(streamReport(all), [running(fork)], { now: 201 * 20 + 1_240 });
    expect(due.verdict).toBe('complete');
  });

  it('is unproven as long as no report has come, and when none will', () => {
    expect(verdicts(running(forkReport(all), { startedAt: now - 100 }))).toEqual([
      'unproven',
      'unproven',
    ]);
    expect(verdicts({ ...running(forkReport(all)), everyMs: 0 })).toEqual(['unproven', 'unproven']);
  });

  it('is pending of a recorder that reports though none was expected', () => {
    const fork = forkReport(all, { confirmed: to280, ...report(280 * 20) });
    expect(verdicts({ ...running(fork), everyMs: 0 })).toEqual(['complete', 'complete']);
  });

  it('is unproven what lies between reported packets and is not named', () => {
    expect(verdicts(running(unconfirmed(150, 151)))).toEqual(['unproven', 'unproven']);
  });

  it('is not unproven after a silence in which there was nothing to report', () => {
    const received = [range(100, 280), { first: 281, last: 285, firstAt: 90_000, lastAt: 90_080 }];
    const fork = exactFork(received, { confirmed: to280, ...report(6_000) });
    const stream = streamReport(received);
    expect(ledgerOf(stream, [running(fork)], { now: 90_100 }).verdict).toBe('complete');
  });

  it('is not unproven what a replay has just sent', () => {
    const before = endedSession(
      { a: exactFork([range(100, 260)], { confirmed: [range(100, 240)] }) },
      {
        failure: { reason: 'icmp', deadAt: 0, safeAt: 0, detectedAt: 0 },
        deadFrom: { a: 250 },
        unsureFrom: { a: 241 },
      },
    );
    const next = sessionRecord({
      startedAt: now - 50,
      from: { a: { kind: 'sequence', sequence: 241 } },
    });
    const fork = exactFork([range(241, 300)], { confirmed: [], receiverReports: 0 });
    expect(verdicts({ sessions: [before, next], live: { a: fork } })).toEqual([
      'complete',
      'complete',
    ]);
  });

  it('is not complete with a stream that the recorder does not take', () => {
    const ledger = ledgerOf(streamReport(all, { ringFirst: 200 }), [
      { sessions: [sessionRecord()] },
    ]);
    expect(ledger.verdict).toBe('missing 2000 ms');
    const young = ledgerOf(streamReport(all, { ringFirst: 100 }), [
      { sessions: [sessionRecord()] },
    ]);
    expect(young.verdict).toBe('unproven');
  });

  it('is not missing what waits in the ring for a recorder, nor complete', () => {
    expect(verdicts({ waits: true })).toEqual(['unproven', 'unproven']);
  });
});

describe('the account of a stream', () => {
  it('says what was lost before us, when, on the clock of the machine, and blames no leg for it', () => {
    const received = [range(100, 199), range(205, 300)];
    const fork = exactFork(received);
    const ledger = ledgerOf(streamReport(received), [over(fork)], { wallOf: (at) => at + 60_000 });
    expect(streamA(ledger)).toMatchObject({
      receivedPackets: 196,
      lostBeforeUsPackets: 5,
      lostBeforeUs: [
        {
          first: 200,
          last: 204,
          firstAt: new Date(60_000 + 200 * 20).toISOString(),
          lastAt: new Date(60_000 + 204 * 20).toISOString(),
        },
      ],
    });
    expect(ledger.verdict).toBe('complete');
  });

  it('has the bounds of what reports count, and what they prove', () => {
    const ledger = ledgerOf(streamReport(all), [over(lossy(150, 174, 3, 5))]);
    expect(streamA(ledger).legs[0]).toMatchObject({
      confirmed: [
        { first: 100, last: 149 },
        { first: 175, last: 300 },
      ],
      unconfirmed: [{ first: 150, last: 174 }],
      missing: [],
      missingMs: 0,
      reportedLostPackets: 3,
      reportedLostPacketsAtMost: 5,
      unprovenPackets: 2,
    });
  });

  it('has what was sent to a recorder and did not come as missing, not as unconfirmed', () => {
    const [leg] = streamA(ledgerOf(streamReport(all), [over(denied(150, 159))])).legs;
    expect(leg).toMatchObject({
      unconfirmed: [],
      missing: [{ first: 150, last: 159 }],
      missingMs: 200,
    });
  });

  it('has as lost in us what left the ring unsent on every leg', () => {
    const sent = without(150, 159);
    const behind = exactFork(sent, { overrun: [range(150, 159)] });
    expect(
      streamA(ledgerOf(streamReport(all), [over(behind), over(whole)])).lostInUs.ranges,
    ).toEqual([]);
    const both = streamA(ledgerOf(streamReport(all), [over(behind), over(behind)]));
    expect(both.lostInUs.ranges).toMatchObject([{ first: 150, last: 159 }]);
    expect(both.missingFromUnionMs).toBe(200);
  });
});

it('takes streams of 65,536 ranges', { timeout: 60_000 }, () => {
  const many = (offset: number): SequenceRange[] =>
    Array.from({ length: 65_536 }, (_, index) => {
      const first = 100_000 + 10 * index + offset;
      return { first, last: first + 6, firstAt: first * 20, lastAt: first * 20 + 120 };
    });
  const received = many(0);
  const fork = exactFork(received, {
    confirmed: received.map((one) => ({ ...one, last: one.last - 1 })),
    denied: received.map(({ last, lastAt }) => ({ first: last, last, firstAt: lastAt, lastAt })),
  });
  const failed = endedSession(
    { a: fork },
    {
      failure: { reason: 'icmp', deadAt: 0, safeAt: 0, detectedAt: 0 },
      deadFrom: { a: 400_000 },
      unsureFrom: { a: 400_000 },
    },
  );
  const ledger = ledgerOf(streamReport(received), [
    over(fork),
    { sessions: [failed, endedSession({ a: fork })] },
  ]);
  expect(ledger.verdict).toBe(`missing ${65_536 * 20} ms`);
  expect(streamA(ledger).missingFromUnion).toHaveLength(65_536);
});
