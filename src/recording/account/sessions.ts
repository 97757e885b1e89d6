import type { ForkReport, ForkStart } from '../../edge/types.ts';
import { clip, subtract } from '../../rtp/ranges.ts';
import { parties } from '../interfaces.ts';
import type { Allocation } from '../interfaces.ts';
import type { ByParty, Forks, SessionFailure, SessionRecord, Streams } from './records.ts';
import { sequenceAt } from './times.ts';

/** How a recording session begins, fails and ends, and from which packet on its recorder was not there any more. Pure. */

/**
 * A process that is killed keeps its sockets until its memory is torn down, and nobody reads what comes in meanwhile: 6 to 9 ms
 * were measured for the reference recorder.
 */
const dyingMs = 8;

export interface SessionEnd {
  /** Unix ms. */
  readonly at: number;
  readonly reason: string;
  /** Final account of its copies, which have stopped. */
  readonly forks: Forks;
  /** What had arrived when they stopped. */
  readonly streams: Streams;
  /** Of a session that failed, from the ring: first packet that arrived at or after `failure.deadAt`. */
  readonly arrivedAt?: ByParty<number>;
}

export function newSession(
  { recordId, recorder, zone }: Pick<Allocation, 'recordId' | 'recorder' | 'zone'>,
  startedAt: number,
  from: ByParty<ForkStart>,
): SessionRecord {
  return { recordId, recorder, zone, startedAt, from };
}

/** The session that records now. */
export function currentSession(sessions: readonly SessionRecord[]): SessionRecord | undefined {
  const session = sessions.at(-1);
  return session?.endedAt === undefined ? session : undefined;
}

/** The first failure counts. */
export function failSession(session: SessionRecord, failure: SessionFailure): SessionRecord {
  return session.failure === undefined ? { ...session, failure } : session;
}

/** Ends once. */
export function endSession(session: SessionRecord, end: SessionEnd): SessionRecord {
  if (session.endedAt !== undefined) return session;
  const { at, reason, forks } = end;
  const ended = { ...session, endedAt: at, endReason: reason, forks };
  if (session.failure === undefined) return ended;
  const dead = deadFrom(session.failure, session.failure.deadAt, end);
  return { ...ended, deadFrom: dead, unsureFrom: unsureFrom(session.failure, dead, end) };
}

/** What copies of an ended session were still told of: replaces the account that it ended with. */
export function settleSession(session: SessionRecord, forks: Forks): SessionRecord {
  if (session.endedAt === undefined) return session;
  return { ...session, forks: { ...session.forks, ...forks } };
}

/**
 * From which packet on a failed recorder is held to have received nothing. An ICMP refusal names the packet; a stream that
 * was not refused itself goes by the time at which the recorder was gone; a receiver report proves what it had by then.
 * A copy that was behind sent packets long after they arrived, so their times say nothing; but copies send in order, so what
 * comes before a packet that was sent as it arrived had been sent by then.
 */
function deadFrom(
  { reason }: SessionFailure,
  deadAt: number,
  { forks, streams, arrivedAt }: Pick<SessionEnd, 'forks' | 'streams' | 'arrivedAt'>,
): ByParty<number> {
  const refusedAt = parties.flatMap((party) => forks[party]?.refused?.at ?? []);
  const goneAt = Math.min(
    reason === 'icmp' ? deadAt - dyingMs : deadAt,
    ...refusedAt.map((at) => at - dyingMs),
  );
  const result: { a?: number; b?: number } = {};
  for (const party of parties) {
    const fork = forks[party];
    if (fork === undefined) continue;
    const stream = streams[party];
    const byEnds = sequenceAt(stream, goneAt) ?? 0;
    const byRing = arrivedAt?.[party];
    // The ring is exact for the very time that it was asked for, and does not know what has left it.
    const isExact =
      byRing !== undefined && goneAt === deadAt && byRing > (stream.ringFirst ?? Infinity);
    const arrived = isExact ? byRing : Math.min(byEnds, byRing ?? Infinity);
    const sentLive = subtract(fork.sent, fork.replayed);
    const lastSafe = clip(sentLive, 0, arrived - 1).at(-1)?.last;
    const byTime = lastSafe === undefined ? (fork.sent[0]?.first ?? arrived) : lastSafe + 1;
    const byRefusal = fork.refused?.sequence ?? Infinity;
    result[party] = Math.min(byRefusal, Math.max(byTime, reportedUpTo(fork) + 1));
  }
  return result;
}

/** Newest packet that it was sent and is known to have received, or to have received one after; -1: none. */
function reportedUpTo({ receiverReport, sent }: ForkReport): number {
  return Math.min(receiverReport?.highestSequence ?? -1, sent.at(-1)?.last ?? -1);
}

/**
 * From which packet on it is not sure any more: there the next session begins, less the overlap. A receiver report says what
 * the recorder has read; what was sent after it may have lain in the socket of a process that was killed.
 */
function unsureFrom(
  failure: SessionFailure,
  dead: ByParty<number>,
  end: SessionEnd,
): ByParty<number> {
  // One that still said goodbye was not killed.
  if (failure.reason === 'srs_bye') return dead;
  const { forks, streams } = end;
  const safe =
    failure.safeAt < failure.deadAt ? deadFrom(failure, failure.safeAt, { forks, streams }) : dead;
  const result: { a?: number; b?: number } = {};
  for (const party of parties) {
    const from = dead[party];
    const fork = forks[party];
    if (from === undefined || fork === undefined) continue;
    const sure = fork.receiverReport === undefined ? safe[party] : reportedUpTo(fork) + 1;
    result[party] = Math.min(from, sure ?? from);
  }
  return result;
}
