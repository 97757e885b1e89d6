import type { FailoverRecord } from '../account/failovers.ts';
import type { ByParty, Forks, Streams } from '../account/records.ts';
import type {
  Allocation,
  CallStock,
  FailureReason,
  ForksStart,
  MediaAddress,
  Party,
  RecorderMedia,
  ReportingHabit,
  SessionRefusal,
  SessionNotTaken,
} from '../interfaces.ts';
import type { ForkStart } from '../../edge/types.ts';
import type { Range } from '../../rtp/ranges.ts';

/** Why a recorder does not have a session that it was asked to take. */
export interface NotTaken extends SessionNotTaken {
  /** The fault is ours: another recorder would do no better. */
  readonly ours?: boolean;
  readonly message: string;
}

export type TimerName = 'retry' | 'doubt' | 'drain' | 'media' | 'tell' | 'order' | 'stop';

/** All that can happen to a leg. What names a recordId that is not the leg's any more means nothing. */
export type LegEvent =
  // what the call wants
  | { readonly type: 'reserve' }
  | { readonly type: 'begin' }
  | { readonly type: 'pause' }
  /** The edge has stopped on all legs of the call: recorders may be told of the pause. */
  | { readonly type: 'stopped' }
  | { readonly type: 'resume' }
  /** The call's streams are described otherwise now (codec, hold). */
  | { readonly type: 'describe' }
  | { readonly type: 'stop'; readonly reason: string }
  // answers to effects
  | { readonly type: 'allocated'; readonly allocation: Allocation }
  | { readonly type: 'unallocated' }
  | { readonly type: 'turn' }
  | {
      readonly type: 'answered';
      readonly recordId: string;
      readonly media: RecorderMedia;
      readonly offered: readonly Party[];
    }
  | { readonly type: 'not-taken'; readonly recordId: string; readonly why: NotTaken }
  /** The edge is told now to take stock, and to stop what is retired by it. */
  | { readonly type: 'stocking'; readonly recordId: string }
  /** What there is to send now; `live`: of the session that the leg has still. */
  | {
      readonly type: 'stocked';
      readonly recordId: string;
      readonly stock: CallStock;
      readonly live: Forks;
    }
  | { readonly type: 'begun'; readonly recordId: string }
  /** This order of the leg to the edge has taken effect, and so have all before it. */
  | { readonly type: 'obeyed'; readonly recordId: string; readonly order: number }
  | {
      readonly type: 'not-obeyed';
      readonly recordId: string;
      readonly order: number;
      readonly what: ForkOrder['do'];
    }
  | {
      readonly type: 'looked';
      readonly recordId: string;
      readonly forks: Forks;
      readonly streams: Streams;
    }
  /** The edge could not say. */
  | { readonly type: 'not-looked'; readonly recordId: string }
  | { readonly type: 'retired'; readonly recordId: string; readonly stock: CallStock }
  | {
      readonly type: 'finishing';
      readonly recordId: string;
      readonly reason: string;
      readonly forks: Forks;
      readonly streams: Streams;
    }
  /** What its recorder has said of its copies since they have ended: they are there still. */
  | { readonly type: 'reported'; readonly recordId: string; readonly forks: Forks }
  /** `forks`: undefined when the call has ended meanwhile. */
  | { readonly type: 'finished'; readonly recordId: string; readonly forks: Forks | undefined }
  | { readonly type: 'gone'; readonly recordId: string }
  | {
      readonly type: 'told';
      readonly recordId: string;
      readonly media: RecorderMedia;
      readonly offered: readonly Party[];
    }
  | {
      readonly type: 'not-told';
      readonly recordId: string;
      /** `refused`: the recorder lives and says no. `silent`: no answer, which is a sign. `ours`: it is not its fault. */
      readonly kind: 'refused' | 'silent' | 'ours';
      readonly reason: FailureReason;
      /** What its answer was, if it said no. */
      readonly refusal?: SessionRefusal;
      readonly askedAt: number;
    }
  | { readonly type: 'timer'; readonly name: TimerName }
  /** Another process goes on with it. What was to be answered to the one before is answered to nobody. */
  | {
      readonly type: 'adopted';
      /** By recordId, of all its sessions: the copies that the edge has. */
      readonly forks: Readonly<Record<string, Forks>>;
      /** By recordId: the recorders whose dialogs stand. */
      readonly sessions: Readonly<
        Record<string, { readonly media: RecorderMedia; readonly offered: readonly Party[] }>
      >;
    }
  // what recorders and the edge do by themselves
  | { readonly type: 'session-ended'; readonly recordId: string; readonly reason: FailureReason }
  | { readonly type: 'media-changed'; readonly recordId: string; readonly media: RecorderMedia }
  | { readonly type: 'fork-refused'; readonly recordId: string; readonly at: number }
  /** Receiver reports are late, or ICMP says without a proof that its port is closed: the recorder is to be asked at once. */
  | { readonly type: 'media-doubted'; readonly recordId: string }
  /** `since`: until when it is known to have received, Unix ms. */
  | {
      readonly type: 'media-lost';
      readonly recordId: string;
      readonly reason: 'rtcp_silence' | 'rtcp_loss' | 'unsendable';
      readonly since: number;
    }
  | { readonly type: 'media-well'; readonly recordId: string }
  | {
      readonly type: 'recorder-down';
      readonly recorder: string;
      readonly reason: FailureReason;
      readonly at: number;
      /** How long before that it stopped to answer, if it is that which tells. */
      readonly probeWindowMs: number;
    }
  | { readonly type: 'recorder-draining'; readonly recorder: string }
  | { readonly type: 'recorder-available'; readonly recorder: string }
  /** As in `Allocation`: found out, or changed, after sessions were put on it. */
  | { readonly type: 'recorder-reports'; readonly recorder: string; readonly everyMs: number };

/** Orders to the edge about a session's copies; `order`: its number, by which it is answered. */
export type ForkOrder = { readonly recordId: string; readonly order: number } & (
  | {
      readonly do: 'retarget-forks';
      readonly to: ByParty<MediaAddress>;
      readonly from: ByParty<ForkStart>;
      readonly keptOut: Readonly<Record<Party, readonly Range[]>>;
    }
  | { readonly do: 'pause-forks'; readonly from?: Readonly<Record<Party, number>> }
  | { readonly do: 'resume-forks' }
);

/** What is to be done about it, in this order. */
export type LegEffect =
  | ForkOrder
  | {
      readonly do: 'allocate';
      readonly exclude: readonly string[];
      /** Left out as well; with `lastResort` only while there is another. */
      readonly passOver: readonly string[];
      readonly lastResort: boolean;
    }
  | { readonly do: 'release'; readonly recordId: string }
  /** A turn, before which others that wait longer had theirs. */
  | { readonly do: 'queue' }
  | { readonly do: 'invite'; readonly allocation: Allocation }
  | { readonly do: 'cancel-invite'; readonly recordId: string }
  /** Takes stock, stopping the forks of the session that is `retiredBy` it, and starts what `stocked` answers with. */
  | { readonly do: 'start-media'; readonly recordId: string }
  | { readonly do: 'start-forks'; readonly start: Omit<ForksStart, 'callId'> }
  /** Of a session that nobody wants any more: it is not taken when its copies are there no more. */
  | { readonly do: 'drop-forks'; readonly recordId: string }
  | { readonly do: 'look'; readonly recordId: string }
  /** Of a recorder that is gone: its forks stop. */
  | { readonly do: 'retire'; readonly recordId: string; readonly at: number }
  /** Of one that is well: it may say what it received in all. */
  | { readonly do: 'finish'; readonly recordId: string; readonly reason: string }
  | { readonly do: 'tell'; readonly recordId: string; readonly paused: boolean }
  | { readonly do: 'bye'; readonly recordId: string; readonly reason: string }
  | { readonly do: 'set-timer'; readonly name: TimerName; readonly delayMs: number }
  | { readonly do: 'clear-timer'; readonly name: TimerName }
  /** Of a session that was not taken, or not wanted any more. */
  | { readonly do: 'abandon'; readonly recordId: string }
  | { readonly do: 'note-not-taken'; readonly recorder: string; readonly why: SessionNotTaken }
  /** Whether it lives. */
  | { readonly do: 'ask'; readonly recorder: string; readonly reason: FailureReason }
  | { readonly do: 'blame'; readonly recorder: string; readonly reason: FailureReason }
  | {
      readonly do: 'praise';
      readonly recorder: string;
      readonly recordId: string;
      readonly setupMs: number;
    }
  | { readonly do: 'note-habit'; readonly recorder: string; readonly habit: ReportingHabit }
  | { readonly do: 'note-failover'; readonly failover: FailoverRecord }
  | { readonly do: 'note-unrecorded' }
  | { readonly do: 'note-recorded' }
  | {
      readonly do: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly facts: Readonly<Record<string, string | number | undefined>>;
    };
