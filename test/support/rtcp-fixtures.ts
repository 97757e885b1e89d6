/** One packet of a compound (RFC 3550 section 6.4), cut where its length says. */
export function splitRtcp(compound: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < compound.length;) {
    const size = 4 + 4 * compound.readUInt16BE(at + 2);
    packets.push(compound.subarray(at, at + size));
    at += size;
  }
  return packets;
}

export const rtcpTypes = (compound: Buffer): number[] =>
  splitRtcp(compound).map((packet) => packet[1]!);

export interface ReportBlockFields {
  readonly ssrc: number;
  readonly fractionLost?: number;
  readonly cumulativeLost?: number;
  readonly highestSequence?: number;
  readonly jitter?: number;
  readonly lastSenderReport?: number;
  readonly delaySinceLast?: number;
}

function reportBlock(fields: ReportBlockFields): Buffer {
  const block = Buffer.alloc(24);
  block.writeUInt32BE(fields.ssrc, 0);
  block[4] = fields.fractionLost ?? 0;
  block.writeIntBE(fields.cumulativeLost ?? 0, 5, 3);
  block.writeUInt32BE(fields.highestSequence ?? 0, 8);
  block.writeUInt32BE(fields.jitter ?? 0, 12);
  block.writeUInt32BE(fields.lastSenderReport ?? 0, 16);
  block.writeUInt32BE(fields.delaySinceLast ?? 0, 20);
  return block;
}

function packet(type: number, count: number, body: Buffer): Buffer {
  const header = Buffer.from([0x80 | count, type, 0, 0]);
  header.writeUInt16BE(body.length / 4, 2);
  return Buffer.concat([header, body]);
}

export function receiverReport(sender: number, ...blocks: readonly ReportBlockFields[]): Buffer {
  const ssrc = Buffer.alloc(4);
  ssrc.writeUInt32BE(sender);
  return packet(201, blocks.length, Buffer.concat([ssrc, ...blocks.map(reportBlock)]));
}

export function senderReport(
  sender: number,
  timestamp: number,
  ...blocks: readonly ReportBlockFields[]
): Buffer {
  const info = Buffer.alloc(24);
  info.writeUInt32BE(sender, 0);
  info.writeUInt32BE(0xe000_0000, 4);
  info.writeUInt32BE(timestamp, 12);
  info.writeUInt32BE(10, 16);
  info.writeUInt32BE(1_600, 20);
  return packet(200, blocks.length, Buffer.concat([info, ...blocks.map(reportBlock)]));
}

export function sourceDescription(ssrc: number, cname: string): Buffer {
  const chunk = Buffer.alloc((4 + 2 + cname.length + 1 + 3) & ~3);
  chunk.writeUInt32BE(ssrc);
  chunk[4] = 1;
  chunk[5] = cname.length;
  chunk.write(cname, 6);
  return packet(202, 1, chunk);
}

export function bye(ssrc: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(ssrc);
  return packet(203, 1, body);
}
