import type { ForkReport, StreamReport } from '../../edge/types.ts';
import { clip, count, intersect, subtract, union } from '../../rtp/ranges.ts';
import type { Range } from '../../rtp/ranges.ts';
import type { StreamWindow } from './window.ts';

/**
 * What became of a stream on its way to recorders, from the ledgers of the edge: pure set algebra on extended sequence numbers.
 *
 * Of what was to be recorded each packet is *confirmed* (a report proves that it was received), *known missing*, *pending* (it,
 * or the report on it, may still come), or *unproven*. Receiver reports count losses without naming them: there only bounds
 * are known of how many are missing.
 */

/** One session's part: its copy's account, and from which packet on its recorder was not there any more. */
export interface SessionDelivery {
  readonly fork: ForkReport;
  /** First sequence that this recorder is held not to have received, if it failed. */
  readonly deadFrom?: number;
  /** First sequence that it may not have received: `deadFrom` or before. */
  readonly unsureFrom?: number;
  /** What went wrong was the way of its media: nothing but a report proves that anything came there. */
  readonly mediaDoubted?: boolean;
}

/** What may still come, or be told of. Both normalised. */
export interface Pending {
  /** Still on its way out of the ring, or waiting there for a recorder. */
  readonly packets: readonly Range[];
  /** Sent, and the report on it is not due yet. */
  readonly reports: readonly Range[];
}

export interface Delivery {
  /** Was to be recorded; `dropped` besides. */
  readonly wanted: readonly Range[];
  /** Handed to a recorder that was there, and not known to be lost on the way. */
  readonly delivered: readonly Range[];
  readonly confirmed: readonly Range[];
  /** Known missing, less what is pending. Of what was dropped at our own socket, too. */
  readonly missing: readonly Range[];
  /** Besides these as many are missing in positions that no report names: so many at least, so many at most. */
  readonly reportedLost: { readonly atLeast: number; readonly atMost: number };
  /** Packets of which nothing proves that they were received, nor that they were not; without what is pending. */
  readonly unprovenPackets: number;
  /** There was something to record, and of nothing of it a report proves anything. */
  readonly nothingProven: boolean;
}

/**
 * What arrived and was to be recorded. `withheld` (by copies that were paused) is excused while recording resumes only: a copy
 * that was still behind when the pause came withholds packets of before it, and those are lost.
 */
export function wantedOf(
  stream: StreamReport,
  window: StreamWindow,
  withheld: readonly Range[],
): Range[] {
  const excused = intersect(withheld, union(window.resuming ?? []));
  return subtract(inWindow(stream.received, window), union(window.paused, excused));
}

/** Reached our host while it was to be recorded, and was dropped there before it could be read. */
export function droppedOf(stream: StreamReport, window: StreamWindow): Range[] {
  return subtract(inWindow(stream.dropped, window), union(window.paused));
}

/** What the reports say of the numbers that they do not confirm. */
interface Doubted {
  /** Not received, by number. */
  readonly denied: readonly Range[];
  /** Reported on by count alone: some of these may be lost, and nobody says which. */
  readonly counted: readonly Range[];
}

function doubtedBy(fork: ForkReport): Doubted {
  const { confirmed, denied, receiverReport, reportedLost, reportsRanges, sent } = fork;
  const none = subtract(denied, confirmed);
  if (reportsRanges || receiverReport === undefined) return { denied: none, counted: [] };
  const end = receiverReport.final === true ? Infinity : receiverReport.highestSequence;
  const counted = subtract(clip(sent, 0, end), union(confirmed, denied));
  // As many as there are: it is known which.
  return counted.length > 0 && reportedLost.atLeast >= count(counted)
    ? { denied: union(none, counted), counted: [] }
    : { denied: none, counted };
}

/** What was handed to this recorder while it was there, less what is known to be lost on the way. */
export function deliveredBy({ fork, deadFrom }: SessionDelivery): Range[] {
  const alive = deadFrom === undefined ? fork.sent : clip(fork.sent, 0, deadFrom - 1);
  return subtract(union(alive, fork.confirmed), doubtedBy(fork).denied);
}

/**
 * What this recorder has, as far as nothing needs to be sent again. One that reports has what it confirmed; where none does,
 * it goes by when the recorder was there.
 */
export function surelyDeliveredBy({ fork, unsureFrom, mediaDoubted }: SessionDelivery): Range[] {
  if (hasReported(fork) || mediaDoubted === true) return [...fork.confirmed];
  return unsureFrom === undefined ? [...fork.sent] : clip(fork.sent, 0, unsureFrom - 1);
}

export function hasReported({ receiverReport, receiverReports }: ForkReport): boolean {
  return receiverReport !== undefined || receiverReports > 0;
}

/** First sequence that the recorder has not yet been able to report on; undefined when it has reported on nothing. */
export function reportedTo({ fork }: SessionDelivery): number | undefined {
  const { confirmed, denied, receiverReport, reportsRanges } = fork;
  if (reportsRanges) {
    const last = Math.max(confirmed.at(-1)?.last ?? -1, denied.at(-1)?.last ?? -1);
    return last < 0 ? undefined : last + 1;
  }
  return receiverReport === undefined ? undefined : receiverReport.highestSequence + 1;
}

/** The account of one stream over all these sessions: those of a leg, or those of all legs of a call. */
export function account(
  stream: StreamReport,
  window: StreamWindow,
  sessions: readonly SessionDelivery[],
  pending: Pending,
): Delivery {
  const withheld = union(...sessions.map(({ fork }) => fork.withheld));
  const wanted = wantedOf(stream, window, withheld);
  const delivered = sessions.map(deliveredBy);
  const deliveredByAny = union(...delivered);
  const confirmed = union(...sessions.map(({ fork }) => fork.confirmed));
  // Before `exactFrom` there are numbers among these that never came: nothing can be held against anybody there.
  const exactFrom = stream.exactFrom ?? 0;
  const lacking = subtract(wanted, union(deliveredByAny, pending.packets));
  const missing = union(clip(lacking, exactFrom, Infinity), droppedOf(stream, window));

  const due = subtract(wanted, pending.packets);
  // What came after its recorder's end is missing by number already.
  const counted = sessions.map(({ fork, deadFrom = Infinity }) =>
    clip(doubtedBy(fork).counted, 0, deadFrom - 1),
  );
  const bounds = lostBounds(sessions, counted, { due, confirmed, twice: coveredTwice(delivered) });
  const open = clip(
    subtract(due, union(confirmed, missing, pending.reports, ...counted)),
    exactFrom,
    Infinity,
  );
  const outline = exactFrom === 0 ? [] : clip(wanted, 0, exactFrom - 1);
  const unplacedDrops = Math.max(0, stream.kernelDrops - count(stream.dropped));
  const proven = [confirmed, ...counted].some((ranges) => intersect(wanted, ranges).length > 0);
  return {
    wanted,
    delivered: deliveredByAny,
    confirmed,
    missing,
    reportedLost: bounds,
    unprovenPackets: count(open) + bounds.atMost - bounds.atLeast + count(outline) + unplacedDrops,
    nothingProven: wanted.length > 0 && !proven,
  };
}

/**
 * How many packets are missing of those that reports only count. What another session has been sent besides may have arrived
 * there: it is not known missing; what another one has confirmed is not missing at all.
 */
function lostBounds(
  sessions: readonly SessionDelivery[],
  counted: readonly (readonly Range[])[],
  sets: {
    readonly due: readonly Range[];
    readonly confirmed: readonly Range[];
    readonly twice: readonly Range[];
  },
): { atLeast: number; atMost: number } {
  let atLeast = 0;
  let atMost = 0;
  for (const [index, { fork }] of sessions.entries()) {
    const all = counted[index] ?? [];
    if (all.length === 0) continue;
    const here = subtract(intersect(all, sets.due), sets.confirmed);
    const onlyHere = count(subtract(here, sets.twice));
    // No report makes more of it than was sent, whatever it says.
    const most = Math.min(fork.reportedLost.atMost, count(here));
    const reportedOn = count(doubtedBy(fork).counted);
    const elsewhere = reportedOn - onlyHere;
    const least = Math.max(0, Math.min(fork.reportedLost.atLeast, reportedOn) - elsewhere);
    atLeast += least;
    atMost += Math.max(most, least);
  }
  return { atLeast, atMost };
}

/** What at least two of the sets have. Each of them normalised. */
function coveredTwice(sets: readonly (readonly Range[])[]): Range[] {
  if (sets.length < 2) return [];
  const result: Range[] = [];
  let covered = -Infinity;
  for (const { first, last } of sets.flat().sort((x, y) => x.first - y.first)) {
    if (first <= covered) result.push({ first, last: Math.min(last, covered) });
    covered = Math.max(covered, last);
  }
  return union(result);
}

function inWindow(ranges: readonly Range[], { from, to }: StreamWindow): Range[] {
  return clip(ranges, from ?? 0, to ?? Number.MAX_SAFE_INTEGER);
}
