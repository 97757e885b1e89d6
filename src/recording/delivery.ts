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
  readonly lostPackets: number;
  readonly lostMs: number;
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
  const lostPackets = count(lost);
  return {
    sentPackets: count(intersect(wanted, delivered)),
    lost,
    lostPackets,
    lostMs: lostPackets * stream.packetMs,
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
