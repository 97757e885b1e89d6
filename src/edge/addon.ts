import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readEnvironment } from '../config.ts';
import { messageOf, TandemError } from '../errors.ts';
import type {
  AddForkOptions,
  AdoptEdgeOptions,
  CaptureRemote,
  CaptureReport,
  EdgeCounters,
  EdgeEvent,
  EdgeOptions,
  ForkReport,
  LatchPolicy,
  OpenCaptureOptions,
  OpenedCapture,
  OpenedPort,
  OpenPortOptions,
  PortRemote,
  RelayStall,
  RoutedPort,
  SocketAddress,
  StreamReport,
  UnforwardedReason,
} from './types.ts';
import type { WithPackedRanges } from './packed-ranges.ts';

export type NativeStreamReport = WithPackedRanges<StreamReport>;
export type NativeForkReport = WithPackedRanges<ForkReport>;

export interface NativeStock {
  readonly streams: readonly NativeStreamReport[];
  readonly forks: readonly NativeForkReport[];
}

/** What is read out of shared memory; `EdgeReads` in edge-reads.ts says what each means. */
export interface NativeReads {
  relayAddress(shard: number): SocketAddress;
  legAddress(
    shard: number,
    streamIndex: number,
    family: number,
  ): { rtp: SocketAddress; rtcp: SocketAddress };
  relayStalls(): RelayStall[];
  /** Of each port its id, and when its newest packet came. */
  lastHeard(): Float64Array;
  streamReports(portIds: readonly number[]): NativeStreamReport[];
  sequencesAt(portIds: readonly number[], at: number): (number | undefined)[];
  forkReports(forkIds: readonly number[]): NativeForkReport[];
  /** Eleven numbers a fork, in the order of `ForkSigns`; truth is 1. */
  forkSigns(): Float64Array;
  counters(): EdgeCounters;
}

export interface NativeView extends NativeReads {
  startedAt(): number;
  close(): void;
}

/** What the addon's object offers; `Edge` in edge.ts says what each means. */
export interface NativeEdge extends NativeReads {
  takePrecedence(niceness: number): boolean;
  pickShard(): number;
  memoryPath(): string;
  openPort(options: OpenPortOptions): OpenedPort;
  setRemote(portId: number, remote: PortRemote): void;
  setRoutes(routes: readonly RoutedPort[]): void;
  closePort(portId: number): NativeStreamReport;
  takeStock(portIds: readonly number[], forkIds: readonly number[]): NativeStock;
  addForks(options: readonly AddForkOptions[]): number[];
  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): void;
  pauseFork(forkId: number, from: number): void;
  resumeFork(forkId: number): void;
  endForks(forkIds: readonly number[]): NativeForkReport[];
  removeForks(forkIds: readonly number[]): NativeForkReport[];
  openCapture(options: OpenCaptureOptions): OpenedCapture;
  setCaptureRemote(captureId: number, streamIndex: number, remote: CaptureRemote): void;
  closeCapture(captureId: number): CaptureReport;
  captureReport(captureId: number): CaptureReport;
  close(): void;
}

/** `at`: ms. */
export interface ReceptionStep {
  readonly at: number;
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
}

/** A report block (RFC 3550 section 6.4.1), the loss of all SSRCs so far, and what XR packets go with it (RFC 3611). */
export interface ReceptionTrace {
  readonly fractionLost: number;
  readonly cumulativeLost: number;
  readonly highestSequence: number;
  readonly jitter: number;
  readonly lost: number;
  readonly ranges: readonly Buffer[];
}

type Row = readonly number[];

/** Times in ms. `muxed`: RTCP that came on the RTP socket. */
export type PeerSourceStep =
  | { readonly kind: 'announce'; readonly rtp: SocketAddress; readonly rtcp: SocketAddress }
  | {
      readonly kind: 'rtp' | 'rtcp' | 'muxed';
      readonly from: SocketAddress;
      readonly at: number;
      /** Its SSRC is that of the stream, and its number the next one. */
      readonly stream: 'other' | 'same' | 'next';
    };

/** Values, those that were a mixture of two, those older than one that was read before, and the last one. */
export interface CellReadings {
  readonly readings: number;
  readonly mixed: number;
  readonly older: number;
  readonly last: number;
}

export interface NativeTables {
  /** Rows of ssrc, sequence, timestamp, arrival in ms, payload digest; back: extended number, timestamp, SSRC before or 0. */
  normalise(packets: readonly Row[]): [number, number, number][];
  /** Numbers that are added one after the other to at most `max` ranges. */
  ranges(
    max: number,
    numbers: Float64Array,
  ): {
    readonly list: [number, number][];
    readonly again: number;
    readonly joined: number;
    readonly exactFrom?: number;
  };
  /** Rows of a number and of when it came, in ms; back: rows of first, last, and when these came. */
  timedRanges(numbers: readonly Row[]): [number, number, number, number][];
  /** The same, shown in shared memory after each `every` of them; `wrong`: readers saw something else than there was. */
  sharedRanges(
    max: number,
    numbers: Float64Array,
    every: number,
  ): {
    readonly wrong: number;
    readonly ranges: number;
    /** Pieces of shared memory that hold it, and those that are left when all is given back. */
    readonly chunks: number;
    readonly left: number;
  };
  /** So many values are published by one thread while another one reads. */
  cell(values: number): CellReadings;
  /** The same, of which every third is shown. */
  stagedCell(values: number): CellReadings;
  /** A writer is stopped after each word; back: how often what it had published last could not be read then. */
  stoppedWrites(): number;
  /** What became of each packet, and where RTP and RTCP go then, as `ip:port`. */
  peerSource(latch: LatchPolicy, steps: readonly PeerSourceStep[]): [string, string, string][];
  /** Rows of an extended number and of what the kernel dropped before it; back: ranges that are missing by our fault. */
  dropped(rows: readonly Row[]): [number, number][];
  /** Rows of the machine's clock, the edge's, a stamp by the machine's, and when it came at the earliest: all in ms. */
  arrivals(rows: readonly Row[]): number[];
  /** Numbers sent, and numbers asked for: each with its time in ms. Back: which of these were sent a short while before. */
  recentlySent(sent: readonly Row[], asked: readonly Row[]): boolean[];
  /** Rows of how many forks are behind, and how many of them have their turn. Back: which, round by round. */
  paceRounds(rounds: readonly Row[]): number[][];
  /** Rows of a time in ms, the interval between reports, and a random number below 2^32. Back: when the next is due. */
  nextReports(rows: readonly Row[]): number[];
}

/** At `at` (ms) a packet is handed to mediasoup; or one comes back from it. */
export type RelayStep =
  | {
      readonly at: number;
      readonly sequence: number;
      readonly payloadType: number;
      readonly payloadBytes: number;
    }
  | { readonly back: true };

/** What has been said of that packet, and whether mediasoup counts as silent by then. */
export interface RelayTrace {
  readonly unforwarded: '' | UnforwardedReason;
  readonly silent: boolean;
}

/** What a recorder's reports prove, as far as they came. */
export interface ReportsTrace {
  /** Of the last receiver report that was believed, if there was one in that step. */
  readonly highest?: number;
  readonly fractionLost?: number;
  readonly isDeaf?: boolean;
  readonly reportsRanges: boolean;
  readonly confirmed: readonly (readonly [number, number])[];
  readonly denied: readonly (readonly [number, number])[];
  readonly atLeast: number;
  readonly atMost: number;
}

export interface Addon {
  /** @param clockOffset ms from the monotonic clock to the process's; the first edge of a process sets it */
  Edge: new (
    options: EdgeOptions | AdoptEdgeOptions,
    onEvent: (event: EdgeEvent) => void,
    clockOffset: number,
  ) => NativeEdge;
  /** Descriptors of this process for all UDP sockets that another one of this user has open. */
  socketsOf(pid: number): number[];
  EdgeView: new (path: string) => NativeView;
  takePrecedence(thread: number, niceness: number): boolean;
  /** For tests: what the addon sees when somebody sets the machine's clock by so many ms. */
  stepWallClock(ms: number): void;
  /** The pure parts of the packet path on tables of steps (native/src/tables.cc), for tests. */
  readonly tables: NativeTables;
  /** `processes.ts` says what these mean. */
  peerCredentials(fd: number): { readonly pid: number; readonly uid: number };
  lockFile(fd: number): number | undefined;
  notifyService(socket: string, state: string): void;
  /** The packet path's parsers on one datagram; true if it would have been taken. For fuzzing. */
  fuzzRtp(datagram: Uint8Array): boolean;
  fuzzRtcp(datagram: Uint8Array): boolean;
  /** What somebody says to the edge's process: true if all of it are commands. None is run. For fuzzing. */
  fuzzChannel(bytes: Uint8Array): boolean;
  /** Five bytes a change of an edge's memory, which is looked at then; true if a view of it is opened all the same. */
  fuzzMemory(changes: Uint8Array): boolean;
  /** Packets as a capture's stream takes them, and a report for each step that is none, or that must come before. For tests. */
  traceReception(
    steps: readonly (ReceptionStep | { readonly at: number })[],
    rangesBytesMax: number,
  ): ReceptionTrace[];
  /** Packets as mediasoup's path takes them, step by step. For tests. */
  traceRelay(steps: readonly RelayStep[], payloadTypes: readonly number[]): RelayTrace[];
  /**
   * Steps: an extended number that is sent, RTCP that comes back, or null, another receiver from there on. An account for each
   * RTCP. For tests.
   */
  traceReports(ssrc: number, steps: readonly (number | Buffer | null)[]): ReportsTrace[];
}

const builtAddonPath = fileURLToPath(
  new URL('../../native/build/Release/edge.node', import.meta.url),
);

/** The executable that is built beside the addon: the edge as a process of its own. */
export function edgeProgramPath(): string {
  return join(dirname(readEnvironment().edgeAddon ?? builtAddonPath), 'tandem-edge');
}

/** Loads the native addon: the one place that imports a .node file. Throws EDGE_FAILED with the path. */
export function loadAddon(addonPath = readEnvironment().edgeAddon ?? builtAddonPath): Addon {
  try {
    return createRequire(import.meta.url)(addonPath) as Addon;
  } catch (cause) {
    throw new TandemError(
      'EDGE_FAILED',
      `the edge addon cannot be loaded from ${addonPath}: ${messageOf(cause)}`,
      { cause, details: { addonPath } },
    );
  }
}
