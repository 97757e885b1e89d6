import type { EdgeOptions, ForkReport, PortRemote, PortRoute, SocketAddress } from './types.ts';

/** What the edge says of itself to a control that has come. */
export interface HelloAnswer {
  readonly version: number;
  /** Of the process that has the packets: another one after it was killed. */
  readonly pid: number;
  /** Unix ms, on its own clock; the same after it was killed. */
  readonly startedAt: number;
  /** From the machine's monotonic clock to the edge's, in ms. */
  readonly clockOffsetMs: number;
  readonly threads: number;
  /** The file that its memory is in: see `EdgeView`. */
  readonly memory: string;
  /** By which this control comes back when the edge was killed: 64 bits, the lower half first. */
  readonly session: readonly [number, number];
  /** How many processes had the packets, that one included. */
  readonly starts: number;
}

/** All ports and forks that there are, whoever made them. */
export interface EdgeInventory {
  readonly ports: readonly PortInventory[];
  readonly forks: readonly ForkInventory[];
}

export interface PortInventory {
  readonly portId: number;
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  readonly ssrc: number;
  /** Absent before it was told. Clock rates of 8,000 Hz are left out. */
  readonly remote?: PortRemote;
  /** As it is now: one that goes around mediasoup by itself is a `bypass`. */
  readonly route: PortRoute;
}

export interface ForkInventory {
  readonly forkId: number;
  readonly portId: number;
  readonly streamIndex: number;
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  readonly state: ForkReport['state'];
}

/** Counts since the edge was started. */
export interface EdgeStatus {
  /** That came one after the other, this one included. */
  readonly controls: number;
  /** Connections of other users, refused. */
  readonly strangers: number;
  /** Connections that were closed for bytes that are no command. */
  readonly malformed: number;
  readonly droppedEvents: number;
}

export interface EdgeProcessOptions {
  /** `memoryFile` absent: a name in /dev/shm of its own, which goes with the edge. What a dead edge has left there is replaced. */
  readonly edge: EdgeOptions;
  /** Where its socket (`edge.sock`) and its log (`edge.log`) are. Made, for this user alone, when it is not there. */
  readonly stateDir: string;
  /** What no control adopts for so long ends: its calls, with RTCP BYE, and the edge. */
  readonly orphanMs: number;
  /** A thread of it that does not come round for so long hangs: it is killed, and goes on. Absent: 500. */
  readonly hangMs?: number;
  /** Of its threads, -20 before everything else; where the system allows it. */
  readonly nice?: number;
  /** The executable; absent: the one built beside the addon. */
  readonly program?: string;
  /** For tests: an order to open a port at this address kills the edge, as a defect in it would. */
  readonly fatalHost?: string;
  /** For tests: one at this address hangs its threads. */
  readonly hangHost?: string;
}
