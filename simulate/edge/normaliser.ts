import type { PartyPacket } from '../packet.ts';
import { extendNear } from '../packet.ts';

const firstCycle = 0x10000;
/** RFC 3550 appendix A.1: what lies between is reordering, or a gap. */
const dropoutMax = 3_000;
const misorderMax = 100;
const stragglerMs = 500;
/** A jump is a gap if twice the packets that fit into the silence explain it. */
const gapFactor = 2;

/** Packets of one SSRC that follow each other by number. */
interface Run {
  readonly ssrc: number;
  highestIn: number;
  readonly offset: number;
  lastAt: number;
}

export interface Placed {
  readonly extended: number;
  /** The sender's SSRC before this packet, if it changed. */
  readonly changedFrom?: number;
}

/**
 * One continuous stream out of what a sender sends: what the native edge's normaliser does, as far as numbers go. A packet that fits
 * nowhere is the next in the stream; the one after it tells whether the sender began anew with it.
 */
export class Normaliser {
  #current: Run | undefined;
  #previous: Run | undefined;
  #previousHighest = 0;
  #changedAt = 0;
  /** Left for a packet that nothing has confirmed yet. */
  #left: Run | undefined;
  /** By the sender's number, of the current run and those just before: what it said there, and its place. */
  readonly #recent = new Map<number, { readonly timestamp: number; readonly extended: number }>();
  #timestamp = 0;
  highest = 0;
  packetMs = 20;

  get started(): boolean {
    return this.#current !== undefined;
  }

  get sourceSsrc(): number | undefined {
    return this.#current?.ssrc;
  }

  place(packet: PartyPacket, now: number): Placed {
    const current = this.#current;
    if (current === undefined) {
      this.highest = firstCycle + packet.sequence - 1;
      this.#begin(packet, now);
      return { extended: this.#advance(packet, now) };
    }
    if (packet.ssrc !== current.ssrc) {
      if (this.#isStraggler(packet, now)) {
        const { offset } = this.#previous as Run;
        return { extended: extendNear(this.#previousHighest, (packet.sequence + offset) & 0xffff) };
      }
      this.#previous = current;
      this.#previousHighest = this.highest;
      this.#changedAt = now;
      this.#left = undefined;
      this.#recent.clear();
      this.#begin(packet, now);
      return { extended: this.#advance(packet, now), changedFrom: current.ssrc };
    }
    const known = this.#recent.get(packet.sequence);
    if (known !== undefined && this.highest - known.extended < misorderMax) {
      if (known.timestamp === packet.timestamp) return { extended: known.extended };
      return { extended: this.#restart(packet, now) };
    }
    const left = this.#left;
    if (left !== undefined && this.#fits(left, packet, now)) {
      const isCloser =
        Math.abs(distanceOf(left.highestIn, packet.sequence)) <
        Math.abs(distanceOf(current.highestIn, packet.sequence));
      if (isCloser) {
        // It was a stray: the stream goes on behind it as before.
        const offset = (this.highest - left.highestIn) & 0xffff;
        this.#current = { ...left, offset };
        this.#left = undefined;
        return { extended: this.#advance(packet, now) };
      }
    }
    if (!this.#fits(current, packet, now)) return { extended: this.#restart(packet, now) };
    this.#left = undefined;
    return { extended: this.#advance(packet, now) };
  }

  #begin(packet: PartyPacket, now: number): void {
    const highestIn = (packet.sequence - 1) & 0xffff;
    const offset = (this.highest - highestIn) & 0xffff;
    this.#current = { ssrc: packet.ssrc, highestIn, offset, lastAt: now };
  }

  #restart(packet: PartyPacket, now: number): number {
    this.#left = this.#current;
    this.#begin(packet, now);
    return this.#advance(packet, now);
  }

  #advance(packet: PartyPacket, now: number): number {
    const run = this.#current as Run;
    const extended = extendNear(this.highest, (packet.sequence + run.offset) & 0xffff);
    this.#recent.set(packet.sequence, { timestamp: packet.timestamp, extended });
    if (extended > this.highest) {
      const step = packet.timestamp - this.#timestamp;
      if (extended === this.highest + 1 && step > 0 && step <= 1_600) this.packetMs = step / 8;
      this.highest = extended;
      run.highestIn = packet.sequence;
      this.#timestamp = packet.timestamp;
      run.lastAt = now;
    }
    return extended;
  }

  #isStraggler(packet: PartyPacket, now: number): boolean {
    const previous = this.#previous;
    if (packet.ssrc !== previous?.ssrc || now - this.#changedAt > stragglerMs) return false;
    const distance = distanceOf(previous.highestIn, packet.sequence);
    return distance <= 0 && distance >= -misorderMax;
  }

  #fits(run: Run, packet: PartyPacket, now: number): boolean {
    const distance = distanceOf(run.highestIn, packet.sequence);
    if (distance < -misorderMax) return false;
    if (distance < dropoutMax) return true;
    return distance <= (gapFactor * (now - run.lastAt)) / this.packetMs + misorderMax;
  }
}

function distanceOf(from: number, to: number): number {
  return extendNear(0, (to - from) & 0xffff);
}
