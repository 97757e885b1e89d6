import type { LegBooks } from '../account/books.ts';
import type { ReportHabit } from '../account/proof.ts';
import type { Forks, SessionRecord, Streams, WindowRecord } from '../account/records.ts';
import { currentSession } from '../account/sessions.ts';
import type { FailureReason } from '../interfaces.ts';
import type { LegData, LiveSession } from './leg-data.ts';
import type { LegEffect, TimerName } from './leg-events.ts';
import type { RecordingSettings } from './leg-settings.ts';

/** What a leg knows besides its own state. */
export interface LegContext {
  readonly settings: RecordingSettings;
  readonly window: WindowRecord;
  /** Whether the parties exchange media at all: where they do not (port 0) a recorder has nothing to be offered. */
  readonly hasStreams: () => boolean;
}

export type Draft = { -readonly [K in keyof LegData]: LegData[K] };

/** One step under way. */
export interface Turn {
  readonly leg: Draft;
  readonly now: number;
  readonly context: LegContext;
  readonly effects: LegEffect[];
}

export function takesAll({ media, offered }: LiveSession): boolean {
  return offered.every((party) => media[party] !== undefined);
}

/** Its copies are still worth sending, as far as we know. */
export function mayReceive(reason: FailureReason): boolean {
  return reason === 'rtcp_silence' || reason === 'unsendable';
}

/** It has a recorder, and nothing speaks against that one. */
export function isWell({ live, sessions }: Pick<LegData, 'live' | 'sessions'>): boolean {
  return live !== undefined && currentSession(sessions)?.failure === undefined;
}

/** The edge has done all that it was told of the session's copies. */
export function isObeyed({ ordered, obeyed }: LiveSession): boolean {
  return obeyed >= ordered;
}

export function isSame(left: LegData['desired'], right: LegData['desired']): boolean {
  return left.paused === right.paused && left.streams === right.streams;
}

export function booksOf({ leg, context }: Turn, streams: Streams, live: Forks): LegBooks {
  return { sessions: leg.sessions, window: context.window, streams, live, waits: true };
}

/** Of the recorder that it is on. */
export function reportHabitOf({
  reportsEveryMs: everyMs,
}: Pick<LegData, 'reportsEveryMs'>): ReportHabit {
  if (everyMs === undefined) return { reports: 'unknown' };
  return { reports: everyMs > 0 ? 'expected' : 'none', everyMs };
}

export function replace(leg: Draft, session: SessionRecord): void {
  leg.sessions = leg.sessions.map((one) => (one.recordId === session.recordId ? session : one));
}

export function dropDoubt(turn: Turn): void {
  if (turn.leg.doubt === undefined) return;
  delete turn.leg.doubt;
  clearTimer(turn, 'doubt');
}

export function setTimer({ effects }: Turn, name: TimerName, delayMs: number): void {
  effects.push({ do: 'set-timer', name, delayMs });
}

export function clearTimer({ effects }: Turn, name: TimerName): void {
  effects.push({ do: 'clear-timer', name });
}

export function log(
  { effects }: Turn,
  level: 'info' | 'warn' | 'error',
  message: string,
  facts: Extract<LegEffect, { do: 'log' }>['facts'],
): void {
  effects.push({ do: 'log', level, message, facts });
}
