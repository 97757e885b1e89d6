import type { FailoverRecord } from '../account/failovers.ts';
import type { ByParty, SessionRecord, Streams } from '../account/records.ts';
import type { ForkStart } from '../../edge/types.ts';
import type { Leg as LegNumber } from '../call-state.ts';
import type { Allocation, FailureReason, Party, RecorderMedia } from '../interfaces.ts';

/** What is wanted of a recorder, and what it was told. The difference is always being worked off. */
export interface Described {
  readonly paused: boolean;
  /** Which description of the call's streams; higher is newer. */
  readonly streams: number;
}

/** Where a leg looks for a recorder. `tried`: were asked already in this search. */
interface Looking {
  readonly tried: readonly string[];
  /** Also recorders that failed this leg a short while ago, if there is no other. */
  readonly lastResort: boolean;
}

/** A recorder that is being asked. */
export interface Attempt extends Looking {
  readonly allocation: Allocation;
  readonly askedAt: number;
  /** Which description of the streams its INVITE carries. */
  readonly streams: number;
  /** What the recorder said in between its answer and our taking note of it, or why its answer is not waited for. */
  readonly ended?: FailureReason;
  /** Nobody wants it any more. */
  readonly aborted?: boolean;
}

export type Search =
  | { readonly stage: 'none' }
  /** Waits for its turn. */
  | ({ readonly stage: 'queued' } & Looking)
  | ({ readonly stage: 'allocating' } & Looking)
  /** Held for when the call is answered. */
  | { readonly stage: 'reserved'; readonly allocation: Allocation }
  | ({
      readonly stage: 'inviting';
      /** The recorder may change it together with its answer. */
      readonly media?: RecorderMedia;
    } & Attempt)
  | ({
      readonly stage: 'starting';
      readonly media: RecorderMedia;
      readonly offered: readonly Party[];
      /** Set once it is known what there is to send. */
      readonly plan?: {
        readonly from: ByParty<ForkStart>;
        readonly streams: Streams;
        readonly media: RecorderMedia;
        readonly paused: boolean;
        /** First packets of the first pause that came after the edge was told: it begins what is to be withheld. */
        readonly pausedSince?: Readonly<Record<Party, number>>;
      };
      /** Session whose copies stop as those of this one begin: the edge was told so. */
      readonly retires?: string;
    } & Attempt)
  /** Nobody takes it: again later. */
  | { readonly stage: 'waiting' };

/** The session that records now, beside its `SessionRecord`. */
export interface LiveSession {
  readonly recordId: string;
  /** What the recorder takes. */
  readonly media: RecorderMedia;
  /** What it was offered. */
  readonly offered: readonly Party[];
  readonly told: Described;
  /** A re-INVITE is under way. */
  readonly telling?: Described;
  /** Was told in vain. Not tried again before something else is wanted, or the timer has run. */
  readonly untold?: Described;
  readonly tellDelayMs: number;
  /** What the edge was told. */
  readonly forksPaused: boolean;
  /** Orders to the edge about its copies, by number: the newest that was given, and up to which all have taken effect. */
  readonly ordered: number;
  readonly obeyed: number;
  /** Order by which even what came before the pause is withheld: nothing is left to be sent when it is obeyed. */
  readonly cutOff?: number;
  /** All that came before the pause, or the end, is sent, or was given up. */
  readonly drained: boolean;
  readonly drainUntil: number;
  /** Changed by the recorder, and not followed yet. */
  readonly mediaToFollow?: RecorderMedia;
}

/** When what is doubted happened. Unix ms. */
export interface Doubt {
  readonly reason: FailureReason;
  /** Signs of life that are newer than this clear the doubt. */
  readonly since: number;
  /** When the recorder failed, if it did: as near as is known. */
  readonly deadAt: number;
  /** Until then it was well for sure. */
  readonly safeAt: number;
  /** It does not answer OPTIONS either. */
  readonly unanswered?: boolean;
}

/** One of a call's recordings, all of it: plain data. */
export interface LegData {
  readonly leg: LegNumber;
  readonly phase: 'new' | 'running' | 'stopping' | 'ended';
  /** Is to begin as soon as there is something to record. */
  readonly isDue?: boolean;
  readonly desired: Described;
  /** Of a pause no recorder is told before the edge has stopped on all legs of the call. */
  readonly awaitsStop?: boolean;
  readonly search: Search;
  readonly sessions: readonly SessionRecord[];
  readonly live?: LiveSession;
  /** Of the recorder that it is on, or was last; as in `Allocation`. */
  readonly reportsEveryMs?: number;
  readonly doubt?: Doubt;
  /** A recorder that is to be left while this leg is on it, or about to be; the leg stays until another receives. */
  readonly leaving?: { readonly recorder: string; readonly reason: FailureReason };
  readonly recentFailures: readonly { readonly recorder: string; readonly at: number }[];
  readonly retryDelayMs: number;
  /** It was told that there is no recorder. */
  readonly unrecordedTold: boolean;
  readonly failovers: readonly FailoverRecord[];
  /** Session whose copies the edge is taking away: nothing brings it back. */
  readonly retiring?: string;
  /** Sessions that were said goodbye to, of whose recorders the last report or the answer to BYE is awaited. */
  readonly finishing: readonly string[];
  readonly stop?: { readonly reason: string; readonly until: number };
}

export function newLeg(leg: LegNumber, retryDelayMs: number): LegData {
  return {
    leg,
    phase: 'new',
    desired: { paused: false, streams: 1 },
    search: { stage: 'none' },
    sessions: [],
    recentFailures: [],
    retryDelayMs,
    unrecordedTold: false,
    failovers: [],
    finishing: [],
  };
}
