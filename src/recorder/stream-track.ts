import { Unwrapper } from '../rtp/unwrapper.ts';
import { GapList } from './gap-list.ts';

/** A gap in sequence numbers of more than this is a new start of the sender, unless time passed alike (RFC 3550 A.1). */
const DROPOUT_PACKETS_MAX = 3_000;
/** How far timestamp and receive time may step apart before it is a break. A replay out of a ring stays below. */
const STEP_APART_MS_MAX = 15_000;
/** The least delayed packet of this long a beginning tells when a segment began; later ones would add clock drift. */
const ANCHOR_MS = 30_000;
const DEFAULT_PACKET_MS = 20;

export interface TrackedPacket {
  readonly at: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly clockRate: number;
}

/** A run of packets on one RTP time line. */
export interface Segment {
  readonly clockRate: number;
  readonly firstAt: number;
  /** Extended timestamp that stands for `originMs`. */
  readonly origin: number;
  lowest: number;
  highest: number;
  /** Wall-clock time of `origin`, by the least delayed packet: Unix ms. */
  originMs: number;
  /** The same by the sender's own report, where there is one. */
  reportedOriginMs: number | undefined;
}

export interface Placed {
  readonly kind: 'next' | 'late' | 'duplicate';
  readonly segment: Segment;
  readonly segmentIndex: number;
  /** Extended numbers. A new start of the sender is a new run: numbers compare only within one. */
  readonly sequence: number;
  readonly timestamp: number;
}

/**
 * Follows one SSRC in order of receipt: extended numbers, what is missing, and the time lines its packets lie on. The
 * same packets always give the same result, so that a second pass over a file finds what the first one found.
 */
export class StreamTrack {
  readonly segments: Segment[] = [];
  readonly gaps = new GapList();
  packets = 0;
  duplicates = 0;
  late = 0;
  /** A sender that began its numbers anew. */
  restarts = 0;
  #sequences = new Unwrapper(16);
  #timestamps = new Unwrapper(32);
  #lowest = 0;
  #last: { at: number; sequence: number; timestamp: number } | undefined;
  #packetMs = DEFAULT_PACKET_MS;

  push(packet: TrackedPacket): Placed {
    const last = this.#last;
    if (last === undefined || !this.#continues(packet, last)) return this.#begin(packet);
    const sequence = this.#sequences.unwrap(packet.sequence);
    if (sequence <= last.sequence) return this.#late(packet, sequence);
    const before = last.timestamp;
    const timestamp = this.#timestamps.peek(packet.timestamp);
    const ahead = sequence - last.sequence;
    const stepMs = ((timestamp - before) * 1_000) / packet.clockRate;
    const broken =
      this.segments.at(-1)?.clockRate !== packet.clockRate ||
      stepMs < -1_000 ||
      stepMs > packet.at - last.at + ahead * 200 + STEP_APART_MS_MAX;
    if (ahead === 1 && stepMs > 0 && stepMs <= 200) this.#packetMs = stepMs;
    if (ahead > 1) {
      const packetMs = this.#packetMs;
      this.gaps.add({ first: last.sequence + 1, last: sequence - 1, at: last.at, packetMs });
    }
    if (broken) return this.#segment(packet, sequence);
    this.#timestamps.unwrap(packet.timestamp);
    return this.#place('next', packet, sequence, timestamp);
  }

  /** NTP and RTP timestamp of a sender report: the same instant. */
  report(ntpMs: number, timestamp: number): void {
    const segment = this.segments.at(-1);
    if (segment === undefined || segment.reportedOriginMs !== undefined) return;
    const extended = this.#timestamps.peek(timestamp);
    segment.reportedOriginMs = ntpMs - ((extended - segment.origin) * 1_000) / segment.clockRate;
  }

  #continues(packet: TrackedPacket, last: { at: number; timestamp: number }): boolean {
    const highest = this.#sequences.highest ?? 0;
    const ahead = this.#sequences.peek(packet.sequence) - highest;
    if (Math.abs(ahead) <= DROPOUT_PACKETS_MAX) return true;
    const step = this.#timestamps.peek(packet.timestamp) - last.timestamp;
    const apartMs = (step * 1_000) / packet.clockRate - (packet.at - last.at);
    return ahead > 0 && Math.abs(apartMs) <= 2_000;
  }

  #begin(packet: TrackedPacket): Placed {
    if (this.#last !== undefined) this.restarts += 1;
    this.#sequences = new Unwrapper(16);
    const sequence = this.#sequences.unwrap(packet.sequence);
    this.#lowest = sequence;
    return this.#segment(packet, sequence);
  }

  #segment(packet: TrackedPacket, sequence: number): Placed {
    this.#timestamps = new Unwrapper(32);
    const timestamp = this.#timestamps.unwrap(packet.timestamp);
    this.segments.push({
      clockRate: packet.clockRate,
      firstAt: packet.at,
      origin: timestamp,
      lowest: timestamp,
      highest: timestamp,
      originMs: packet.at,
      reportedOriginMs: undefined,
    });
    return this.#place('next', packet, sequence, timestamp);
  }

  #late(packet: TrackedPacket, sequence: number): Placed {
    const timestamp = this.#timestamps.peek(packet.timestamp);
    if (sequence < this.#lowest) {
      // Older than the first: what lies between is missing now.
      const packetMs = this.#packetMs;
      if (sequence + 1 < this.#lowest) {
        this.gaps.add({ first: sequence + 1, last: this.#lowest - 1, at: packet.at, packetMs });
      }
      this.#lowest = sequence;
    } else if (!this.gaps.fill(sequence)) {
      this.duplicates += 1;
      return this.#placed('duplicate', sequence, timestamp);
    }
    this.late += 1;
    return this.#place('late', packet, sequence, timestamp);
  }

  #place(
    kind: 'next' | 'late',
    packet: TrackedPacket,
    sequence: number,
    timestamp: number,
  ): Placed {
    const placed = this.#placed(kind, sequence, timestamp);
    const { segment } = placed;
    this.packets += 1;
    if (kind === 'next') this.#last = { at: packet.at, sequence, timestamp };
    segment.lowest = Math.min(segment.lowest, timestamp);
    segment.highest = Math.max(segment.highest, timestamp);
    if (packet.at - segment.firstAt <= ANCHOR_MS) {
      const originMs = packet.at - ((timestamp - segment.origin) * 1_000) / segment.clockRate;
      segment.originMs = Math.min(segment.originMs, originMs);
    }
    return placed;
  }

  #placed(kind: Placed['kind'], sequence: number, timestamp: number): Placed {
    const segmentIndex = this.segments.length - 1;
    const segment = this.segments[segmentIndex];
    if (segment === undefined) throw new Error('a packet was placed before the first segment');
    return { kind, segment, segmentIndex, sequence, timestamp };
  }
}
