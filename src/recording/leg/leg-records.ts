import type { FailoverRecord } from '../account/failovers.ts';
import type { ByParty, Forks, SessionRecord, Streams } from '../account/records.ts';
import { endSession, settleSession } from '../account/sessions.ts';
import type { CallStock, ReportingHabit } from '../interfaces.ts';
import type { LegEvent } from './leg-events.ts';
import { clearTimer, dropDoubt, replace } from './leg-turn.ts';
import type { Turn } from './leg-turn.ts';

/** What a leg writes down: its failovers, and how its sessions end. Pure. */

/** Of one leg; the oldest are forgotten. */
const failoversMax = 100;

/** A recorder that failed this leg is passed over for this long, except where everything else has been tried. */
export const recentFailureMs = 30_000;

const recentFailuresMax = 64;

/**
 * Recorders that take a session and drop it at once, or receive nothing, must not make us go round among them without a pause.
 *
 * @param until when it is known to have received last, Unix ms
 */
export function noteRecentFailure(
  { leg, now, context }: Turn,
  session: SessionRecord,
  until: number,
): void {
  const { recorder, startedAt } = session;
  const { retry: delays } = context.settings;
  const others = leg.recentFailures.filter((failure) => failure.recorder !== recorder);
  leg.recentFailures = [...others, { recorder, at: now }].slice(-recentFailuresMax);
  if (until - startedAt >= delays.maxMs) leg.retryDelayMs = delays.initialMs;
}

export function recorderLeft({ leg, now }: Turn, { recorder }: SessionRecord): FailoverRecord {
  return { leg: leg.leg, from: recorder, reason: 'operator', detectedAt: now, deadAt: now };
}

/** Adds it, or puts it in the place of the one that is open: that is the same move, and has been told of. */
export function noteFailover({ leg, effects }: Turn, failover: FailoverRecord): void {
  const last = leg.failovers.at(-1);
  const isOpen = last !== undefined && last.done === undefined;
  const others = isOpen ? leg.failovers.slice(0, -1) : leg.failovers;
  leg.failovers = [...others, failover].slice(-failoversMax);
  if (!isOpen || failover.done !== undefined) effects.push({ do: 'note-failover', failover });
}

export function noteRecorded({ leg, effects }: Turn): void {
  if (leg.unrecordedTold) effects.push({ do: 'note-recorded' });
  leg.unrecordedTold = false;
}

export function retire({ leg, effects }: Turn, { recordId }: SessionRecord, at: number): void {
  if (leg.retiring === recordId) return;
  leg.retiring = recordId;
  effects.push({ do: 'retire', recordId, at });
}

export function retired(turn: Turn, recordId: string, stock: CallStock): void {
  const session = turn.leg.sessions.find((one) => one.recordId === recordId);
  if (session === undefined || session.endedAt !== undefined) return;
  close(turn, session, session.failure?.reason ?? turn.leg.stop?.reason ?? 'failed', stock);
}

/** Of a recorder that is gone: its copies have stopped. */
export function close(turn: Turn, session: SessionRecord, reason: string, stock: CallStock): void {
  const { streams, forks = {}, arrivedAt } = stock;
  account(turn, session, { reason, forks, streams, ...(arrivedAt && { arrivedAt }) });
  turn.effects.push({ do: 'bye', recordId: session.recordId, reason });
}

function account(
  turn: Turn,
  session: SessionRecord,
  end: { reason: string; forks: Forks; streams: Streams; arrivedAt?: ByParty<number> },
): void {
  const { leg, now, effects } = turn;
  const { recordId, recorder } = session;
  replace(leg, endSession(session, { at: now, ...end }));
  if (leg.live?.recordId === recordId) {
    delete leg.live;
    for (const name of ['drain', 'tell', 'order', 'media'] as const) clearTimer(turn, name);
    dropDoubt(turn);
  }
  if (leg.retiring === recordId) delete leg.retiring;
  effects.push({ do: 'release', recordId });
  effects.push({ do: 'note-habit', recorder, habit: habitOf(end.forks) });
}

/** Of a recorder that is well: before the goodbye it may say what it received in all. */
export function finish({ leg, effects }: Turn, { recordId }: SessionRecord, reason: string): void {
  if (leg.finishing.includes(recordId)) return;
  leg.finishing = [...leg.finishing, recordId];
  effects.push({ do: 'finish', recordId, reason });
}

export function finishing(turn: Turn, event: Extract<LegEvent, { type: 'finishing' }>): void {
  const { recordId, reason, forks, streams } = event;
  const session = turn.leg.sessions.find((one) => one.recordId === recordId);
  if (session === undefined || session.endedAt !== undefined) return;
  account(turn, session, { reason, forks, streams });
}

export function reported({ leg }: Turn, recordId: string, forks: Forks): void {
  const session = leg.sessions.find((one) => one.recordId === recordId);
  if (session !== undefined) replace(leg, settleSession(session, forks));
}

export function finished(turn: Turn, recordId: string, forks: Forks | undefined): void {
  const { leg, effects } = turn;
  const session = leg.sessions.find((one) => one.recordId === recordId);
  if (session === undefined) return;
  if (forks !== undefined) replace(leg, settleSession(session, forks));
  effects.push({ do: 'bye', recordId, reason: session.endReason ?? 'ended' });
}

function habitOf(forks: Forks): ReportingHabit {
  const all = Object.values(forks);
  return {
    reports: Math.max(0, ...all.map(({ receiverReports }) => receiverReports)),
    sentMs: Math.max(
      0,
      ...all.map(({ sent }) => (sent.at(-1)?.lastAt ?? 0) - (sent[0]?.firstAt ?? 0)),
    ),
  };
}
