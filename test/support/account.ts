import type { ForkReport, SequenceRange, StreamReport } from '../../src/edge/types.ts';
import type { LegBooks } from '../../src/recording/account/books.ts';
import type { ByParty, SessionRecord } from '../../src/recording/account/records.ts';
import type { Party } from '../../src/recording/interfaces.ts';
import { forkReport, streamReport } from './reports.ts';

/** Sessions and books in which only party a's stream has anything, unless it is said otherwise. */

export function sessionRecord(change: Partial<SessionRecord> = {}): SessionRecord {
  return { recordId: 's1', recorder: 'r1', zone: 'east', startedAt: 0, from: {}, ...change };
}

export function streamsOf(a: StreamReport, b = streamReport([])): Record<Party, StreamReport> {
  return { a, b };
}

export function booksOf(
  received: readonly SequenceRange[],
  change: Partial<LegBooks> & { readonly stream?: Partial<StreamReport> } = {},
): LegBooks {
  const { stream, ...rest } = change;
  return {
    sessions: [],
    window: { from: { a: undefined, b: undefined }, pauses: [] },
    streams: streamsOf(streamReport(received, stream)),
    live: {},
    waits: false,
    ...rest,
  };
}

/** Fork of a recorder that names all that it received: all of `sent`, unless it is said otherwise. */
export function exactFork(
  sent: readonly SequenceRange[],
  change: Partial<ForkReport> = {},
): ForkReport {
  return forkReport(sent, {
    reportsRanges: true,
    receiverReports: 1,
    confirmed: sent,
    ...change,
  });
}

/** Over, and nothing was wrong with it. */
export function endedSession(
  forks: ByParty<ForkReport>,
  change: Partial<SessionRecord> = {},
): SessionRecord {
  return sessionRecord({ endedAt: 1, endReason: 'call ended', forks, ...change });
}
