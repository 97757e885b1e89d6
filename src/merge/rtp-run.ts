import { SequenceTable } from './sequence-table.ts';

/** Further from the newest packet than this, a number needs its timestamp to vouch for it (RFC 3550 A.1). */
const DROPOUT_PACKETS_MAX = 3_000;
/** After such a silence the numbers may have gone round: 65,536 packets of 5 ms last 5 minutes. */
const SILENCE_MS = 120_000;
/** Copies of one packet in one file that are kept for comparison. */
const COPIES_MAX = 8;
const CYCLE = 65_536;
/** A hole longer than this many cycles (15 days of 20 ms packets) is a new start. */
const CYCLES_MAX = 1_000;
const DEFAULT_STEP = 160;
const DEFAULT_PACKET_MS = 20;
/** Receive time and timestamp of a hole may be that far apart, or by a tenth: a replay comes late. */
const HOLE_APART_MS = 15_000;

export interface IndexedPacket {
  /** Unix ms. */
  readonly at: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payloadType: number;
  readonly payloadBytes: number;
  readonly place: number;
}

export interface PayloadTypeUse {
  packets: number;
  payloadBytesMax: number;
}

/** The packets of one SSRC in one capture whose numbers continue each other, by extended sequence number. */
export class RtpRun {
  /** The packets, then second copies, third copies, ... */
  readonly layers: SequenceTable[] = [new SequenceTable()];
  readonly payloadTypes = new Map<number, PayloadTypeUse>();
  first = Infinity;
  last = -Infinity;
  packets = 0;
  copies = 0;
  /** Copies beyond those that are kept. */
  uncompared = 0;
  firstAt = Infinity;
  lastAt = -Infinity;
  #newest: number | undefined;
  #newestTimestamp = 0;
  #newestAt = 0;
  #step = DEFAULT_STEP;
  #stepVotes = 0;

  /** Timestamp units of most packets. */
  get step(): number {
    return this.#step;
  }

  /** False when the packet does not continue this run. */
  offer(packet: IndexedPacket): boolean {
    const sequence = this.#place(packet);
    if (sequence === undefined) return false;
    const newest = this.#newest;
    if (newest === undefined || sequence > newest) {
      const timestampStep = signed32(packet.timestamp - this.#newestTimestamp);
      if (newest !== undefined && sequence === newest + 1) this.#vote(timestampStep);
      this.#newest = sequence;
      this.#newestTimestamp = packet.timestamp;
      this.#newestAt = packet.at;
    }
    this.#keep(sequence, packet);
    return true;
  }

  #place(packet: IndexedPacket): number | undefined {
    const newest = this.#newest;
    // From cycle 1 on, so that what is a little older stays above zero.
    if (newest === undefined) return CYCLE + packet.sequence;
    const nearest = newest + (((packet.sequence - newest) << 16) >> 16);
    const near = Math.abs(nearest - newest) <= DROPOUT_PACKETS_MAX;
    if (near && packet.at - this.#newestAt < SILENCE_MS) return nearest;
    // By its timestamp the packet is so far on; the numbers of the right cycle say nearly the same.
    const ahead = signed32(packet.timestamp - this.#newestTimestamp) / this.#step;
    const cycles = Math.round((newest + ahead - nearest) / CYCLE);
    const candidate = nearest + cycles * CYCLE;
    const apart = Math.abs(candidate - newest - ahead);
    const isPlausible =
      Math.abs(cycles) <= CYCLES_MAX &&
      apart <= Math.min(5_000, Math.max(200, 0.01 * Math.abs(ahead))) &&
      this.#tookAsLong(packet.at, candidate - newest);
    if (isPlausible) return candidate > 0 ? candidate : undefined;
    return near ? nearest : undefined;
  }

  /** A damaged packet's numbers may agree with each other by chance, but not with the clock. */
  #tookAsLong(at: number, packets: number): boolean {
    const spanMs = this.#newestAt - this.firstAt;
    const numbers = (this.#newest ?? 0) - this.first;
    const packetMs = numbers > 0 && spanMs > 0 ? spanMs / numbers : DEFAULT_PACKET_MS;
    const expectedMs = packets * packetMs;
    const apartMs = Math.abs(at - this.#newestAt - expectedMs);
    return apartMs <= Math.max(HOLE_APART_MS, 0.1 * Math.abs(expectedMs));
  }

  #keep(sequence: number, { at, place, payloadType, payloadBytes }: IndexedPacket): void {
    this.first = Math.min(this.first, sequence);
    this.last = Math.max(this.last, sequence);
    this.firstAt = Math.min(this.firstAt, at);
    this.lastAt = Math.max(this.lastAt, at);
    const use = this.payloadTypes.get(payloadType) ?? { packets: 0, payloadBytesMax: 0 };
    this.payloadTypes.set(payloadType, use);
    use.packets += 1;
    use.payloadBytesMax = Math.max(use.payloadBytesMax, payloadBytes);
    for (const [layer, table] of this.layers.entries()) {
      if (!table.add(sequence, place, at)) continue;
      if (layer === 0) this.packets += 1;
      else this.copies += 1;
      return;
    }
    this.copies += 1;
    if (this.layers.length > COPIES_MAX) {
      this.uncompared += 1;
      return;
    }
    const table = new SequenceTable();
    table.add(sequence, place, at);
    this.layers.push(table);
  }

  /** Majority vote (Boyer and Moore): digits, pauses and odd frames do not win. */
  #vote(step: number): void {
    if (step <= 0) return;
    if (step === this.#step) this.#stepVotes += 1;
    else if (this.#stepVotes > 0) this.#stepVotes -= 1;
    else {
      this.#step = step;
      this.#stepVotes = 1;
    }
  }
}

/** The shorter way round a 32-bit counter. */
export function signed32(difference: number): number {
  return difference | 0;
}
