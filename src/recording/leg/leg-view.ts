import { legDelivery } from '../account/books.ts';
import type { LegBooks, LegDelivery } from '../account/books.ts';
import type { Forks, Streams, WindowRecord } from '../account/records.ts';
import { currentSession } from '../account/sessions.ts';
import { sessionState } from '../account/shown.ts';
import type { LegState, LegStreamState, RecordingSessionStateName } from '../call-state.ts';
import type { Place } from '../interfaces.ts';
import type { LegData } from './leg-data.ts';
import { isObeyed, isWell, takesAll } from './leg-turn.ts';

/** What a leg shows of itself. Pure. */

export function nameOf(leg: LegData): RecordingSessionStateName {
  const { phase, search, live, sessions, desired } = leg;
  // Waits for nothing but the answer to its goodbye.
  const isOver = phase === 'stopping' && live === undefined && search.stage === 'none';
  if (phase === 'ended' || isOver) return 'ended';
  if (live !== undefined && isWell(leg)) {
    if (desired.paused) return 'paused';
    return takesAll(live) ? 'recording' : 'inviting';
  }
  if (search.stage === 'waiting') return 'failed';
  if (sessions.length > 0) return search.stage === 'none' ? 'failed' : 'failing-over';
  if (search.stage === 'inviting' || search.stage === 'starting') return 'inviting';
  return 'selecting';
}

/**
 * Where a leg is and where it is about to be; once it was told to end, where it was to the last: the call's other leg, which may
 * still be looking for a recorder, never goes there.
 */
export function placesOf({ search, sessions, phase }: LegData): readonly Place[] {
  const asked = 'allocation' in search ? [search.allocation] : [];
  const isEnding = phase === 'stopping' || phase === 'ended';
  const session = currentSession(sessions) ?? (isEnding ? sessions.at(-1) : undefined);
  return [...asked, ...(session === undefined ? [] : [session])];
}

/** On its way from one recorder to another. */
export function isMoving({ phase, search, sessions }: LegData): boolean {
  const looks = search.stage !== 'none' && search.stage !== 'waiting';
  return phase !== 'ended' && sessions.length > 0 && looks;
}

/** The edge has stopped for a pause, as it has said: nothing of what comes in it is sent, or will be. */
export function isStopped(leg: LegData): boolean {
  const { live, search } = leg;
  const begins = search.stage === 'starting' && search.plan?.paused === false;
  if (begins || isTakenAway(leg)) return false;
  return live === undefined || (live.forksPaused && isObeyed(live));
}

/** Copies of a session that is over, or about to be, are still to be stopped: the edge was told, and has not answered. */
function isTakenAway({ sessions, finishing, retiring }: LegData): boolean {
  if (retiring !== undefined) return true;
  return sessions.some(
    ({ recordId, endedAt }) => endedAt === undefined && finishing.includes(recordId),
  );
}

/** Both the edge and the recorder do as the last pause or resume wants, or the recorder was asked and will not. */
export function isSettled(leg: LegData): boolean {
  const { live, desired, search } = leg;
  if (leg.phase !== 'running') return true;
  if (search.stage === 'starting' && search.plan !== undefined) {
    const { paused, pausedSince } = search.plan;
    if (paused !== desired.paused || pausedSince !== undefined) return false;
  }
  if (live !== undefined && !isObeyed(live)) return false;
  if (desired.paused && isTakenAway(leg)) return false;
  if (live === undefined || !isWell(leg)) return true;
  if (live.telling !== undefined || live.forksPaused !== desired.paused || !live.drained)
    return false;
  const { told, untold } = live;
  return told.paused === desired.paused || untold?.paused === desired.paused;
}

export function booksOf(
  { sessions, phase, search }: LegData,
  window: WindowRecord,
  streams: Streams,
  live: Forks,
  replay: boolean,
): LegBooks {
  const isFirst = sessions.length === 0;
  const waits =
    phase !== 'ended' && (isFirst || replay) && (phase !== 'stopping' || search.stage !== 'none');
  return { sessions, window, streams, live, waits };
}

export function legState(leg: LegData, books: LegBooks, wallOf: (at: number) => number): LegState {
  const { search } = leg;
  const { sessions } = books;
  const newest = 'allocation' in search ? search.allocation : sessions.at(-1);
  return {
    leg: leg.leg,
    recordId: newest?.recordId ?? '',
    recorder: leg.phase === 'ended' ? null : (placesOf(leg)[0]?.recorder ?? null),
    state: nameOf(leg),
    sessions: sessions.map((session) => sessionState(session, wallOf)),
    streams: {
      a: streamState(legDelivery(books, 'a')),
      b: streamState(legDelivery(books, 'b')),
    },
  };
}

function streamState({ sentPackets, lostPackets, lostMs }: LegDelivery): LegStreamState {
  return { sentPackets, lostPackets, lostMs };
}
