import type { RecordingAction } from '../src/recording/call-state.ts';
import type { Party } from '../src/recording/interfaces.ts';
import type { Manners } from './recorder/manners.ts';
import type { SimRecorderOptions } from './recorder/sim-recorder.ts';

/** All that happens in one seed, decided before it begins: plain data. Times in ms from the start, or as said. */
export interface Plan {
  readonly seed: number;
  readonly durationMs: number;
  readonly ringSeconds: number;
  readonly replayOverlapMs: number;
  readonly probeEveryMs: number;
  readonly recorders: readonly SimRecorderOptions[];
  /** Of every way between hosts, while nothing is wrong. */
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly sipLoss: number;
  readonly calls: readonly CallPlan[];
  readonly faults: readonly FaultPlan[];
  /** When the process that decides is killed, and for how long there is none. */
  readonly deaths: readonly DeathPlan[];
  /** Nothing goes wrong, and every recorder reports: the best verdict is due. */
  readonly isQuiet: boolean;
}

export interface DeathPlan {
  readonly at: number;
  readonly awayMs: number;
}

export interface CallPlan {
  readonly id: string;
  readonly at: number;
  /** After the offer. */
  readonly answerAfterMs: number;
  readonly endAt: number;
  readonly speech: Readonly<Record<Party, SpeechPlan>>;
  readonly actions: readonly ActionPlan[];
}

export interface ActionPlan {
  readonly at: number;
  readonly kind: RecordingAction | 'reoffer' | 'hold' | 'unhold' | 'rejectReoffer';
}

export interface SpeechPlan {
  readonly packetMs: number;
  /** From the answer; Infinity: the party never says anything. */
  readonly afterMs: number;
  /** Shares of the packets, on their way to us. */
  readonly lost: number;
  readonly doubled: number;
  readonly late: number;
  readonly quirks: readonly Quirk[];
}

export type Quirk =
  | { readonly at: number; readonly kind: 'silence'; readonly forMs: number }
  /** Its numbers jump by so many. */
  | { readonly at: number; readonly kind: 'jump'; readonly by: number }
  | { readonly at: number; readonly kind: 'ssrc' }
  /** Our own socket's buffer is full: what it says is dropped there. */
  | { readonly at: number; readonly kind: 'dropped'; readonly forMs: number }
  /** One packet, so many numbers old. */
  | { readonly at: number; readonly kind: 'stray'; readonly old: number }
  /** Nothing but a packet now and then (DTX). */
  | { readonly at: number; readonly kind: 'sparse'; readonly forMs: number };

export type FaultPlan = {
  readonly at: number;
  /** Then it is over; absent: never. */
  readonly forMs?: number;
} & FaultKind;

export type FaultKind =
  | { readonly kind: 'kill' | 'hostDown'; readonly recorder: string }
  | { readonly kind: 'manners'; readonly recorder: string; readonly change: Partial<Manners> }
  | { readonly kind: 'hangUp' | 'redirect'; readonly recorder: string }
  | {
      readonly kind: 'cut';
      readonly recorder: string;
      readonly traffic: 'media' | 'reports' | 'sip' | 'all';
      readonly way: 'there' | 'back' | 'both';
    }
  | { readonly kind: 'loss'; readonly recorder: string; readonly share: number }
  | { readonly kind: 'delay'; readonly recorder: string; readonly delayMs: number }
  | { readonly kind: 'quotesLittle'; readonly recorder: string }
  | { readonly kind: 'unsendable'; readonly recorder: string; readonly error: string }
  | { readonly kind: 'drain'; readonly recorder: string }
  | { readonly kind: 'setClock'; readonly byMs: number };
