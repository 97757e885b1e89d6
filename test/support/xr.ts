/** RTCP XR (RFC 3611) read by hand, so that what reads it is not what wrote it. */

export interface RleBlock {
  readonly type: 'loss' | 'duplicate';
  readonly ssrc: number;
  readonly beginSeq: number;
  /** One past the last. */
  readonly endSeq: number;
  /** A bit for each number from `beginSeq`. */
  readonly bits: readonly boolean[];
}

const blockTypes = new Map([
  [1, 'loss'],
  [2, 'duplicate'],
] as const);

/** Loss RLE and Duplicate RLE blocks (sections 4.1 and 4.2) of an XR packet. Throws on anything that does not fit exactly. */
export function readRleBlocks(packet: Buffer): RleBlock[] {
  if (packet.readUInt8(0) !== 0x80 || packet.readUInt8(1) !== 207) throw new Error('no XR packet');
  if (4 + 4 * packet.readUInt16BE(2) !== packet.length) throw new Error('wrong packet length');
  const blocks: RleBlock[] = [];
  for (let at = 8; at < packet.length;) {
    const type = blockTypes.get(packet.readUInt8(at) as 1 | 2);
    const size = 4 + 4 * packet.readUInt16BE(at + 2);
    if (type === undefined || packet.readUInt8(at + 1) !== 0) throw new Error('unknown block');
    if (at + size > packet.length) throw new Error('block beyond packet');
    const [ssrc, beginSeq] = [packet.readUInt32BE(at + 4), packet.readUInt16BE(at + 8)];
    const endSeq = packet.readUInt16BE(at + 10);
    const bits = readChunks(packet.subarray(at + 12, at + size), (endSeq - beginSeq) & 0xffff);
    blocks.push({ type, ssrc, beginSeq, endSeq, bits });
    at += size;
  }
  return blocks;
}

function readChunks(chunks: Buffer, count: number): boolean[] {
  const bits: boolean[] = [];
  for (let at = 0; at < chunks.length; at += 2) {
    const chunk = chunks.readUInt16BE(at);
    if (chunk === 0 && at + 2 !== chunks.length) throw new Error('null chunk before the end');
    if (chunk !== 0 && bits.length >= count) throw new Error('more chunks than numbers');
    if ((chunk & 0x8000) === 0) {
      for (let run = chunk & 0x3fff; run > 0; run -= 1) bits.push((chunk & 0x4000) !== 0);
    } else {
      for (let bit = 14; bit >= 0; bit -= 1) bits.push((chunk & (1 << bit)) !== 0);
    }
  }
  if (bits.length < count) throw new Error('fewer bits than numbers');
  return bits.slice(0, count);
}

export type Chunk =
  { readonly run: number; readonly came: boolean } | { readonly bits: readonly boolean[] };

/** A Loss RLE block, put together by hand; `thinning` is T of section 4.1. */
export function lossRle(
  ssrc: number,
  begin: number,
  end: number,
  chunks: readonly Chunk[],
  thinning = 0,
): Buffer {
  const words = chunks.map((chunk) =>
    'run' in chunk
      ? (chunk.came ? 0x4000 : 0) | chunk.run
      : chunk.bits.reduce((bits, bit, index) => bits | (bit ? 0x4000 >> index : 0), 0x8000),
  );
  if (words.length % 2 !== 0) words.push(0);
  const block = Buffer.alloc(12 + 2 * words.length);
  block.writeUInt8(1, 0);
  block.writeUInt8(thinning, 1);
  block.writeUInt16BE(block.length / 4 - 1, 2);
  block.writeUInt32BE(ssrc, 4);
  block.writeUInt16BE(begin & 0xffff, 8);
  block.writeUInt16BE(end & 0xffff, 10);
  words.forEach((word, index) => block.writeUInt16BE(word, 12 + 2 * index));
  return block;
}

/** An XR packet of such blocks. */
export function extendedReport(sender: number, ...blocks: readonly Buffer[]): Buffer {
  const header = Buffer.from([0x80, 207, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(sender, 4);
  const packet = Buffer.concat([header, ...blocks]);
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  return packet;
}
