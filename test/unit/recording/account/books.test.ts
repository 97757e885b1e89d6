import { describe, expect, it } from 'vitest';
import type { ForkReport } from '../../../../src/edge/types.ts';
import { failoverCost, isBehind, legDelivery } from '../../../../src/recording/account/books.ts';
import type { SessionRecord } from '../../../../src/recording/account/records.ts';
import { booksOf, endedSession, exactFork, sessionRecord } from '../../../support/account.ts';
import { forkReport, range } from '../../../support/reports.ts';

const all = [range(100, 300)];
const failure = { reason: 'icmp', deadAt: 0, safeAt: 0, detectedAt: 0 } as const;

function failed(fork: ForkReport, deadFrom: number): SessionRecord {
  return endedSession(
    { a: fork },
    { failure, deadFrom: { a: deadFrom }, unsureFrom: { a: deadFrom } },
  );
}

describe('what a leg has delivered', () => {
  it('is what its recorders were sent while they were there', () => {
    const sessions = [
      failed(forkReport([range(100, 205)]), 200),
      endedSession({ a: forkReport([range(210, 300)]) }),
    ];
    expect(legDelivery(booksOf(all, { sessions }), 'a')).toEqual({
      sentPackets: 191,
      lost: [{ first: 200, last: 209 }],
      lostPackets: 10,
      lostMs: 200,
      reportedLostPackets: 0,
    });
  });

  it('lacks as many as reports count at least', () => {
    const receiverReport = { at: 0, highestSequence: 300, fractionLost: 0, jitterMs: 0 };
    const fork = forkReport(all, {
      receiverReports: 1,
      receiverReport,
      reportedLost: { atLeast: 3, atMost: 9 },
    });
    const books = booksOf(all, { sessions: [endedSession({ a: fork })] });
    expect(legDelivery(books, 'a')).toMatchObject({ lostPackets: 3, lostMs: 60, lost: [] });
  });

  it('lacks nothing that waits in the ring for a recorder, and what has left it', () => {
    const sessions = [failed(forkReport([range(100, 205)]), 200)];
    const stream = { ringFirst: 205 };
    const waiting = legDelivery(booksOf(all, { sessions, stream, waits: true }), 'a');
    expect(waiting.lost).toEqual([{ first: 200, last: 204 }]);
    expect(legDelivery(booksOf(all, { sessions, stream }), 'a').lostPackets).toBe(101);
  });

  it('lacks nothing that the current copy has still to send, as long as it is in the ring', () => {
    const live = { a: forkReport([range(100, 150)], { state: 'catching-up' }) };
    const sessions = [sessionRecord()];
    expect(legDelivery(booksOf(all, { sessions, live }), 'a').lostPackets).toBe(0);
    const stream = { ringFirst: 161 };
    expect(legDelivery(booksOf(all, { sessions, live, stream }), 'a').lost).toEqual([
      { first: 151, last: 160 },
    ]);
  });

  it('lacks what came before the place where a copy begins that has sent nothing yet', () => {
    const sessions = [sessionRecord({ from: { a: { kind: 'sequence', sequence: 250 } } })];
    const books = booksOf(all, { sessions, live: { a: forkReport([]) } });
    expect(legDelivery(books, 'a').lost).toEqual([{ first: 100, last: 249 }]);
  });

  it('lacks a stream that the recorder does not take as soon as it leaves the ring', () => {
    const sessions = [sessionRecord()];
    const stream = { ringFirst: 200 };
    expect(legDelivery(booksOf(all, { sessions, stream }), 'a').lost).toEqual([
      { first: 100, last: 199 },
    ]);
  });
});

describe('a leg is behind', () => {
  const behind = (change: Partial<ForkReport>, to?: number): boolean => {
    const window = {
      from: { a: 100, b: undefined },
      pauses: [],
      ...(to === undefined ? {} : { to: { a: to + 1, b: undefined } }),
    };
    const live = { a: forkReport([range(100, 200)], change) };
    return isBehind(booksOf(all, { sessions: [sessionRecord()], live, window }));
  };

  it('while a copy catches up with what was to be recorded', () => {
    expect(behind({ state: 'catching-up' })).toBe(true);
    expect(behind({ state: 'catching-up' }, 300)).toBe(true);
    expect(behind({ state: 'catching-up' }, 200)).toBe(false);
    expect(behind({ state: 'live' })).toBe(false);
  });

  it('not without a session', () => {
    expect(isBehind(booksOf(all))).toBe(false);
  });
});

describe('the cost of a move', () => {
  const cost = (from: number, ringFirst = 0) => {
    const before = failed(exactFork([range(100, 205)], { confirmed: [range(100, 199)] }), 200);
    const next = sessionRecord({ from: { a: { kind: 'sequence', sequence: from } } });
    const books = booksOf(all, { sessions: [before, next], stream: { ringFirst } });
    return failoverCost(books, before, next);
  };

  it('is what lies between the end of one session and the beginning of the next', () => {
    expect(cost(210)).toEqual({ lostPackets: 10, lostMs: 200, replayedPackets: 91 });
  });

  it('is nothing lost when the next one begins before', () => {
    expect(cost(190)).toEqual({ lostPackets: 0, lostMs: 0, replayedPackets: 111 });
  });

  it('is what has left the ring before the next one could begin', () => {
    expect(cost(190, 220)).toMatchObject({ lostPackets: 20, replayedPackets: 81 });
  });
});
