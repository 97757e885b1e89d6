import type { SsrcChange, StreamReport } from '../edge/types.ts';
import { clip, count, gaps, intersect, subtract, union } from '../rtp/ranges.ts';
import type { Range } from '../rtp/ranges.ts';
import type { Leg as LegNumber } from './call-state.ts';
import { deliveredBy, lostBeforeHighest } from './delivery.ts';
import type { SessionDelivery } from './delivery.ts';
import type { Duplicator } from './duplicator.ts';
import { parties } from './interfaces.ts';
import type { Party } from './interfaces.ts';
import type { Leg } from './leg.ts';

/** Inclusive extended sequence numbers; `firstAt`, `lastAt`: RFC 3339, when the ends arrived or would have. */
export interface TimedRange extends Range {
  readonly firstAt: string;
  readonly lastAt: string;
}

export interface LegStreamLedger {
  readonly leg: LegNumber;
  /** Receiver reports of the recorder cover these. */
  readonly confirmed: readonly TimedRange[];
  /** Sent to a live recorder that has not, or never, reported on them. */
  readonly unconfirmed: readonly TimedRange[];
  readonly replayed: readonly TimedRange[];
  readonly missing: readonly TimedRange[];
  readonly missingMs: number;
  /** Lost on the way to the recorder, as its reports count them; which ones they do not say. */
  readonly reportedLostPackets: number;
}

export interface StreamLedger {
  readonly party: Party;
  readonly ssrc: number;
  readonly packetMs: number;
  readonly received: readonly TimedRange[];
  readonly receivedPackets: number;
  readonly lostBeforeUs: readonly TimedRange[];
  readonly lostBeforeUsPackets: number;
  /** Left the ring unsent, or dropped by the kernel before it could be read. Anything but empty is a fault of ours. */
  readonly lostInUs: { readonly ranges: readonly TimedRange[]; readonly kernelDrops: number };
  readonly ssrcChanges: readonly SsrcChange[];
  readonly legs: readonly LegStreamLedger[];
  /** On no leg at all. */
  readonly missingFromUnion: readonly TimedRange[];
  readonly missingFromUnionMs: number;
}

export type Verdict = 'complete' | 'complete-by-merge' | `missing ${number} ms`;

export interface Ledger {
  readonly callId: string;
  readonly streams: readonly StreamLedger[];
  readonly legs: readonly { readonly leg: LegNumber; readonly verdict: Verdict }[];
  readonly verdict: Verdict;
}

/** The account of every sequence number of a call. */
export function buildLedger(
  callId: string,
  reports: Readonly<Record<Party, StreamReport>>,
  duplicator: Duplicator | undefined,
): Ledger {
  const legs = duplicator?.legs ?? [];
  const streams = parties.map((party) => streamLedger(party, reports[party], duplicator));
  const missingMs = (leg: LegNumber): number =>
    sum(
      streams.map(({ packetMs, legs: entries }) => {
        const entry = entries.find((one) => one.leg === leg);
        return (entry?.missingMs ?? 0) + (entry?.reportedLostPackets ?? 0) * packetMs;
      }),
    );
  const legVerdicts = legs.map(({ leg }) => ({ leg, verdict: verdictOf(missingMs(leg)) }));
  const union = sum(streams.map((stream) => stream.missingFromUnionMs + unprovenMs(stream)));
  const whole = legVerdicts.every(({ verdict }) => verdict === 'complete');
  return {
    callId,
    streams,
    legs: legVerdicts,
    verdict: union === 0 && !whole ? 'complete-by-merge' : verdictOf(union),
  };
}

function streamLedger(
  party: Party,
  report: StreamReport,
  duplicator: Duplicator | undefined,
): StreamLedger {
  const points = report.received.flatMap(({ first, last, firstAt, lastAt }) => [
    { at: firstAt, sequence: first },
    { at: lastAt, sequence: last },
  ]);
  const timed = (ranges: readonly Range[]): TimedRange[] =>
    ranges.map((range) => withTimes(range, points));
  const legs = duplicator?.legs ?? [];
  const deliveries = legs.map((leg) => deliveriesOf(leg, party));
  const accounts = legs.map((leg) => leg.delivery(party, report));
  const inAnyLeg = union(...deliveries.flat().map(deliveredBy));
  const missing = accounts
    .map((account) => account.lost)
    .reduce<readonly Range[] | undefined>(
      (all, one) => (all === undefined ? one : intersect(all, one)),
      undefined,
    );
  const lost = gaps(report.received);
  const overrun = union(...deliveries.flat().map(({ fork }) => fork.overrun));
  return {
    party,
    ssrc: report.ssrc,
    packetMs: report.packetMs,
    received: timed(report.received),
    receivedPackets: count(report.received),
    lostBeforeUs: timed(lost),
    lostBeforeUsPackets: count(lost),
    lostInUs: { ranges: timed(subtract(overrun, inAnyLeg)), kernelDrops: report.kernelDrops },
    ssrcChanges: report.ssrcChanges,
    legs: accounts.map((account, index) => {
      const confirmed = union(...(deliveries[index] ?? []).map(confirmedBy));
      return {
        leg: legs[index]?.leg ?? 1,
        confirmed: timed(intersect(account.delivered, confirmed)),
        unconfirmed: timed(subtract(account.delivered, confirmed)),
        replayed: timed(account.replayed),
        missing: timed(account.lost),
        missingMs: count(account.lost) * report.packetMs,
        reportedLostPackets: account.reportedLostPackets,
      };
    }),
    missingFromUnion: timed(missing ?? []),
    missingFromUnionMs: count(missing ?? []) * report.packetMs,
  };
}

function deliveriesOf(leg: Leg, party: Party): SessionDelivery[] {
  return [...leg.account.deliveries(party)];
}

/** A report that tells of loss confirms nothing, as it does not say which packets are missing (RFC 3550 6.4.1). */
function confirmedBy(delivery: SessionDelivery): Range[] {
  const { receiverReport, sent } = delivery.fork;
  if (receiverReport === undefined || lostBeforeHighest(delivery) > 0) return [];
  return clip(sent, 0, receiverReport.highestSequence);
}

/** Where every leg has lost some, nothing says that they were not the same: at most what the better leg lacks. */
function unprovenMs({ legs, packetMs }: StreamLedger): number {
  const reported = legs.map(({ reportedLostPackets }) => reportedLostPackets);
  return reported.length === 0 ? 0 : Math.min(...reported) * packetMs;
}

function verdictOf(missingMs: number): Verdict {
  return missingMs === 0 ? 'complete' : `missing ${Math.round(missingMs)} ms`;
}

interface Point {
  readonly at: number;
  readonly sequence: number;
}

function withTimes(range: Range, points: readonly Point[]): TimedRange {
  return {
    first: range.first,
    last: range.last,
    firstAt: new Date(timeOf(range.first, points)).toISOString(),
    lastAt: new Date(timeOf(range.last, points)).toISOString(),
  };
}

/** Interpolated between the times that are known. */
function timeOf(sequence: number, points: readonly Point[]): number {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.sequence ?? 0) >= sequence) high = middle;
    else low = middle + 1;
  }
  const right = points[low];
  const left = points[Math.max(0, low - 1)];
  if (right === undefined || left === undefined) return 0;
  if (right.sequence <= left.sequence) return right.at;
  const share = (sequence - left.sequence) / (right.sequence - left.sequence);
  return left.at + Math.min(1, Math.max(0, share)) * (right.at - left.at);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
