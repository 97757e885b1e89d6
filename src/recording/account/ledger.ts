import type { ForkReport, SsrcChange, StreamReport } from '../../edge/types.ts';
import { count, gaps, subtract, union } from '../../rtp/ranges.ts';
import type { Range } from '../../rtp/ranges.ts';
import { parties } from '../interfaces.ts';
import type { Party } from '../interfaces.ts';
import { accountOf, deliveriesOf } from './books.ts';
import type { LegBooks } from './books.ts';
import { account, doubtOf } from './delivery.ts';
import type { Delivery, Doubt, Pending, SessionDelivery } from './delivery.ts';
import { pendingOf } from './proof.ts';
import type { ReportHabit } from './proof.ts';
import type { ByParty, Streams, WindowRecord } from './records.ts';
import { timeTable } from './times.ts';
import { callVerdict, legVerdict } from './verdict.ts';
import type { Findings, Verdict } from './verdict.ts';
import { streamWindow } from './window.ts';
import type { StreamWindow } from './window.ts';

/** Inclusive extended sequence numbers; `firstAt`, `lastAt`: RFC 3339, when the ends arrived or would have. */
export interface TimedRange extends Range {
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface LegStreamLedger {
  readonly leg: 1 | 2;
  /** The recorder's reports prove that it received these. */
  readonly confirmed: readonly TimedRange[];
  /** Sent to a live recorder whose reports do not prove that it received them. */
  readonly unconfirmed: readonly TimedRange[];
  readonly replayed: readonly TimedRange[];
  /** Not sent to a live recorder, or not received by it as its reports say packet by packet. */
  readonly missing: readonly TimedRange[];
  readonly missingMs: number;
  /** Lost on the way to the recorder, as its reports count them, besides `missing`: which ones they do not say. So many at least. */
  readonly reportedLostPackets: number;
  /** So many at most. */
  readonly reportedLostPacketsAtMost: number;
  /** Packets of which nothing proves that the recorder has them, nor that it lacks them. Not those on which a report is not due yet. */
  readonly unprovenPackets: number;
}

export interface StreamLedger {
  readonly party: Party;
  readonly ssrc: number;
  readonly packetMs: number;
  readonly received: readonly TimedRange[];
  readonly receivedPackets: number;
  /** What lies before this is known by its outline only; absent: all of it is exact. */
  readonly exactFrom?: number;
  readonly lostBeforeUs: readonly TimedRange[];
  readonly lostBeforeUsPackets: number;
  /** Left the ring unsent, or dropped by the kernel before it could be read. Anything but empty is a fault of ours. */
  readonly lostInUs: { readonly ranges: readonly TimedRange[]; readonly kernelDrops: number };
  readonly ssrcChanges: readonly SsrcChange[];
  /** The call is answered and the party was to send, for long enough to be missed; not one packet came. */
  readonly noMedia: boolean;
  readonly legs: readonly LegStreamLedger[];
  /** On no leg at all. */
  readonly missingFromUnion: readonly TimedRange[];
  readonly missingFromUnionMs: number;
}

export interface Ledger {
  readonly callId: string;
  readonly streams: readonly StreamLedger[];
  readonly legs: readonly { readonly leg: 1 | 2; readonly verdict: Verdict }[];
  readonly verdict: Verdict;
}

export interface LegInput extends ReportHabit {
  readonly leg: 1 | 2;
  readonly books: LegBooks;
}

export interface LedgerInput {
  readonly callId: string;
  readonly streams: Streams;
  readonly window: WindowRecord;
  readonly legs: readonly LegInput[];
  /** For so long that media is to be expected. */
  readonly answered: boolean;
  /** False where the party was not to send for long enough to be missed (hold, port 0); absent: it was. */
  readonly expectsMedia?: ByParty<boolean>;
  readonly now: number;
  /** Times as the machine's clock has them now. */
  readonly wallOf: (at: number) => number;
}

interface Judged extends Delivery, Doubt {}

interface StreamAccount {
  readonly ledger: StreamLedger;
  readonly legs: readonly Judged[];
  readonly union: Judged;
}

/** The account of every sequence number of a call. Pure. */
export function buildLedger(input: LedgerInput): Ledger {
  const streams = parties.map((party) => streamAccount(input, party));
  const noMedia = streams.some(({ ledger }) => ledger.noMedia);
  const legs = input.legs.map(({ leg }, index) => {
    const findings = findingsOf(streams, ({ legs: all }) => all[index]);
    return { leg, verdict: legVerdict(findings, noMedia) };
  });
  const ofUnion = findingsOf(streams, ({ union: all }) => all);
  return {
    callId: input.callId,
    streams: streams.map(({ ledger }) => ledger),
    legs,
    verdict: callVerdict(
      legs.map(({ verdict }) => verdict),
      ofUnion,
      noMedia,
    ),
  };
}

function findingsOf(
  streams: readonly StreamAccount[],
  of: (stream: StreamAccount) => Judged | undefined,
): Findings {
  let missingMs = 0;
  let unproven = false;
  for (const stream of streams) {
    const delivery = of(stream);
    if (delivery === undefined) continue;
    const { missing, nothingProven, reportedLost, unprovenPackets } = delivery;
    missingMs += (count(missing) + reportedLost.atLeast) * stream.ledger.packetMs;
    unproven ||= nothingProven || unprovenPackets > 0;
  }
  return { missingMs, unproven };
}

function streamAccount(input: LedgerInput, party: Party): StreamAccount {
  const { answered, expectsMedia, legs, now, window: record } = input;
  const stream = input.streams[party];
  const window = streamWindow(record, party);
  const pending = legs.map((leg) => pendingOf(leg.books, party, leg, now));
  const deliveries = legs.map(({ books }) => deliveriesOf(books, party));
  const accounts = legs.map(({ books }, index) => {
    const mine = pending[index] ?? nothingPending;
    const delivery = accountOf(books, party, mine.packets);
    return { ...delivery, ...doubtOf(stream, delivery, mine) };
  });
  const forks = deliveries.flat().map(({ fork }) => fork);
  // What may still come on one leg is not missing, and what may still be confirmed on one is not unproven.
  const inAll =
    legs.length === 0 ? nothingToRecord : unionOf(stream, window, deliveries.flat(), both(pending));
  const timed = timedBy(input, stream, forks);
  const lost = subtract(gaps(stream.received), union(stream.dropped));
  const unsent = subtract(union(...forks.map(({ overrun }) => overrun)), inAll.delivered);
  const missingMs = (packets: readonly Range[]): number => count(packets) * stream.packetMs;
  const ledger: StreamLedger = {
    party,
    ssrc: stream.ssrc,
    packetMs: stream.packetMs,
    received: timed(union(stream.received)),
    receivedPackets: count(stream.received),
    ...(stream.exactFrom === undefined ? {} : { exactFrom: stream.exactFrom }),
    lostBeforeUs: timed(lost),
    lostBeforeUsPackets: count(lost),
    lostInUs: {
      ranges: timed(union(unsent, stream.dropped)),
      kernelDrops: stream.kernelDrops,
    },
    ssrcChanges: stream.ssrcChanges.map((change) => ({ ...change, at: input.wallOf(change.at) })),
    noMedia: answered && expectsMedia?.[party] !== false && stream.received.length === 0,
    legs: accounts.map((delivery, index) => {
      const { confirmed, delivered, missing, reportedLost, unprovenPackets } = delivery;
      const of = deliveries[index] ?? [];
      return {
        leg: legs[index]?.leg ?? 1,
        confirmed: timed(confirmed),
        unconfirmed: timed(subtract(delivered, confirmed)),
        replayed: timed(union(...of.map(({ fork }) => fork.replayed))),
        missing: timed(missing),
        missingMs: missingMs(missing),
        reportedLostPackets: reportedLost.atLeast,
        reportedLostPacketsAtMost: reportedLost.atMost,
        unprovenPackets,
      };
    }),
    missingFromUnion: timed(inAll.missing),
    missingFromUnionMs: missingMs(inAll.missing),
  };
  return { ledger, legs: accounts, union: inAll };
}

const nothingPending: Pending = { packets: [], reports: [] };
const nothingToRecord: Judged = {
  wanted: [],
  delivered: [],
  confirmed: [],
  missing: [],
  reportedLost: { atLeast: 0, atMost: 0 },
  counted: [],
  unprovenPackets: 0,
  nothingProven: false,
};

function unionOf(
  stream: StreamReport,
  window: StreamWindow,
  sessions: readonly SessionDelivery[],
  pending: Pending,
): Judged {
  const delivery = account(stream, window, sessions, pending.packets);
  return { ...delivery, ...doubtOf(stream, delivery, pending) };
}

function both(pending: readonly Pending[]): Pending {
  return {
    packets: union(...pending.map(({ packets }) => packets)),
    reports: union(...pending.map(({ reports }) => reports)),
  };
}

function timedBy(
  { wallOf }: LedgerInput,
  stream: StreamReport,
  forks: readonly ForkReport[],
): (ranges: readonly Range[]) => TimedRange[] {
  const timeOf = timeTable([
    stream.received,
    stream.dropped,
    ...forks.flatMap((fork) => [
      fork.sent,
      fork.replayed,
      fork.overrun,
      fork.withheld,
      fork.confirmed,
      fork.denied,
    ]),
  ]);
  // The same ends stand in many of the lists, and writing a time costs more than finding it.
  const texts = new Map<number, string>();
  const shown = (sequence: number): string => {
    const known = texts.get(sequence);
    if (known !== undefined) return known;
    const text = new Date(wallOf(timeOf(sequence))).toISOString();
    texts.set(sequence, text);
    return text;
  };
  return (ranges) =>
    ranges.map(({ first, last }) => ({
      first,
      last,
      firstAt: shown(first),
      lastAt: shown(last),
    }));
}
