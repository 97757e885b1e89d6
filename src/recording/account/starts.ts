import type { ForkReport, ForkStart, StreamReport } from '../../edge/types.ts';
import { clip, count, intersect, subtract, union } from '../../rtp/ranges.ts';
import type { Range } from '../../rtp/ranges.ts';
import type { Party } from '../interfaces.ts';
import { deliveryOf } from './books.ts';
import type { LegBooks } from './books.ts';
import { hasReported, surelyDeliveredBy, wantedOf } from './delivery.ts';
import { reportPending } from './proof.ts';
import type { Patience, ReportHabit } from './proof.ts';
import type { Streams } from './records.ts';
import { currentSession } from './sessions.ts';
import { floorOf, nextSequence, streamWindow } from './window.ts';

/**
 * Where copies begin. The points name packets of `books.streams` and those after it by number, so that nothing falls in
 * between. Pure.
 */
export type ForkStarts = Readonly<Record<Party, ForkStart>>;

/**
 * Where a session begins that leaves nothing out: the first packet in the ring of which it is not sure that the leg has it, less
 * the overlap, if it is not the leg's first.
 */
export function replayPoints(books: LegBooks, overlapMs: number): ForkStarts {
  const overlap = books.sessions.length === 0 ? 0 : overlapMs;
  return byParty((party) => replayPoint(books, party, overlap, 0));
}

/** Where a session begins that goes on with the next packet. */
export function livePoints(streams: Streams): ForkStarts {
  return byParty((party) => livePoint(streams[party]));
}

export interface HandOver {
  readonly overlapMs: number;
  /** Nothing but its reports is taken for a proof of what the recorder has. */
  readonly doubted: boolean;
  readonly habit: ReportHabit;
  readonly now: number;
}

/**
 * Where a session begins that takes over from the current one, which is well: with what that has not been sent yet; but where it may
 * not have what it was sent, with the first packet in the ring that it does not surely have, less the overlap.
 */
export function handOverPoints(books: LegBooks, how: HandOver): ForkStarts {
  return byParty((party) => {
    const fork = books.live[party];
    if (fork === undefined) return lateStart(books, party);
    if (how.doubted || isOwed(books, party, how.habit, how.now)) {
      return replayPoint(books, party, how.overlapMs, 0, true);
    }
    return goOn(books, party, fork);
  });
}

/** The same where nothing is to be sent twice. */
export function goOnPoints(books: LegBooks): ForkStarts {
  return byParty((party) => {
    const fork = books.live[party];
    return fork === undefined ? lateStart(books, party) : goOn(books, party, fork);
  });
}

function goOn(books: LegBooks, party: Party, fork: ForkReport): ForkStart {
  if (fork.state !== 'catching-up') return livePoint(books.streams[party]);
  const sent = fork.sent.at(-1);
  return sent === undefined
    ? lateStart(books, party)
    : { kind: 'sequence', sequence: sent.last + 1 };
}

/** As in `weigh`: a report may be this late. The next recorder is rather sent a little twice than not at all. */
const patience: Patience = { lateness: 1.5, slackMs: 100 };

/** In the ring is something that the current session was sent, and that a report should have confirmed by now and did not. */
export function isOwed(books: LegBooks, party: Party, habit: ReportHabit, now: number): boolean {
  const session = currentSession(books.sessions);
  const stream = books.streams[party];
  const [delivery] = session === undefined ? [] : deliveryOf(session, party, books.live);
  if (session === undefined || delivery === undefined) return false;
  const { fork } = delivery;
  // One that never reports is held to have what it was sent.
  if (habit.reports === 'none' && !hasReported(fork)) return false;
  const pending = reportPending(stream, session, delivery, habit, now, patience);
  const sent = intersect(fork.sent, lackingInRing(books, party, 0, true));
  return count(subtract(sent, pending)) > 0;
}

/** Where a stream of the current session begins that its recorder did not want at first. */
export function lateStart(books: LegBooks, party: Party): ForkStart {
  const start = currentSession(books.sessions)?.from[party];
  const from = start?.kind === 'sequence' ? start.sequence : 0;
  return replayPoint(books, party, 0, from);
}

/**
 * @param from what is missing before that is not asked for
 * @param isDoubted nothing but its reports is taken for a proof of what the current session's recorder has
 */
function replayPoint(
  books: LegBooks,
  party: Party,
  overlapMs: number,
  from: number,
  isDoubted = false,
): ForkStart {
  const stream = books.streams[party];
  const begin = lackingInRing(books, party, from, isDoubted)[0]?.first ?? nextSequence(stream);
  if (begin === undefined) return { kind: 'oldest' };
  const overlap = Math.ceil(overlapMs / stream.packetMs);
  const floor = floorOf(books.window, party) ?? 0;
  return { kind: 'sequence', sequence: Math.max(begin - overlap, floor) };
}

/** Was to be recorded, and it is not sure that the leg has it. */
function lackingInRing(books: LegBooks, party: Party, from: number, isDoubted: boolean): Range[] {
  const stream = books.streams[party];
  const floor = floorOf(books.window, party) ?? 0;
  // What has left the ring cannot be had any more, however long it has been missing.
  const reach = Math.max(from, floor, stream.ringFirst ?? 0);
  const wanted = clip(wantedOf(stream, streamWindow(books.window, party), []), reach, Infinity);
  const current = currentSession(books.sessions);
  const delivered = books.sessions.flatMap((session) =>
    deliveryOf(session, party, session === current ? books.live : {}).map((delivery) =>
      surelyDeliveredBy(
        isDoubted && session === current ? { ...delivery, mediaDoubted: true } : delivery,
      ),
    ),
  );
  return subtract(wanted, union(...delivered));
}

function byParty<T>(of: (party: Party) => T): Record<Party, T> {
  return { a: of('a'), b: of('b') };
}

function livePoint(stream: StreamReport): ForkStart {
  const next = nextSequence(stream);
  return next === undefined ? { kind: 'oldest' } : { kind: 'sequence', sequence: next };
}
