import type {
  ForkReport,
  ForkStart,
  LatchPolicy,
  SocketAddress,
  StreamReport,
} from '../edge/types.ts';
import type { Range } from '../rtp/ranges.ts';

/**
 * What recording needs of the world, and nothing more. `media/`, `resource/` and `siprec/` implement these; each could be
 * a network call one day, so everything that passes is plain data and everything is named by id.
 */

export type Party = 'a' | 'b';
export const parties: readonly Party[] = ['a', 'b'];
export type MediaPath = 'mediasoup' | 'direct';

/** One payload type as negotiated between the parties. `encodingName` as in SDP rtpmap. */
export interface Payload {
  readonly payloadType: number;
  readonly encodingName: string;
  readonly clockRate: number;
  readonly channels: number;
  readonly fmtp?: string;
}

/** A party's stream as a recorder gets it. */
export interface RecordedStream {
  readonly party: Party;
  /** Position of its m-line, from 0. */
  readonly index: number;
  readonly ssrc: number;
  readonly payloads: readonly Payload[];
  readonly ptimeMs?: number;
}

export interface OpenCallRequest {
  readonly callId: string;
  /** Party a's SDP. */
  readonly offer: string;
  readonly path: MediaPath;
  readonly latch: LatchPolicy;
}

export interface CallMedia {
  readonly callId: string;
  readonly path: MediaPath;
  readonly parties: Readonly<Record<Party, PartyMedia>>;
}

export interface PartyMedia {
  readonly local: SocketAddress;
  readonly remote?: SocketAddress;
  readonly report: StreamReport;
}

export interface MediaAddress {
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
}

/** What a recorder has shown of itself on one stream that it wants. See `ForkSigns` of the edge. */
export interface StreamSigns {
  /** Unix ms; 0: none yet. So for all times here. */
  readonly reportedAt: number;
  readonly receiverReports: number;
  /** 0..1 of what was sent to it between its last two reports. */
  readonly fractionLost: number;
  /** Packets sent since the last report. */
  readonly sentSinceReport: number;
  /** Since when media is sent without a pause. */
  readonly sendingSince: number;
}

/** The same on one recording session. */
export interface MediaSigns {
  readonly streams: Partial<Readonly<Record<Party, StreamSigns>>>;
  /** ICMP proves that its port is closed. */
  readonly refusedAt: number;
  /** ICMP says so without a proof. */
  readonly doubtedAt: number;
  /** The kernel does not take what is sent there. */
  readonly unsendableAt: number;
}

export interface BridgeEvents {
  /** A recorder's port refused packets of this recording session (ICMP). Told once; `at`: Unix ms, kernel time. */
  forkRefused: [{ recordId: string; at: number }];
  /** The media of the call cannot be carried on: it was closed. */
  callLost: [{ callId: string; reason: string }];
  /** The parties had no media for this long (mediasoup worker death); it flows again. */
  interrupted: [{ callId: string; interruptedMs: number }];
}

export interface StockRequest {
  readonly callId: string;
  /** The recording session whose forks are stopped. */
  readonly retired: string | undefined;
  /** Unix ms: which packets had arrived by then. */
  readonly at?: number;
}

/** What the call's streams had, and the forks that were stopped, at the same moment. */
export interface CallStock {
  readonly streams: Readonly<Record<Party, StreamReport>>;
  /** Undefined when there was nothing to stop. */
  readonly forks: Partial<Readonly<Record<Party, ForkReport>>> | undefined;
  /** First packet in the ring that arrived at or after `StockRequest.at`; one past the newest when none did. */
  readonly arrivedAt?: Partial<Readonly<Record<Party, number>>>;
}

/** Copies of the call's streams to a recorder, under `recordId`. */
export interface ForksStart {
  readonly callId: string;
  readonly recordId: string;
  /** A party that the recorder does not want (port 0) is absent. */
  readonly to: Partial<Readonly<Record<Party, MediaAddress>>>;
  /** Absent: `live`. */
  readonly from: Partial<Readonly<Record<Party, ForkStart>>>;
  readonly paused: boolean;
  /** As for `pauseForks`. */
  readonly pausedFrom?: Partial<Readonly<Record<Party, number>>>;
  /** Never sent, however far back `from` is: at most 64 ranges. */
  readonly keptOut?: Partial<Readonly<Record<Party, readonly Range[]>>>;
}

/**
 * A call's pinned media. What is asked for with a promise takes effect in the order in which it is asked for, and has taken effect
 * when the promise resolves; all else is read at once, and shows what is so now. Whatever concerns a call or a recording session that
 * is not there (any more) is done. Errors: SDP_*, NO_PORT, WORKER_LOST, EDGE_FAILED, CALL_NOT_FOUND.
 */
export interface Bridge {
  /** Pins both parties' ports. Resolves to the offer for party b. */
  openCall(request: OpenCallRequest): Promise<{ offer: string }>;
  /** Party b's answer in, the answer for party a out; from here media flows. Also ends a re-offer, for either side. */
  answerCall(callId: string, answer: string): Promise<{ answer: string }>;
  /** A re-offer from `party` in, the offer for the other party out. A second one of the same party replaces the first. */
  reofferCall(callId: string, party: Party, offer: string): Promise<{ offer: string }>;
  /** The other party will not have it: all stays as it was. Errors: CALL_STATE when no re-offer waits for an answer. */
  cancelReoffer(callId: string): Promise<void>;
  /** Idempotent. Frees ports; resolves to the last account of both streams, undefined if there was no such call. */
  closeCall(callId: string): Promise<CallMedia | undefined>;
  describeCall(callId: string): CallMedia;
  /** Any number of calls with few visits to the edge: in their order, undefined where there is no such call (any more). */
  describeCalls(callIds: readonly string[]): readonly (CallMedia | undefined)[];
  /**
   * By call, when each party's newest packet came: Unix ms, 0 before there is one. Of all calls, and cheap, which their
   * description is not: the edge copies every range for it.
   */
  lastHeard(): ReadonlyMap<string, Readonly<Record<Party, number>>>;
  /** How its media goes now; undefined: there is no such call (any more). Costs no visit to the edge. */
  pathOf(callId: string): MediaPath | undefined;
  /** Who is to send as negotiated (no hold, no port 0); nobody before the answer. Costs no visit to the edge. */
  sends(callId: string): Readonly<Record<Party, boolean>>;
  /** The streams to record, by party. Known once answered. */
  recordedStreams(callId: string): readonly RecordedStream[];
  /** Where this call's copies leave from and where the recorder's RTCP must come back to, by party. */
  legAddresses(callId: string, family: 4 | 6): Readonly<Record<Party, MediaAddress>>;
  /** In the order of the requests, at most 16; undefined where there is no such call (any more). The account is of after the stop. */
  takeStock(requests: readonly StockRequest[]): Promise<readonly (CallStock | undefined)[]>;
  /**
   * At most 16. Each by itself: what stands in its place is why it has no fork, undefined if all is well. A session that was started
   * before is left as it is.
   */
  startForks(starts: readonly ForksStart[]): Promise<readonly unknown[]>;
  /** The recorder moved its media. Adds (beginning at `from`) or removes single streams as `to` says. */
  retargetForks(
    recordId: string,
    to: Partial<Readonly<Record<Party, MediaAddress>>>,
    from: Partial<Readonly<Record<Party, ForkStart>>>,
    keptOut?: Partial<Readonly<Record<Party, readonly Range[]>>>,
  ): Promise<void>;
  /**
   * When this resolves nothing more is sent (fail closed), but for what a copy that is behind has still to send of packets
   * before `from` (extended sequence number, by party). Absent: not even that.
   */
  pauseForks(recordId: string, from?: Partial<Readonly<Record<Party, number>>>): Promise<void>;
  resumeForks(recordId: string): Promise<void>;
  /** When this resolves nothing more is sent, and the recorder has been told so (RTCP BYE). Resolves to what was sent. Idempotent. */
  endForks(recordId: string): Promise<Partial<Record<Party, ForkReport>>>;
  /**
   * After `endForks`: resolves when the recorder has reported all that it received of every stream that it was sent, or when the
   * forks are stopped; a recorder that dies meanwhile, or never reports, reports nothing.
   */
  finalReports(recordId: string): Promise<void>;
  /** The account is of after the stop. Idempotent: undefined when there are none. */
  stopForks(recordId: string): Promise<Partial<Record<Party, ForkReport>> | undefined>;
  forkReports(recordId: string): Partial<Record<Party, ForkReport>>;
  /** Of any number of recording sessions with few visits to the edge: in their order. */
  allForkReports(recordIds: readonly string[]): readonly Partial<Record<Party, ForkReport>>[];
  /** Of all recording sessions, by recordId: cheap enough to be asked several times a second. */
  mediaSigns(): ReadonlyMap<string, MediaSigns>;
  on<E extends keyof BridgeEvents>(event: E, listener: (...args: BridgeEvents[E]) => void): unknown;
}

export interface AllocationRequest {
  readonly recordId: string;
  readonly callId: string;
  readonly leg: 1 | 2;
  readonly tenant?: string;
  readonly site?: string;
  /** Recorders that must not be chosen (the other leg's; those that just failed). */
  readonly excludeRecorders: readonly string[];
  /** Zones to avoid when another will do. */
  readonly avoidZones: readonly string[];
}

/** Where a recording session is. */
export interface Place {
  readonly recorder: string;
  readonly zone: string;
}

export interface Allocation extends Place {
  readonly recordId: string;
  readonly uri: string;
  /** How often this recorder reports on what it receives, in ms, as far as known: what is expected and stays out is a sign. 0: it does not report. What is found out later is told by `recorderReports`. */
  readonly reportsEveryMs?: number;
}

/** `well`: nothing was told of it, or what is wrong with it will be. `unknown`: there is none of that name any more. */
export type RecorderStanding = 'well' | 'draining' | 'unknown';

/** Why a recorder will not have a session: its SIP status tells whether that is about the call, its load, or itself. */
export interface SessionRefusal {
  readonly status: number;
  /** Of Retry-After (RFC 3261 20.33). */
  readonly retryAfterMs?: number;
}

/** Why a recorder does not have a session that it was asked to take. */
export interface SessionNotTaken {
  readonly reason: FailureReason;
  /** What its answer was, if that was a refusal. */
  readonly refusal?: SessionRefusal;
}

/** What a session that is over has shown of its recorder's reports. */
export interface ReportingHabit {
  readonly reports: number;
  /** Media was sent for so long. */
  readonly sentMs: number;
}

/** Why a leg left a recorder. The same word is the metric's reason and the API's. */
export type FailureReason =
  | 'icmp'
  /** Our own host does not send there (firewall, no route). */
  | 'unsendable'
  /** It took the session and no media, or not all of it. */
  | 'media_refused'
  | 'sip_closed'
  | 'sip_error'
  | 'sip_timeout'
  | 'options_timeout'
  | 'srs_bye'
  | 'rtcp_silence'
  | 'rtcp_loss'
  | 'operator';

export interface AllocatorEvents {
  /** The recorder takes nothing any more; everything on it should move. `at`: when it was found out, Unix ms. */
  recorderDown: [{ recorder: string; reason: FailureReason; at: number }];
  /** It answers again. */
  recorderUp: [{ recorder: string; at: number }];
  /** The recorder is to be emptied without loss. */
  recorderDraining: [{ recorder: string }];
  /** A recorder can take sessions that could not before. */
  recorderAvailable: [{ recorder: string }];
  /** What is known of how it reports (`reportsEveryMs` in `Allocation`) counts from now on for the sessions on it, too. */
  recorderReports: [{ recorder: string; everyMs: number }];
  /** A standby recorder was put to work, because no other could take this session. */
  recorderPromoted: [{ recorder: string; recordId: string; callId: string; leg: 1 | 2 }];
}

/** Puts recording sessions on recorders. Errors: NO_RECORDER. */
export interface RecorderAllocator {
  allocate(request: AllocationRequest): Allocation;
  /**
   * The session is on this recorder already: another process put it there. What was told of the recorder before was not told to whoever
   * asks now.
   */
  adopt(allocation: Allocation): RecorderStanding;
  /** Idempotent. */
  release(recordId: string): void;
  /** Evidence against a recorder from a session of this call on it. The allocator decides what it means for the recorder. */
  reportFailure(recorder: string, reason: FailureReason, callId: string): void;
  /** Something may be wrong with it: it is to be asked at once. Nothing is held against one that answers. */
  doubt(recorder: string, reason: FailureReason): void;
  /** It did not take a session of this call. What that says of the recorder is the allocator's to judge. */
  reportNotTaken(recorder: string, why: SessionNotTaken, callId: string): void;
  /** From sessions that are over the allocator learns which recorders report, and how often. */
  noteReports(recorder: string, habit: ReportingHabit): void;
  /** A session was established on it. */
  reportSuccess(recorder: string): void;
  zoneOf(recorder: string): string | undefined;
  on<E extends keyof AllocatorEvents>(
    event: E,
    listener: (...args: AllocatorEvents[E]) => void,
  ): unknown;
}

export interface Participant {
  /** UUID; the same in every recording session of the call. */
  readonly participantId: string;
  readonly streamId: string;
  readonly aor: string;
  readonly name?: string;
}

/** What RFC 7865 metadata says of one communication session; identical in all of its recording sessions. */
export interface CommunicationSession {
  readonly callId: string;
  readonly sessionId: string;
  readonly groupId: string;
  readonly startedAt: number;
  readonly participants: Readonly<Record<Party, Participant>>;
}

export interface EstablishRequest {
  readonly recordId: string;
  readonly uri: string;
  readonly communicationSession: CommunicationSession;
  readonly streams: readonly RecordedStream[];
  /** Our side of the media, by party: what the SDP offer announces. */
  readonly local: Readonly<Record<Party, MediaAddress>>;
  readonly timeoutMs: number;
}

/** Recorder's media by party; a party is absent while the recorder wants none of it (inactive, port 0). */
export type RecorderMedia = Partial<Readonly<Record<Party, MediaAddress>>>;

export interface SessionEvents {
  /** The recorder changed its media: moved, or inactive to recvonly. */
  mediaChanged: [{ recordId: string; media: RecorderMedia }];
  /** The session is over, and not by us. */
  ended: [{ recordId: string; reason: FailureReason; detail?: string }];
}

/** The SRC. Errors: SESSION_REFUSED (details.status, details.retryAfterMs), SESSION_TIMEOUT, SESSION_TRANSPORT, SIPREC_INVALID. */
export interface SessionClient {
  establish(request: EstablishRequest, signal?: AbortSignal): Promise<{ media: RecorderMedia }>;
  /**
   * Goes on with what another process kept of a session: one that was established stands again, all else is undone.
   * @returns what the recorder was offered and takes; undefined: it does not stand
   * @throws TandemError when it is here already, or `kept` is nothing that can be gone on with
   */
  adopt(
    recordId: string,
    kept: object,
  ): { readonly media: RecorderMedia; readonly offered: readonly Party[] } | undefined;
  /** Streams as they now are (re-offer, codec change), or all `inactive` while paused. Resolves when the SRS has acknowledged. */
  update(
    recordId: string,
    change: { streams: readonly RecordedStream[]; paused: boolean },
  ): Promise<{ media: RecorderMedia }>;
  /** BYE. Idempotent; resolves when answered or given up. */
  end(recordId: string, reason?: string): Promise<void>;
  on<E extends keyof SessionEvents>(
    event: E,
    listener: (...args: SessionEvents[E]) => void,
  ): unknown;
}
