import { writeFileSync } from 'node:fs';

/** Writes capture files packet by packet, as a test says: receive times, interfaces, order. */

export interface WrittenPacket {
  /** Unix ms. */
  readonly at: number;
  /** Index into the interfaces. */
  readonly from: number;
  /** UDP payload. */
  readonly payload: Buffer;
}

const LINKTYPE_RAW = 101;

/** One section, an interface for each name, nanosecond times. */
export function writePcapng(
  file: string,
  interfaces: readonly string[],
  packets: readonly WrittenPacket[],
): void {
  const section = Buffer.alloc(16);
  section.writeUInt32LE(0x1a2b3c4d, 0);
  section.writeUInt16LE(1, 4);
  section.writeBigInt64LE(-1n, 8);
  const blocks = [block(0x0a0d0d0a, section)];
  for (const name of interfaces) {
    const fixed = Buffer.alloc(8);
    fixed.writeUInt16LE(LINKTYPE_RAW, 0);
    blocks.push(
      block(1, Buffer.concat([fixed, option(2, Buffer.from(name)), option(9, Buffer.of(9)), end])),
    );
  }
  for (const { at, from, payload } of packets) {
    const data = udpPacket(payload, 5_000 + 2 * from);
    const fixed = Buffer.alloc(20);
    const nanoseconds = BigInt(Math.round(at * 1_000)) * 1_000n;
    fixed.writeUInt32LE(from, 0);
    fixed.writeUInt32LE(Number(nanoseconds >> 32n), 4);
    fixed.writeUInt32LE(Number(nanoseconds & 0xffffffffn), 8);
    fixed.writeUInt32LE(data.length, 12);
    fixed.writeUInt32LE(data.length, 16);
    blocks.push(block(6, Buffer.concat([fixed, padded(data)])));
  }
  writeFileSync(file, Buffer.concat(blocks));
}

const end = Buffer.alloc(4);

function option(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, padded(value)]);
}

function block(type: number, body: Buffer): Buffer {
  const length = 12 + body.length;
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(length, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(length, 0);
  return Buffer.concat([head, body, tail]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** IPv4 and UDP around a payload; checksums are left zero. */
export function udpPacket(payload: Buffer, port: number): Buffer {
  const head = Buffer.alloc(28);
  head.writeUInt8(0x45, 0);
  head.writeUInt16BE(28 + payload.length, 2);
  head.writeUInt8(64, 8);
  head.writeUInt8(17, 9);
  head.set([127, 0, 0, 1], 12);
  head.set([127, 0, 0, 1], 16);
  head.writeUInt16BE(4_000, 20);
  head.writeUInt16BE(port, 22);
  head.writeUInt16BE(8 + payload.length, 24);
  return Buffer.concat([head, payload]);
}
