import type { Marks, WindowRecord } from '../account/records.ts';
import type { CallStateName, Leg, RecordingAction, RecordingMode } from '../call-state.ts';
import type { Party } from '../interfaces.ts';
import { neverToSend } from './to-send.ts';
import type { BothToSend } from './to-send.ts';

/** What is asked of a call. One thing at a time, in order. */
export type Ask =
  | { readonly what: 'open' }
  | { readonly what: 'answer'; readonly sdp: string }
  | { readonly what: 'reoffer'; readonly party: Party; readonly sdp: string }
  | { readonly what: 'reject' }
  | { readonly what: 'record'; readonly action: RecordingAction }
  | { readonly what: 'end'; readonly reason: string };

export interface Asked {
  /** Names the answer. */
  readonly id: number;
  readonly ask: Ask;
  /** Unix ms. */
  readonly at: number;
  /** Which packets came next when it was asked: there it takes hold, whatever it has to wait for. */
  readonly marks: Marks;
  /** The legs do it already, or nothing is to be done: what waits is the answer. */
  readonly isTold?: boolean;
}

/** What is being done, and what is waited for. */
export interface Doing extends Asked {
  readonly stage: 'reserving' | 'media' | 'settling' | 'resuming' | 'stopping' | 'closing';
}

/** A recording of the call; one that was stopped and started again is a new one. */
export interface RecordingData {
  readonly number: number;
  readonly legs: readonly Leg[];
  readonly phase: 'reserved' | 'running' | 'stopping' | 'ended';
  readonly startedAt: number;
  readonly window: WindowRecord;
  /** A pause for which the edge has not stopped on all legs yet: no recorder is told of it. */
  readonly isPausing?: boolean;
}

export interface CallData {
  readonly state: CallStateName;
  /** Its ports are pinned; before that there is nothing to tell of it. */
  readonly opened: boolean;
  readonly answeredAt?: number;
  readonly endedAt?: number;
  /** Since the answer. */
  readonly toSend: BothToSend;
  readonly mode: RecordingMode;
  readonly scarce: 'single' | 'refuse';
  readonly queue: readonly Asked[];
  readonly doing?: Doing;
  /** In order. */
  readonly recordings: readonly RecordingData[];
}

/** What a call needs to know of a leg. */
export interface LegSummary {
  readonly leg: Leg;
  /** A recorder is being looked for. */
  readonly looks: boolean;
  /** A recorder is held for it. */
  readonly reserved: boolean;
  /** The edge sends nothing of what comes now. */
  readonly stopped: boolean;
  /** Edge and recorder do as the last pause or resume wants. */
  readonly settled: boolean;
  readonly ended: boolean;
}

export function newCall(mode: RecordingMode, scarce: 'single' | 'refuse'): CallData {
  const toSend = neverToSend;
  return { state: 'offered', opened: false, toSend, mode, scarce, queue: [], recordings: [] };
}
