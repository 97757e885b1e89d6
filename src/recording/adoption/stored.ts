import type { Ledger } from '../account/ledger.ts';
import type { CallRequest, CallState } from '../call-state.ts';
import type { CallData } from '../call/call-data.ts';
import type { Identity } from '../call/identity.ts';
import type { CallMedia, MediaPath, RecorderMedia } from '../interfaces.ts';
import type { Party } from '../interfaces.ts';
import type { LegData } from '../leg/leg-data.ts';

/** What the journal holds of calls: plain data. Times are of the clock that all processes of one start of the machine share. */

/** Under the call's id. */
export interface StoredCall {
  readonly id: string;
  readonly request: CallRequest;
  readonly path: MediaPath;
  readonly latch: 'announced' | 'any';
  readonly createdAt: number;
  readonly data: CallData;
  /** By the number of the recording: the same in all of its sessions. */
  readonly identities: Readonly<Record<number, Identity>>;
  /** As last seen: what is left of it should its ports be gone. */
  readonly media?: CallMedia;
}

/** Under `legId`. */
export interface StoredLeg {
  readonly callId: string;
  readonly recording: number;
  readonly data: LegData;
}

/** Under the call's id. */
export interface StoredEnd {
  readonly state: CallState;
  readonly ledger: Ledger;
}

/** All that there is, in the order in which it was put first. */
export interface StoredCalls {
  readonly calls: readonly StoredCall[];
  readonly legs: readonly StoredLeg[];
  readonly ended: readonly StoredEnd[];
  /** Of the session client, by recordId: it knows what they are. */
  readonly sessions: ReadonlyMap<string, object>;
}

/** A recording session whose dialog was taken over. */
export interface StandingSession {
  readonly media: RecorderMedia;
  /** What the recorder was offered. */
  readonly offered: readonly Party[];
}

/** What became of what was stored, for logs and metrics. */
export interface AdoptionReport {
  /** Calls that go on. */
  readonly calls: number;
  /** Calls whose ports are gone: they end, with what is known of them. */
  readonly callsLost: number;
  /** Calls that nobody was told of: they never were. */
  readonly callsUndone: number;
  /** Recording sessions that go on. */
  readonly sessions: number;
  /** Recording sessions that no leg wants: they are ended. */
  readonly sessionsUnwanted: number;
}

export function legId(callId: string, recording: number, leg: number): string {
  return `${callId} ${String(recording)} ${String(leg)}`;
}
