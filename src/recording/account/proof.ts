import type { StreamReport } from '../../edge/types.ts';
import { clip, union } from '../../rtp/ranges.ts';
import type { Range } from '../../rtp/ranges.ts';
import type { Party } from '../interfaces.ts';
import { deliveryOf, pendingPackets } from './books.ts';
import type { LegBooks } from './books.ts';
import { reportedTo } from './delivery.ts';
import type { Pending, SessionDelivery } from './delivery.ts';
import type { SessionRecord } from './records.ts';
import { currentSession } from './sessions.ts';
import { arrivalOf } from './times.ts';

/** Whether a recorder is expected to report on what it receives. `unknown`: it has not been seen for long enough. */
export type Reports = 'expected' | 'unknown' | 'none';

export interface ReportHabit {
  readonly reports: Reports;
  /** Between two reports, as far as it is known. */
  readonly everyMs?: number;
}

/** How much later than its distance a report may come. */
export interface Patience {
  readonly lateness: number;
  readonly slackMs: number;
}

/** RFC 3550 6.2: no recorder needs to report more often than that. */
const everyDefaultMs = 5_000;
/** Reports are spread (RFC 3550 6.3.1: up to 1.5 times their distance, and one may be lost on its way). */
const patienceOfVerdict: Patience = { lateness: 2, slackMs: 250 };

/** What may still come to the leg, and what its recorders may still report on. Pure. */
export function pendingOf(books: LegBooks, party: Party, habit: ReportHabit, now: number): Pending {
  const current = currentSession(books.sessions);
  const packets = pendingPackets(books, party);
  // What a leg that is over has not been told is not told any more.
  if (current === undefined && !books.waits) return { packets, reports: [] };
  const reports = books.sessions.map((session) => {
    const [delivery] = deliveryOf(session, party, session === current ? books.live : {});
    if (session.failure !== undefined || delivery === undefined) return [];
    return reportPending(books.streams[party], session, delivery, habit, now);
  });
  return { packets, reports: union(...reports) };
}

/** What was sent, and the report on it is not due yet. */
export function reportPending(
  stream: StreamReport,
  session: SessionRecord,
  delivery: SessionDelivery,
  habit: ReportHabit,
  now: number,
  patience = patienceOfVerdict,
): Range[] {
  const { fork } = delivery;
  const dueMs = dueAfter(session, delivery, habit, patience);
  const from = reportedTo(delivery) ?? 0;
  const unreported = clip(fork.sent, from, Infinity);
  const oldest = unreported[0]?.first;
  if (dueMs === undefined || oldest === undefined) return [];
  const waitingSince = Math.max(
    session.startedAt,
    fork.receiverReport?.at ?? 0,
    arrivalOf(stream, oldest),
  );
  return now - waitingSince > dueMs ? [] : unreported;
}

/** How long after a packet the report on it is late; undefined: there will be none. */
function dueAfter(
  { startedAt }: SessionRecord,
  { fork: { receiverReport, receiverReports } }: SessionDelivery,
  { reports, everyMs = 0 }: ReportHabit,
  { lateness, slackMs }: Patience,
): number | undefined {
  const reported = receiverReport !== undefined && receiverReports > 0;
  if (reports === 'none' && !reported) return undefined;
  const own = reported ? (receiverReport.at - startedAt) / receiverReports : 0;
  const every = everyMs > 0 ? everyMs : Math.min(own > 0 ? own : Infinity, everyDefaultMs);
  return lateness * every + slackMs;
}
