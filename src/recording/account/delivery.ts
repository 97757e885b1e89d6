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
  /** Was to be recorded. */
  readonly wanted: readonly Range[];
  /** Handed to a recorder that was there, and not known to be lost on the way. */
  readonly delivered: readonly Range[];
  readonly confirmed: readonly Range[];
  /** Known missing, less what is pending. Of what was dropped at our own socket, too. */
  readonly missing: readonly Range[];
  /** Besides these as many are missing in positions that no report names: so many at least, so many at most. */
  readonly reportedLost: { readonly atLeast: number; readonly atMost: number };
  /** Where these positions are. */
  readonly counted: readonly Range[];
}

/** What nothing proves of a delivery. */
export interface Doubt {
  /** Neither proven to be received nor not to be; without what is pending. */
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
function droppedOf(stream: StreamReport, window: StreamWindow): Range[] {
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
export function deliveredBy(
  delivery: SessionDelivery,
  doubted = doubtedBy(delivery.fork),
): Range[] {
  const { fork, deadFrom } = delivery;
  const alive = deadFrom === undefined ? fork.sent : clip(fork.sent, 0, deadFrom - 1);
  return subtract(union(alive, fork.confirmed), doubted.denied);
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

/**
 * The account of one stream over all these sessions: those of a leg, or those of all legs of a call.
 *
 * @param pending packets that are still on their way out of the ring, or wait there for a recorder
 */
export function account(
  stream: StreamReport,
  window: StreamWindow,
  sessions: readonly SessionDelivery[],
  pending: readonly Range[],
): Delivery {
  const wanted = wantedOf(stream, window, union(...sessions.map(({ fork }) => fork.withheld)));
  const doubted = sessions.map(({ fork }) => doubtedBy(fork));
  const parts = sessions.map((session, index) => deliveredBy(session, doubted[index]));
  const delivered = union(...parts);
  const confirmed = union(...sessions.map(({ fork }) => fork.confirmed));
  const lacking = subtract(wanted, union(delivered, pending));
  // Before `exactFrom` there are numbers among these that never came: nothing can be held against anybody there.
  const exact =
    stream.exactFrom === undefined ? lacking : clip(lacking, stream.exactFrom, Infinity);
  const missing = union(exact, droppedOf(stream, window));
  const all = { wanted, delivered, confirmed, missing };
  if (doubted.every(({ counted }) => counted.length === 0)) {
    return { ...all, counted: [], reportedLost: { atLeast: 0, atMost: 0 } };
  }
  const elsewhere = coveredTwice(parts);
  const mayLack = subtract(wanted, union(pending, confirmed));
  const bounds = sessions.map((session, index) =>
    lostBounds(session, doubted[index]?.counted ?? [], mayLack, elsewhere),
  );
  return {
    ...all,
    counted: union(...bounds.map(({ counted }) => counted)),
    reportedLost: {
      atLeast: bounds.reduce((sum, { atLeast }) => sum + atLeast, 0),
      atMost: bounds.reduce((sum, { atMost }) => sum + atMost, 0),
    },
  };
}

/** @param pending without what was sent and whose report is not due yet, either */
export function doubtOf(stream: StreamReport, delivery: Delivery, pending: Pending): Doubt {
  const { confirmed, counted, missing, reportedLost, wanted } = delivery;
  const settled = union(confirmed, missing, counted, pending.packets, pending.reports);
  const open = clip(subtract(wanted, settled), stream.exactFrom ?? 0, Infinity);
  const outline = clip(wanted, 0, (stream.exactFrom ?? 0) - 1);
  const unplacedDrops = Math.max(0, stream.kernelDrops - count(stream.dropped));
  const proven = intersect(wanted, union(confirmed, counted));
  return {
    unprovenPackets:
      count(open) + (reportedLost.atMost - reportedLost.atLeast) + count(outline) + unplacedDrops,
    nothingProven: wanted.length > 0 && proven.length === 0,
  };
}

/**
 * How many packets of one session are missing of those that its reports only count. What another session has been sent
 * besides may have arrived there: it is not known missing.
 */
function lostBounds(
  { fork: { reportedLost }, deadFrom = Infinity }: SessionDelivery,
  reportedOn: readonly Range[],
  mayLack: readonly Range[],
  elsewhere: readonly Range[],
): { readonly counted: readonly Range[]; readonly atLeast: number; readonly atMost: number } {
  // What came after its recorder's end is missing by number already.
  const counted = clip(reportedOn, 0, deadFrom - 1);
  const here = intersect(counted, mayLack);
  const numbers = count(reportedOn);
  const others = numbers - count(subtract(here, elsewhere));
  // No report makes more of it than was sent, whatever it says.
  const atLeast = Math.max(0, Math.min(reportedLost.atLeast, numbers) - others);
  return {
    counted,
    atLeast,
    atMost: Math.max(atLeast, Math.min(reportedLost.atMost, count(here))),
  };
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
