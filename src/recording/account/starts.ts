import type { ForkStart, StreamReport } from '../../edge/types.ts';
import { clip, subtract, union } from '../../rtp/ranges.ts';
import type { Party } from '../interfaces.ts';
import { deliveriesOf } from './books.ts';
import type { LegBooks } from './books.ts';
import { surelyDeliveredBy, wantedOf } from './delivery.ts';
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

/** Where a session begins that takes over from the current one, which is well: with what that has not been sent yet. */
export function handOverPoints(books: LegBooks): ForkStarts {
  return byParty((party) => {
    const fork = books.live[party];
    if (fork === undefined) return lateStart(books, party);
    if (fork.state !== 'catching-up') return livePoint(books.streams[party]);
    const sent = fork.sent.at(-1);
    return sent === undefined
      ? lateStart(books, party)
      : { kind: 'sequence', sequence: sent.last + 1 };
  });
}

/** Where a stream of the current session begins that its recorder did not want at first. */
export function lateStart(books: LegBooks, party: Party): ForkStart {
  const start = currentSession(books.sessions)?.from[party];
  const from = start?.kind === 'sequence' ? start.sequence : 0;
  return replayPoint(books, party, 0, from);
}

/** @param from what is missing before that is not asked for */
function replayPoint(books: LegBooks, party: Party, overlapMs: number, from: number): ForkStart {
  const stream = books.streams[party];
  const floor = floorOf(books.window, party) ?? 0;
  // What has left the ring cannot be had any more, however long it has been missing.
  const reach = Math.max(from, floor, stream.ringFirst ?? 0);
  const wanted = clip(wantedOf(stream, streamWindow(books.window, party), []), reach, Infinity);
  const delivered = union(...deliveriesOf(books, party).map(surelyDeliveredBy));
  const begin = subtract(wanted, delivered)[0]?.first ?? nextSequence(stream);
  if (begin === undefined) return { kind: 'oldest' };
  const overlap = Math.ceil(overlapMs / stream.packetMs);
  return { kind: 'sequence', sequence: Math.max(begin - overlap, floor) };
}

function byParty<T>(of: (party: Party) => T): Record<Party, T> {
  return { a: of('a'), b: of('b') };
}

function livePoint(stream: StreamReport): ForkStart {
  const next = nextSequence(stream);
  return next === undefined ? { kind: 'oldest' } : { kind: 'sequence', sequence: next };
}
