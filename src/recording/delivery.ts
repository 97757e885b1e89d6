import type { ForkReport, SequenceRange, StreamReport } from '../edge/types.ts';
import { clip, count, intersect, subtract, union } from '../rtp/ranges.ts';
import type { Range } from '../rtp/ranges.ts';

/**
 * What became of a stream on one leg, from the ledgers of the edge: pure set algebra on extended sequence numbers.
 */

/** One session's part: its fork's account, and from which packet on its recorder was not there any more. */
export interface SessionDelivery {
  readonly fork: ForkReport;
  /** First sequence that this recorder is held not to have received, if it failed. */
  readonly deadFrom?: number;
  /** First sequence that it may not have received: `deadFrom` or before. */
  readonly unsureFrom?: number;
}

export interface StreamWindow {
  /** First sequence that was to be recorded; undefined: the stream had not begun, everything counts. */
  readonly from?: number;
  /** Last sequence that was to be recorded; undefined while recording goes on. */
  readonly to?: number;
  /** Sequences that arrived while recording was paused. */
  readonly paused: readonly Range[];
  /** Arrived after the order to resume, before the recorders had taken it: what is withheld there is no loss. */
  readonly resuming?: readonly Range[];
}

export interface LegDelivery {
  readonly sentPackets: number;
  /** Arrived, was to be recorded, and no live recorder of this leg got it; without what a replay can still bring. */
  readonly lost: readonly Range[];
  /** Of `lost`, and `reportedLostPackets`. */
  readonly lostPackets: number;
  readonly lostMs: number;
  /** Lost on the way to recorders, as their receiver reports count them; which ones they do not say. */
  readonly reportedLostPackets: number;
  readonly delivered: readonly Range[];
  readonly replayed: readonly Range[];
}

/** What was handed to this recorder while it was alive. */
export function deliveredBy({ fork, deadFrom }: SessionDelivery): Range[] {
  return deadFrom === undefined ? [...fork.sent] : clip(fork.sent, 0, deadFrom - 1);
}

/** What this recorder has for sure. */
export function surelyDeliveredBy({ fork, unsureFrom }: SessionDelivery): Range[] {
  return unsureFrom === undefined ? [...fork.sent] : clip(fork.sent, 0, unsureFrom - 1);
}

/** What the last report counts as lost, less the numbers that were never sent: gaps in the stream itself, and pauses. */
export function lostBeforeHighest({ fork: { receiverReport, sent } }: SessionDelivery): number {
  const first = sent[0]?.first;
  if (receiverReport === undefined || first === undefined) return 0;
  const { cumulativeLost, highestSequence } = receiverReport;
  const numbers = highestSequence - first + 1;
  const neverSent = numbers - count(clip(sent, first, highestSequence));
  return Math.max(0, cumulativeLost - Math.max(0, neverSent));
}

/** What went to the recorder and never came there. Only of a report that is final, what lies behind its highest number. */
function lostOnTheWay(delivery: SessionDelivery): number {
  const { receiverReport, sent } = delivery.fork;
  const behind =
    receiverReport?.final === true ? clip(sent, receiverReport.highestSequence + 1, Infinity) : [];
  return lostBeforeHighest(delivery) + count(behind);
}

/**
 * What arrived and was to be recorded. `withheld` (by copies that were paused) is excused while recording resumes only: a copy
 * that was still behind when the pause came withholds packets of before it, and those are lost.
 */
export function expected(stream: StreamReport, window: StreamWindow, withheld: Range[]): Range[] {
  const wanted = clip(stream.received, window.from ?? 0, window.to ?? Number.MAX_SAFE_INTEGER);
  const excused = intersect(withheld, union(window.resuming ?? []));
  return subtract(wanted, union(window.paused, excused));
}

/**
 * @param pendingFrom first sequence that is still on its way (a fork that catches up) or still in the ring for a replay;
 *   Infinity when nothing more will come.
 */
export function legDelivery(
  stream: StreamReport,
  window: StreamWindow,
  sessions: readonly SessionDelivery[],
  pendingFrom: number,
): LegDelivery {
  const withheld = union(...sessions.map(({ fork }) => fork.withheld));
  const delivered = union(...sessions.map(deliveredBy));
  const wanted = expected(stream, window, withheld);
  const missing = subtract(wanted, delivered);
  const lost = pendingFrom === Infinity ? missing : clip(missing, 0, pendingFrom - 1);
  const reportedLostPackets = sessions.reduce((sum, session) => sum + lostOnTheWay(session), 0);
  const lostPackets = count(lost) + reportedLostPackets;
  return {
    sentPackets: count(intersect(wanted, delivered)),
    lost,
    lostPackets,
    lostMs: lostPackets * stream.packetMs,
    reportedLostPackets,
    delivered,
    replayed: union(...sessions.map(({ fork }) => fork.replayed)),
  };
}

/** First sequence that arrived at or after `at` (Unix ms); one past the newest when none did; undefined before the first packet. */
export function sequenceAt(received: readonly SequenceRange[], at: number): number | undefined {
  const range = received.find(({ lastAt }) => lastAt >= at);
  if (range === undefined) {
    const newest = received.at(-1);
    return newest === undefined ? undefined : newest.last + 1;
  }
  if (range.firstAt >= at) return range.first;
  // Within a range only its ends are timed; packets of one stream come evenly enough.
  const share = (at - range.firstAt) / (range.lastAt - range.firstAt);
  return range.first + Math.ceil(share * (range.last - range.first));
}

export function nextSequence(stream: StreamReport): number | undefined {
  const newest = stream.received.at(-1);
  return newest === undefined ? undefined : newest.last + 1;
}
