import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { messageOf, TandemError } from '../errors.ts';

/**
 * Reads pcapng (draft-ietf-opsawg-pcapng) and classic pcap, of either byte order, from front to back through a small
 * buffer. What is whole before a damaged place is read; `problem` then says where and why it stopped.
 */

const CHUNK_BYTES = 262_144;
const BLOCK_BYTES_MAX = 4_194_304;

export interface CaptureInterface {
  readonly index: number;
  /** `''` when the file gives none. */
  readonly name: string;
  /** LINKTYPE_ number (tcpdump.org/linktypes.html). */
  readonly linkType: number;
}

export interface CapturedPacket {
  /** Unix ms. */
  readonly at: number;
  readonly interface: CaptureInterface;
  /** Where `data` begins in the file. */
  readonly dataOffset: number;
  /** Valid until the next packet is asked for. */
  readonly data: Buffer;
}

export interface CaptureProblem {
  /** Bytes of the file that are whole. */
  readonly offset: number;
  readonly reason: string;
}

interface TimedInterface extends CaptureInterface {
  readonly unitMs: number;
  readonly offsetMs: number;
}

export class CaptureFileReader {
  readonly #file: string;
  readonly #fd: number;
  readonly #size: number;
  #buffer = Buffer.alloc(CHUNK_BYTES);
  /** Unread bytes are `[#start, #end)` of the buffer; `#start` is `#offset` in the file. */
  #start = 0;
  #end = 0;
  #offset = 0;
  #problem: CaptureProblem | undefined;

  private constructor(file: string, fd: number, size: number) {
    this.#file = file;
    this.#fd = fd;
    this.#size = size;
  }

  /** @throws NOT_FOUND when it cannot be opened. */
  static open(file: string): CaptureFileReader {
    try {
      const fd = openSync(file, 'r');
      return new CaptureFileReader(file, fd, fstatSync(fd).size);
    } catch (cause) {
      throw new TandemError('NOT_FOUND', `${file}: ${messageOf(cause)}`, { cause });
    }
  }

  get sizeBytes(): number {
    return this.#size;
  }

  /** How far it has come, for a progress bar. */
  get offsetBytes(): number {
    return this.#offset;
  }

  /** Why it ended before the end of the file; known when `packets` is through. */
  get problem(): CaptureProblem | undefined {
    return this.#problem;
  }

  close(): void {
    closeSync(this.#fd);
  }

  *packets(): Generator<CapturedPacket, void> {
    const head = this.#peek(4);
    if (head === undefined) {
      this.#stop(this.#size === 0 ? 'empty file' : 'not a capture file');
      return;
    }
    const magic = head.readUInt32BE(0);
    if (magic === 0x0a0d0d0a) yield* this.#packetsOfPcapng();
    else if (magic === 0xa1b2c3d4) yield* this.#packetsOfPcap(false, 1e-3);
    else if (magic === 0xd4c3b2a1) yield* this.#packetsOfPcap(true, 1e-3);
    else if (magic === 0xa1b23c4d) yield* this.#packetsOfPcap(false, 1e-6);
    else if (magic === 0x4d3cb2a1) yield* this.#packetsOfPcap(true, 1e-6);
    else this.#stop('neither pcapng nor pcap');
  }

  *#packetsOfPcap(little: boolean, unitMs: number): Generator<CapturedPacket, void> {
    const header = this.#take(24);
    if (header === undefined) return;
    const linkType = u32(header, 20, little) & 0x0fffffff;
    const only: CaptureInterface = { index: 0, name: '', linkType };
    for (;;) {
      if (this.#atEnd()) return;
      const record = this.#peek(16);
      const length = record === undefined ? 0 : u32(record, 8, little);
      if (length > BLOCK_BYTES_MAX) {
        this.#stop(`packet of ${String(length)} bytes`);
        return;
      }
      const data = this.#take(16 + length);
      if (data === undefined) return;
      const at = u32(data, 0, little) * 1_000 + u32(data, 4, little) * unitMs;
      const dataOffset = this.#offset - length;
      yield { at, interface: only, dataOffset, data: data.subarray(16) };
    }
  }

  *#packetsOfPcapng(): Generator<CapturedPacket, void> {
    let little = true;
    let interfaces: TimedInterface[] = [];
    for (;;) {
      if (this.#atEnd()) return;
      const head = this.#peek(12);
      if (head === undefined) {
        this.#stop('cut off inside a block');
        return;
      }
      const isSection = head.readUInt32BE(0) === 0x0a0d0d0a;
      if (isSection) {
        const byteOrder = head.readUInt32BE(8);
        if (byteOrder !== 0x1a2b3c4d && byteOrder !== 0x4d3c2b1a) {
          this.#stop('section without byte-order magic');
          return;
        }
        little = byteOrder === 0x4d3c2b1a;
        interfaces = [];
      }
      const type = u32(head, 0, little);
      const length = u32(head, 4, little);
      if (length < 12 || length % 4 !== 0 || length > BLOCK_BYTES_MAX) {
        this.#stop(`block of ${String(length)} bytes`);
        return;
      }
      const block = this.#take(length);
      if (block === undefined) return;
      if (u32(block, length - 4, little) !== length) {
        this.#offset -= length;
        this.#stop('block whose two lengths differ');
        return;
      }
      if (type === 1) interfaces.push(readInterface(block, little, interfaces.length));
      const blockOffset = this.#offset - length;
      const packet = readPacketBlock(block, blockOffset, type, little, interfaces);
      if (packet !== undefined) yield packet;
    }
  }

  #atEnd(): boolean {
    return this.#start === this.#end && this.#offset >= this.#size;
  }

  #stop(reason: string): void {
    this.#problem = { offset: this.#offset, reason: `${this.#file}: ${reason}` };
  }

  #take(length: number): Buffer | undefined {
    const bytes = this.#peek(length);
    if (bytes === undefined) {
      this.#stop('cut off inside a block');
      return undefined;
    }
    this.#start += length;
    this.#offset += length;
    return bytes;
  }

  #peek(length: number): Buffer | undefined {
    if (this.#end - this.#start < length) this.#fill(length);
    if (this.#end - this.#start < length) return undefined;
    return this.#buffer.subarray(this.#start, this.#start + length);
  }

  #fill(length: number): void {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    // A fresh buffer: a packet handed out before may still be looked at.
    const next = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, length));
    rest.copy(next);
    this.#buffer = next;
    this.#start = 0;
    this.#end = rest.length;
    while (this.#end < next.length) {
      const at = this.#offset + this.#end;
      if (at >= this.#size) return;
      const count = readSync(this.#fd, next, this.#end, next.length - this.#end, at);
      if (count === 0) return;
      this.#end += count;
    }
  }
}

function readInterface(block: Buffer, little: boolean, index: number): TimedInterface {
  let name = '';
  let unitMs = 1e-3;
  let offsetMs = 0;
  let at = 16;
  while (at + 4 <= block.length - 4) {
    const code = u16(block, at, little);
    const length = u16(block, at + 2, little);
    const value = block.subarray(at + 4, Math.min(at + 4 + length, block.length - 4));
    if (code === 0 || value.length < length) break;
    if (code === 2) name = value.toString('utf8').replace(/\0+$/, '');
    if (code === 9 && length >= 1) {
      const resolution = value.readUInt8(0);
      const base = (resolution & 0x80) === 0 ? 10 : 2;
      unitMs = 1_000 * base ** -(resolution & 0x7f);
    }
    if (code === 14 && length >= 8) {
      offsetMs = 1_000 * Number(little ? value.readBigInt64LE(0) : value.readBigInt64BE(0));
    }
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return { index, name, linkType: u16(block, 8, little), unitMs, offsetMs };
}

/** Enhanced packet block (6) or the obsolete packet block (2). */
function readPacketBlock(
  block: Buffer,
  blockOffset: number,
  type: number,
  little: boolean,
  interfaces: readonly TimedInterface[],
): CapturedPacket | undefined {
  if ((type !== 6 && type !== 2) || block.length < 32) return undefined;
  const from = interfaces[type === 6 ? u32(block, 8, little) : u16(block, 8, little)];
  const length = u32(block, 20, little);
  if (from === undefined || 28 + length > block.length - 4) return undefined;
  const high = u32(block, 12, little);
  const low = u32(block, 16, little);
  return {
    at: high * 4_294_967_296 * from.unitMs + low * from.unitMs + from.offsetMs,
    interface: from,
    dataOffset: blockOffset + 28,
    data: block.subarray(28, 28 + length),
  };
}

function u16(buffer: Buffer, at: number, little: boolean): number {
  return little ? buffer.readUInt16LE(at) : buffer.readUInt16BE(at);
}

function u32(buffer: Buffer, at: number, little: boolean): number {
  return little ? buffer.readUInt32LE(at) : buffer.readUInt32BE(at);
}
