/**
 * The words of the edge: what goes into the native addon and what comes out, as plain data. Ids are small integers
 * handed out by the edge. Times are Unix milliseconds (fractional: kernel receive time has nanoseconds) on a clock that is
 * read once, when the process starts, and runs monotonically from there: whoever sets the machine's clock moves none of them.
 *
 * An *extended sequence number* is `cycles << 16 | sequence`, counted from cycle 1 in the normalised stream, that is
 * after an SSRC change of the sender has been smoothed over. It fits a double for centuries.
 */

export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** What an edge that is gone left. */
export interface AdoptEdgeOptions {
  /** The path of its memory, as another process has it open. */
  readonly memory: string;
  /** Descriptors of its sockets, in any order; they are the edge's from then on. */
  readonly sockets: readonly number[];
}

export interface EdgeOptions {
  /** Edge threads. Every call lives on one of them, its shard. */
  readonly threads: number;
  /** Addresses that leg sockets bind to: at most one an address family. */
  readonly legHosts: readonly string[];
  /** Pinned ports, inclusive. RTP takes the even port of a pair, RTCP the odd one. */
  readonly ports: { readonly min: number; readonly max: number };
  /** What is kept of each stream: whichever bound is reached first. */
  readonly ring: { readonly seconds: number; readonly bytes: number };
  /** Pace of a fork that is behind, as a multiple of real time. */
  readonly catchUpRate: number;
  /** Between sender reports on a fork, and between receiver reports of a capture. */
  readonly rtcpIntervalMs: number;
  /** SDES CNAME (RFC 3550 6.5.1). */
  readonly cname: string;
  /** A new file for what it knows, on a file system in memory; it is not taken away at the end. Absent: memory without a name. */
  readonly memoryFile?: string;
}

/**
 * The address that was announced is taken whenever it sends. Others only while nothing is heard: `announced`: of the same IP address.
 * `any`: from wherever it comes first.
 */
export type LatchPolicy = 'announced' | 'any';

export interface OpenPortOptions {
  readonly shard: number;
  readonly host: string;
  readonly latch: LatchPolicy;
}

export interface OpenedPort {
  readonly portId: number;
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  /** The SSRC that this party's stream carries towards legs and mediasoup, whatever the party sends. */
  readonly ssrc: number;
}

/**
 * What the party's SDP says, as far as packets are concerned. Where another address is set (re-offer), the source so far is no longer
 * taken.
 */
export interface PortRemote {
  readonly rtp: SocketAddress;
  /** Equal to `rtp` when RTCP is muxed (RFC 5761). */
  readonly rtcp: SocketAddress;
  /** False while the party does not want media (hold, port 0). */
  readonly send: boolean;
  /** Clock rate by payload type number, for time across an SSRC change and for sender reports. */
  readonly clockRates: Readonly<Record<number, number>>;
}

/**
 * Where a port's ingress goes besides its forks. `direct`: to the other party bit for bit, RTCP untouched. `relay`: to
 * a mediasoup PlainTransport (RTCP muxed) at `to`; what that transport sends back leaves through this port to the party.
 * `bypass`: to the other party as mediasoup would carry it, so that the party hears one stream whichever way it comes.
 *
 * A `relay` whose `peerPortId` is given becomes a `bypass` by itself, for both ports, when packets of `payloadTypes` went in and
 * none came out for about 200 ms: it raises `relay-silent` and stands in `relayStalls` until it is routed anew.
 */
export type PortRoute =
  | { readonly kind: 'none' }
  | { readonly kind: 'direct'; readonly peerPortId: number }
  | {
      readonly kind: 'relay';
      readonly to: SocketAddress;
      readonly peerPortId?: number;
      /** What mediasoup was told of, and so forwards. */
      readonly payloadTypes?: readonly number[];
    }
  | { readonly kind: 'bypass'; readonly peerPortId: number };

export interface RoutedPort {
  readonly portId: number;
  readonly route: PortRoute;
}

/** A port that goes around mediasoup without having been told to. Times in Unix ms. */
export interface RelayStall {
  readonly portId: number;
  /** First packet that did not come back. */
  readonly since: number;
  readonly at: number;
}

/** Where a fork begins: at the next packet, at the oldest in the ring, or at an extended sequence number. */
export type ForkStart =
  | { readonly kind: 'live' }
  | { readonly kind: 'oldest' }
  | { readonly kind: 'sequence'; readonly sequence: number };

export interface AddForkOptions {
  readonly portId: number;
  /** Index of the stream in the call (party a: 0, b: 1): picks the shared leg socket. */
  readonly streamIndex: number;
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  readonly from: ForkStart;
  readonly paused: boolean;
  /** Of a paused one: what comes before this extended sequence number is sent still. 0, nothing, when absent. */
  readonly pausedFrom?: number;
  /** Never sent, however far behind it begins: counted as withheld. At most 64 ranges of extended sequence numbers. */
  readonly keptOut?: readonly { readonly first: number; readonly last: number }[];
}

/** Inclusive range of extended sequence numbers, with the receive times of its ends. */
export interface SequenceRange {
  readonly first: number;
  readonly last: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface SsrcChange {
  readonly at: number;
  readonly from: number;
  readonly to: number;
  /** First extended sequence number under the new SSRC. */
  readonly sequence: number;
}

/** Why a packet was not taken. `malformed_*` never came near the stream; the others were whole but not welcome. */
export type RefusalReason =
  | 'malformed_short'
  | 'malformed_version'
  | 'malformed_csrc'
  | 'malformed_extension'
  | 'malformed_padding'
  | 'malformed_rtcp'
  | 'oversize'
  | 'stranger'
  | 'second_source'
  | 'not_ready';

/**
 * Why mediasoup does not forward a packet that is recorded all the same: no payload; a payload type that was not negotiated;
 * after a gap of 3,000 sequence numbers it drops two packets.
 */
export type UnforwardedReason = 'empty' | 'payload_type' | 'gap';

/** What arrived at a port. Everything in the API about a party's media is derived from this. */
export interface StreamReport {
  readonly ssrc: number;
  /** SSRC the party itself uses now; undefined before the first packet. */
  readonly sourceSsrc?: number;
  readonly latched?: SocketAddress;
  readonly packets: number;
  readonly bytes: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly refused: Readonly<Partial<Record<RefusalReason, number>>>;
  /** Of `packets`, those that mediasoup does not forward to the other party. */
  readonly unforwarded?: Readonly<Partial<Record<UnforwardedReason, number>>>;
  /** Dropped by the kernel because the socket buffer was full (SO_RXQ_OVFL): lost in us. */
  readonly kernelDrops: number;
  /**
   * Received, in order, disjoint. At most 65,536: when more are needed the oldest are joined, `rangesJoined` counts it, and what
   * lies before `exactFrom` is known by its outline only.
   */
  readonly received: readonly SequenceRange[];
  readonly rangesJoined: number;
  /** First extended sequence number from which on `received` is exact; absent: all of it is. */
  readonly exactFrom?: number;
  /** Gaps in `received` that the kernel's drops at our own socket account for: lost in us. */
  readonly dropped: readonly SequenceRange[];
  /** At most the last 64. */
  readonly ssrcChanges: readonly SsrcChange[];
  readonly ssrcChangeCount: number;
  /** Media time of one packet, in milliseconds, from timestamps of neighbours; 20 before it is known. */
  readonly packetMs: number;
  readonly lastPayloadType?: number;
  /** Packets sent to the party through this port, and the sends that failed. */
  readonly egressPackets: number;
  readonly egressErrors: number;
  readonly lastEgressAt?: number;
  /** Oldest sequence still in the ring. */
  readonly ringFirst?: number;
}

/** Last report (RFC 3550 6.4.1, RFC 3611) of a recorder about one fork, judged by what was sent to it. */
export interface ReceiverReport {
  readonly at: number;
  /** Extended highest sequence number received, mapped into this stream's extended numbers. */
  readonly highestSequence: number;
  /**
   * 0..1 of the packets that were sent to it between the report before and this one. Gaps that the sender left are not in it, and
   * numbers that were sent twice count twice: not what the recorder's own arithmetic says.
   */
  readonly fractionLost: number;
  readonly jitterMs: number;
  readonly roundTripMs?: number;
  /** The recorder knew that nothing more would come (RTCP BYE): what is not counted in here was lost on the way. */
  readonly final?: boolean;
}

export interface ForkReport {
  readonly forkId: number;
  readonly state: 'catching-up' | 'live' | 'paused' | 'ended';
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly sendErrors: number;
  /** Handed to the kernel without error, in order, disjoint; same bound as `StreamReport.received`. */
  readonly sent: readonly SequenceRange[];
  /** Sent later than they arrived, out of the ring. Subset of `sent`. */
  readonly replayed: readonly SequenceRange[];
  /** Left the ring before this fork could send them: lost in us. */
  readonly overrun: readonly SequenceRange[];
  /** Not sent because the fork was paused. */
  readonly withheld: readonly SequenceRange[];
  /**
   * First ICMP refusal since the fork began that quoted this stream's SSRC and a packet sent a short while before; `sequence` is the
   * first packet that was refused. One that quotes less is in `ForkSigns.doubtedAt` only.
   */
  readonly refused?: { readonly at: number; readonly sequence: number; readonly count: number };
  /** The kernel does not take what is sent there (EPERM, ENETUNREACH, ...): from `sequence` on, until it takes a packet again. */
  readonly unsendable?: {
    readonly at: number;
    readonly sequence: number;
    readonly count: number;
    readonly errno: string;
  };
  readonly receiverReport?: ReceiverReport;
  readonly receiverReports: number;
  /** The recorder names what it received packet by packet (RTCP XR Loss RLE, RFC 3611 4.1): what it has reported on is exact. */
  readonly reportsRanges: boolean;
  /** Received by the recorder for sure: named by XR, or in an interval between receiver reports of which nothing was lost. */
  readonly confirmed: readonly SequenceRange[];
  /** Sent, and named by XR as not received. */
  readonly denied: readonly SequenceRange[];
  /**
   * Of numbers that were sent, reported on, and are in neither of the two: so many were lost on the way, as far as receiver reports
   * tell. Of a final report those behind its highest number are among them. Both 0 with XR.
   */
  readonly reportedLost: { readonly atLeast: number; readonly atMost: number };
}

/** What streams had so far, and what forks had that were removed at the same moment. */
export interface Stock {
  readonly streams: readonly StreamReport[];
  readonly forks: readonly ForkReport[];
}

/**
 * What is looked at often, of every fork: signs of life of its recorder. All that an event tells stands here too, for as long as it
 * is true: an event that was dropped is late, not lost. Times: 0 where there is none.
 */
export interface ForkSigns {
  readonly forkId: number;
  /** Of the last receiver report. Not those that say that nothing arrives though media is sent. */
  readonly reportedAt: number;
  readonly receiverReports: number;
  /** As in `ReceiverReport`, 0..1. */
  readonly fractionLost: number;
  /** Packets sent since that report; all, when there was none. */
  readonly sentSinceReport: number;
  /** Since when media is sent without a pause of more than a second. */
  readonly sendingSince: number;
  /** As in `ForkReport.refused`. */
  readonly refusedAt: number;
  /** Last ICMP error from the recorder's port that quoted too little, or something too old, to prove anything. */
  readonly doubtedAt: number;
  /** As in `ForkReport.unsendable`. */
  readonly unsendableAt: number;
  /** It is level with the stream. */
  readonly live: boolean;
  /** It was ended, and its recorder has reported all that it received. */
  readonly settled: boolean;
}

export type EdgeEvent =
  | { readonly type: 'latched'; readonly portId: number; readonly address: SocketAddress }
  | { readonly type: 'moved'; readonly portId: number; readonly address: SocketAddress }
  | {
      readonly type: 'ssrc-changed';
      readonly portId: number;
      readonly from: number;
      readonly to: number;
    }
  /** See `PortRoute`. */
  | { readonly type: 'relay-silent'; readonly portId: number; readonly at: number }
  /** ICMP said that the fork's port is closed. Raised once a fork. */
  | { readonly type: 'fork-refused'; readonly forkId: number; readonly at: number }
  /** A fork that was behind has reached the newest packet. */
  | { readonly type: 'fork-live'; readonly forkId: number }
  | { readonly type: 'fork-overrun'; readonly forkId: number; readonly packets: number }
  /** The recorder of a fork that was ended has reported all that it received. */
  | { readonly type: 'fork-ended'; readonly forkId: number }
  | { readonly type: 'capture-failed'; readonly captureId: number; readonly errno: string }
  /** Its file was deleted while it was written, and is there again with all that it held. */
  | { readonly type: 'capture-restored'; readonly captureId: number };

/** Where the sender's SDP says that it is; RTP from other IP addresses is refused when latch is `announced`. */
export interface CaptureRemote {
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  /** It asks to be told packet by packet what is received: RTCP XR, Loss RLE and Duplicate RLE (RFC 3611 4.1, 4.2). */
  readonly reportRanges?: boolean;
}

export interface CaptureStreamOptions {
  readonly remote: CaptureRemote;
  /** Written as the pcapng interface name. */
  readonly label: string;
  readonly clockRates: Readonly<Record<number, number>>;
}

export interface OpenCaptureOptions {
  /** Created exclusively; every packet is written as it arrives, in whole pcapng blocks. */
  readonly file: string;
  readonly host: string;
  readonly latch: LatchPolicy;
  /** Section header comment. */
  readonly comment: string;
  readonly streams: readonly CaptureStreamOptions[];
}

export interface OpenedCapture {
  readonly captureId: number;
  readonly streams: readonly { readonly rtp: SocketAddress; readonly rtcp: SocketAddress }[];
}

export interface CaptureReport {
  readonly captureId: number;
  readonly fileBytes: number;
  readonly failed?: string;
  /** How often somebody deleted the file and it was made again. */
  readonly restored: number;
  readonly streams: readonly {
    readonly label: string;
    readonly packets: number;
    readonly bytes: number;
    readonly rtcpPackets: number;
    readonly lostPackets: number;
    readonly ssrc?: number;
    readonly firstAt?: number;
    readonly lastAt?: number;
    readonly kernelDrops: number;
    readonly refused: Readonly<Partial<Record<RefusalReason, number>>>;
    /** Of these, packets of its SSRC that came from elsewhere after the last one that was taken. */
    readonly refusedAfterLast: number;
  }[];
}

/** Sums over all threads since the start; read at scrape. */
export interface EdgeCounters {
  readonly wakeups: number;
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsToParties: number;
  readonly packetsToRelay: number;
  readonly packetsFromRelay: number;
  readonly packetsToLegs: number;
  readonly rtcpIn: number;
  readonly rtcpOut: number;
  readonly icmpErrors: number;
  readonly sendErrors: number;
  readonly kernelDrops: number;
  readonly droppedEvents: number;
  readonly refused: Readonly<Partial<Record<RefusalReason, number>>>;
  readonly unforwarded: Readonly<Partial<Record<UnforwardedReason, number>>>;
  readonly ports: number;
  readonly forks: number;
  readonly captures: number;
}
