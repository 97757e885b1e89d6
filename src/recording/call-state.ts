import type { SocketAddress } from '../edge/types.ts';
import type { FailureReason, MediaPath, Party } from './interfaces.ts';
import type { Ledger } from './account/ledger.ts';

/** What the API shows. Contract: see the OpenAPI document. */

export type RecordingMode = 'duplicate' | 'single' | 'off';
export type Leg = 1 | 2;

export interface CallRequest {
  readonly id?: string | undefined;
  readonly offer: string;
  readonly recording?: { readonly mode?: RecordingMode | undefined } | undefined;
  readonly media?:
    | {
        readonly path?: MediaPath | undefined;
        readonly latch?: 'announced' | 'any' | undefined;
      }
    | undefined;
  readonly tenant?: string | undefined;
  readonly site?: string | undefined;
  readonly parties?:
    | Partial<Record<Party, { readonly aor: string; readonly name?: string | undefined }>>
    | undefined;
}

export type CallStateName = 'offered' | 'answered' | 'reoffered' | 'ended';

export type RecordingSessionStateName =
  'selecting' | 'inviting' | 'recording' | 'paused' | 'failing-over' | 'ended' | 'failed';

export interface CallState {
  readonly id: string;
  readonly state: CallStateName;
  readonly path: MediaPath;
  readonly tenant?: string;
  readonly site?: string;
  readonly parties: Readonly<Record<Party, PartyState>>;
  readonly recordings: readonly LegState[];
  readonly failovers: readonly FailoverState[];
}

export interface PartyState {
  readonly local: SocketAddress;
  readonly latched: SocketAddress | null;
  readonly packets: number;
  readonly upstreamLostPackets: number;
  readonly refusedPackets: number;
  readonly ssrcChanges: number;
}

export interface LegState {
  readonly leg: Leg;
  /** Of the newest session. */
  readonly recordId: string;
  readonly recorder: string | null;
  readonly state: RecordingSessionStateName;
  readonly sessions: readonly SessionState[];
  readonly streams: Readonly<Record<Party, LegStreamState>>;
}

export interface SessionState {
  readonly recordId: string;
  readonly recorder: string;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly endReason: string | null;
}

export interface LegStreamState {
  readonly sentPackets: number;
  /** Reached Tandem while recording was on, but no live recorder of this leg. */
  readonly lostPackets: number;
  readonly lostMs: number;
}

export interface FailoverState {
  readonly leg: Leg;
  readonly from: string;
  /** Null while no recorder could take the leg. */
  readonly to: string | null;
  readonly reason: FailureReason;
  /** RFC 3339. */
  readonly at: string;
  /** From the first packet that was not received to the moment it was known. */
  readonly detectionMs: number;
  /** From that moment to the first packet sent to the next recorder. Null while there is none. */
  readonly failoverMs: number | null;
  readonly lostPackets: number;
  readonly lostMs: number;
  readonly replayedPackets: number;
}

/** Calls whose ids come after `after`; absent: from the first on. */
export interface CallsPage {
  readonly limit: number;
  readonly after?: string | undefined;
}

export type RecordingAction = 'pause' | 'resume' | 'stop' | 'start';

/** The face that control talks to; implemented by recording/calls.ts. Errors are TandemErrors. */
export interface CallService {
  create(request: CallRequest): Promise<{ id: string; offer: string }>;
  answer(callId: string, answer: string): Promise<{ answer: string }>;
  /** The pending re-offer was refused: all stays as it was. */
  rejectReoffer(callId: string): Promise<void>;
  reoffer(callId: string, party: Party, offer: string): Promise<{ offer: string }>;
  recording(callId: string, action: RecordingAction): Promise<CallState>;
  delete(callId: string): Promise<void>;
  get(callId: string): CallState;
  /** In the order of their ids. */
  list(page: CallsPage): Promise<{ calls: CallState[]; next: string | null }>;
  ledger(callId: string): Ledger;
  failovers(): readonly (FailoverState & { readonly callId: string })[];
}
