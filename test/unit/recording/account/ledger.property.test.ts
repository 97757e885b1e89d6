import { expect, it } from 'vitest';
import type { ForkReport, SequenceRange } from '../../../../src/edge/types.ts';
import { buildLedger } from '../../../../src/recording/account/ledger.ts';
import type { Ledger, LegInput } from '../../../../src/recording/account/ledger.ts';
import type { SessionRecord } from '../../../../src/recording/account/records.ts';
import { booksOf, endedSession, streamsOf } from '../../../support/account.ts';
import { forkReport, range, streamReport } from '../../../support/reports.ts';

/**
 * Calls made by chance, told packet by packet: what recorders really received, and what their reports let the edge know of
 * it. The ledger must claim nothing that is not so.
 */

interface Truth {
  readonly wanted: ReadonlySet<number>;
  /** Wanted, and dropped at our own socket. */
  readonly dropped: ReadonlySet<number>;
  /** By leg, what its recorders have. */
  readonly has: readonly ReadonlySet<number>[];
  /** By leg, what some report proves. */
  readonly proven: readonly ReadonlySet<number>[];
  /** A recorder is held to have gone before it did: what it got after that is called missing. */
  readonly isTooEarly: boolean;
  /** What is missing is known by number. */
  readonly isExact: boolean;
  /** By leg, from where on it waits in the ring. */
  readonly waitsFrom: readonly number[];
}

type Chance = () => number;

/** Mulberry32. */
function chanceOf(seed: number): Chance {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function rangesOf(numbers: Iterable<number>): SequenceRange[] {
  const ranges: [number, number][] = [];
  for (const number of [...numbers].sort((x, y) => x - y)) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => range(first, last));
}

function numbersOf(ranges: readonly { readonly first: number; readonly last: number }[]): number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}

const less = (from: Iterable<number>, ...minus: readonly ReadonlySet<number>[]): number[] =>
  [...from].filter((number) => minus.every((set) => !set.has(number)));

interface Copy {
  readonly fork: ForkReport;
  readonly proven: ReadonlySet<number>;
}

/** What a recorder that counts lets be known: how many are lost between two reports (RFC 3550 6.4.1). */
function countingCopy(sent: number[], got: ReadonlySet<number>, chance: Chance): Copy {
  const proven = new Set<number>();
  const isFinal = chance() < 0.5;
  let highest = -1;
  let reports = 0;
  let atLeast = 0;
  let atMost = 0;
  const reportTo = (index: number): void => {
    const newHighest = Math.max(-1, ...sent.slice(0, index).filter((number) => got.has(number)));
    const interval = sent.filter((number) => number > highest && number <= newHighest);
    const lost = interval.filter((number) => !got.has(number)).length;
    // Duplicates on the way blur a count, now and then.
    const blur = chance() < 0.3 && interval.length > 0 ? 1 : 0;
    atLeast += Math.max(0, lost - blur);
    atMost += Math.min(interval.length, lost + blur);
    if (lost === 0 && blur === 0) for (const number of interval) proven.add(number);
    highest = newHighest;
    reports += 1;
  };
  const reportAfter = 3 + Math.floor(chance() * 20);
  for (let index = reportAfter; index <= sent.length; index += reportAfter) reportTo(index);
  if (isFinal) reportTo(sent.length);
  if (isFinal) {
    // What comes behind its highest number did not come any more.
    const behind = sent.filter((number) => number > highest).length;
    atLeast += behind;
    atMost += behind;
  }
  const receiverReport = {
    at: 1,
    highestSequence: highest,
    fractionLost: 0,
    jitterMs: 0,
    ...(isFinal && { final: true }),
  };
  const fork = forkReport(rangesOf(sent), {
    receiverReports: reports,
    ...(highest >= 0 && { receiverReport }),
    confirmed: rangesOf(proven),
    reportedLost: { atLeast, atMost },
  });
  return { fork, proven };
}

/** Of a recorder that names what it received up to a point, and maybe leaves some out. */
function namingCopy(
  sent: number[],
  got: ReadonlySet<number>,
  to: number,
  all: boolean,
  chance: Chance,
): Copy {
  const named = sent.filter((number) => number <= to && (all || chance() < 0.97));
  const proven = new Set(named.filter((number) => got.has(number)));
  const fork = forkReport(rangesOf(sent), {
    receiverReports: 1,
    reportsRanges: true,
    confirmed: rangesOf(proven),
    denied: rangesOf(named.filter((number) => !got.has(number))),
  });
  return { fork, proven };
}

function makeCall(seed: number): { readonly ledger: Ledger; readonly truth: Truth } {
  const chance = chanceOf(seed);
  const some = (most: number): number => Math.floor(chance() * most);
  const length = 40 + some(80);
  const upstreamLoss = chance() < 0.5 ? 0 : 0.05;
  const isExact = chance() < 0.3;
  const wayLoss = chance() < 0.4 ? 0 : 0.04;
  const isDropping = chance() < 0.1;
  const arrived: number[] = [];
  const lostHere: number[] = [];
  for (let number = 100; number < 100 + length; number += 1) {
    if (isDropping && chance() < 0.05) lostHere.push(number);
    else if (chance() >= upstreamLoss) arrived.push(number);
  }
  const from = 100 + some(10);
  const to = 100 + length - some(10);
  const pauseFrom = chance() < 0.3 ? from + some(20) : Infinity;
  const pauseTo = pauseFrom + 5;
  const isWanted = (number: number): boolean =>
    number >= from && number < to && !(number >= pauseFrom && number < pauseTo);
  const wanted = new Set(arrived.filter(isWanted));
  const kernelDrops = lostHere.length;
  const stream = streamReport(rangesOf(arrived), {
    kernelDrops,
    dropped: rangesOf(lostHere),
    ringFirst: 90 + length,
  });
  const marks = (number: number) => ({ a: number, b: undefined });
  const window = {
    from: marks(from),
    to: marks(to),
    pauses:
      pauseFrom === Infinity
        ? []
        : [{ from: marks(pauseFrom), to: marks(pauseTo), resumed: marks(pauseTo) }],
  };
  let isTooEarly = false;
  const has: Set<number>[] = [];
  const proven: Set<number>[] = [];
  const waitsFrom: number[] = [];
  const makeSession = (
    begin: number,
    isLast: boolean,
    leg: number,
  ): { record: SessionRecord; end: number } => {
    const end = isLast ? to : Math.min(to, begin + 10 + some(40));
    const sent = [...wanted].filter((number) => number >= begin && number < end);
    const fails = !isLast && chance() < 0.7;
    const died = fails ? begin + some(end - begin + 1) : Infinity;
    const got = new Set(sent.filter((number) => number < died && chance() >= wayLoss));
    const kind = isExact ? 1 : chance();
    const copy =
      kind < 0.2
        ? { fork: forkReport(rangesOf(sent)), proven: new Set<number>() }
        : kind < 0.5
          ? countingCopy(sent, got, chance)
          : namingCopy(
              sent,
              got,
              isExact ? Infinity : begin + some(2 * (end - begin)),
              isExact,
              chance,
            );
    for (const number of got) has[leg]?.add(number);
    for (const number of copy.proven) proven[leg]?.add(number);
    if (!fails) return { record: endedSession({ a: copy.fork }), end };
    const deadFrom = isExact ? died : died + some(5) - 2;
    isTooEarly ||= deadFrom < died;
    const record = endedSession(
      { a: copy.fork },
      {
        failure: { reason: 'icmp', deadAt: 0, safeAt: 0, detectedAt: 0 },
        deadFrom: { a: deadFrom },
        unsureFrom: { a: deadFrom },
      },
    );
    // A replay, or none.
    return { record, end: chance() < 0.6 ? died - some(8) : end };
  };
  const legs: LegInput[] = ([1, 2] as const).slice(0, chance() < 0.85 ? 2 : 1).map((leg, index) => {
    has.push(new Set());
    proven.push(new Set());
    const sessions: SessionRecord[] = [];
    let begin = from;
    const count = 1 + some(4);
    for (let session = 1; session <= count; session += 1) {
      const { record, end } = makeSession(begin, session === count, index);
      sessions.push(record);
      begin = Math.max(from, end);
    }
    const waits = chance() < 0.1;
    waitsFrom.push(waits ? 90 + length : Infinity);
    const books = { ...booksOf([]), sessions, window, streams: streamsOf(stream), waits };
    return { leg, books, reports: 'expected' };
  });
  const ledger = buildLedger({
    callId: `c${seed}`,
    streams: streamsOf(stream),
    window,
    legs,
    answered: true,
    expectsMedia: { b: false },
    now: 1e9,
    wallOf: (at) => at,
  });
  const dropped = new Set(lostHere.filter(isWanted));
  return { ledger, truth: { wanted, dropped, has, proven, isTooEarly, isExact, waitsFrom } };
}

function check({ ledger, truth }: ReturnType<typeof makeCall>): void {
  const { wanted, dropped, has, proven, isExact, isTooEarly, waitsFrom } = truth;
  const entry = ledger.streams[0];
  if (entry === undefined) throw new Error('no stream');
  for (const [index, leg] of entry.legs.entries()) {
    const mine = has[index] ?? new Set();
    const due = [...wanted].filter((number) => number < (waitsFrom[index] ?? Infinity));
    const really = less(due, mine);
    const confirmed = numbersOf(leg.confirmed);
    const missing = numbersOf(leg.missing);
    // Nothing is confirmed that no report confirmed, and what is confirmed is there.
    expect(new Set(confirmed)).toEqual(proven[index]);
    expect(less(confirmed, mine)).toEqual([]);
    expect(missing.filter((number) => confirmed.includes(number))).toEqual([]);
    const said = missing.length + leg.reportedLostPackets;
    if (!isTooEarly) {
      expect(missing.filter((number) => mine.has(number))).toEqual([]);
      expect(said).toBeLessThanOrEqual(really.length + dropped.size);
    }
    // What is not said to be missing, or unproven, is there.
    expect(said + leg.unprovenPackets).toBeGreaterThanOrEqual(really.length + dropped.size);
    if (isExact) {
      expect(missing).toEqual([...really, ...dropped].sort((x, y) => x - y));
      expect(leg.unprovenPackets).toBe(0);
    }
    const verdict = ledger.legs[index]?.verdict;
    if (verdict === 'complete') expect([...really, ...dropped]).toEqual([]);
    expect(verdict).not.toBe('complete-by-merge');
    if (said > 0) expect(verdict).toBe(`missing ${said * 20} ms`);
  }
  const last = Math.min(...waitsFrom);
  const inNone = less(
    [...wanted].filter((number) => number < last),
    ...has,
  );
  const { verdict } = ledger;
  if (verdict.startsWith('complete')) expect([...inNone, ...dropped]).toEqual([]);
  if (verdict.startsWith('missing') && !isTooEarly) {
    expect(inNone.length + dropped.size).toBeGreaterThan(0);
    expect(Number(verdict.split(' ')[1])).toBeLessThanOrEqual((inNone.length + dropped.size) * 20);
  }
  // Each packet that one leg is not known to have is proven on another.
  if (verdict === 'complete-by-merge' && isExact) {
    expect(
      less(
        [...wanted].filter((number) => number < last),
        ...proven,
      ),
    ).toEqual([]);
  }
}

it('claims nothing that is not so, of calls made by chance', () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const call = makeCall(seed);
    try {
      check(call);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    const kind = call.ledger.verdict.replace(/\d+/, 'N');
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  for (const kind of ['complete', 'complete-by-merge', 'unproven', 'missing N ms']) {
    expect(seen.get(kind), kind).toBeGreaterThan(50);
  }
});
