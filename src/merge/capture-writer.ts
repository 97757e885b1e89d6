import { closeSync, openSync, writeSync } from 'node:fs';
import type { Endpoints } from './endpoints.ts';

/** pcapng (draft-ietf-opsawg-pcapng) of raw IP, one interface per stream, as a recorder writes it; times in microseconds. */

const BUFFER_BYTES = 262_144;
const DATAGRAM_BYTES_MAX = 65_535;
const LINKTYPE_RAW = 101;
const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const UDP = 17;
const TTL = 64;

export class CaptureWriter {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES + DATAGRAM_BYTES_MAX + 128);
  #used = 0;
  #isClosed = false;

  /** @param names of the interfaces, in order */
  constructor(file: string, names: readonly string[]) {
    this.#fd = openSync(file, 'wx');
    this.#block(SECTION_HEADER, [
      u32(0x1a2b3c4d),
      u32(1),
      // Section length: not given.
      u32(0xffff_ffff),
      u32(0xffff_ffff),
      option(4, 'tandem merge'),
      u32(0),
    ]);
    for (const name of names) {
      const head = [u32(LINKTYPE_RAW), u32(0)];
      this.#block(INTERFACE_DESCRIPTION, [...head, option(2, name), u32(0)]);
    }
  }

  /** @param at Unix ms */
  write(index: number, at: number, between: Endpoints, payload: Buffer): void {
    const ipBytes = between.ipVersion === 4 ? 20 : 40;
    const size = Math.min(ipBytes + 8 + payload.length, DATAGRAM_BYTES_MAX);
    const padded = Math.ceil(size / 4) * 4;
    const total = 32 + padded;
    const buffer = this.#buffer;
    let to = this.#used;
    const micros = Math.round(at * 1_000);
    const high = Math.floor(micros / 2 ** 32);
    for (const word of [ENHANCED_PACKET, total, index, high, micros - high * 2 ** 32, size, size]) {
      to = buffer.writeUInt32LE(word, to);
    }
    const packet = buffer.subarray(to, to + padded);
    packet.fill(0, 0, ipBytes + 8);
    packet.fill(0, size);
    payload.copy(packet, ipBytes + 8);
    writeHeaders(packet.subarray(0, size), between, ipBytes);
    this.#used = buffer.writeUInt32LE(total, to + padded);
    if (this.#used >= BUFFER_BYTES) this.#flush();
  }

  /** Writes what is left. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#flush();
    } finally {
      closeSync(this.#fd);
    }
  }

  #block(type: number, parts: readonly Buffer[]): void {
    const body = Buffer.concat(parts);
    const total = u32(12 + body.length);
    const block = Buffer.concat([u32(type), total, body, total]);
    this.#used += block.copy(this.#buffer, this.#used);
    if (this.#used >= BUFFER_BYTES) this.#flush();
  }

  #flush(): void {
    let written = 0;
    while (written < this.#used) {
      written += writeSync(this.#fd, this.#buffer, written, this.#used - written);
    }
    this.#used = 0;
  }
}

/** IPv4 or IPv6, and UDP, around a payload that is in place, with right checksums. */
function writeHeaders(packet: Buffer, between: Endpoints, ipBytes: number): void {
  const udpBytes = packet.length - ipBytes;
  if (between.ipVersion === 4) {
    packet.writeUInt16BE(0x4500, 0);
    packet.writeUInt16BE(packet.length, 2);
    packet.writeUInt16BE(0x4000, 6);
    packet.writeUInt8(TTL, 8);
    packet.writeUInt8(UDP, 9);
    between.source.copy(packet, 12);
    between.destination.copy(packet, 16);
    packet.writeUInt16BE(checksum(sum16(packet, 0, 20, 0)), 10);
  } else {
    packet.writeUInt16BE(0x6000, 0);
    packet.writeUInt16BE(udpBytes, 4);
    packet.writeUInt8(UDP, 6);
    packet.writeUInt8(TTL, 7);
    between.source.copy(packet, 8);
    between.destination.copy(packet, 24);
  }
  packet.writeUInt16BE(between.sourcePort, ipBytes);
  packet.writeUInt16BE(between.destinationPort, ipBytes + 2);
  packet.writeUInt16BE(udpBytes, ipBytes + 4);
  // The pseudo header: addresses, protocol and length.
  const addresses = sum16(packet, between.ipVersion === 4 ? 12 : 8, ipBytes, UDP + udpBytes);
  const value = checksum(sum16(packet, ipBytes, packet.length, addresses));
  packet.writeUInt16BE(value === 0 ? 0xffff : value, ipBytes + 6);
}

function sum16(buffer: Buffer, start: number, end: number, from: number): number {
  let sum = from;
  let at = start;
  for (; at + 1 < end; at += 2) sum += ((buffer[at] ?? 0) << 8) + (buffer[at + 1] ?? 0);
  return at < end ? sum + ((buffer[at] ?? 0) << 8) : sum;
}

function checksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

/** Names come from the inputs: their length is bounded. */
function option(code: number, text: string): Buffer {
  const value = Buffer.from(text).subarray(0, 255);
  const buffer = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  buffer.writeUInt16LE(code, 0);
  buffer.writeUInt16LE(value.length, 2);
  value.copy(buffer, 4);
  return buffer;
}
