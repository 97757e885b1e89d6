import { createRequire } from 'node:module';

interface NodeRtpPacket {
  type: number;
  seq: number;
  time: number;
  source: number;
  packet: Buffer;
}

// An encoder that is not ours. Its package has no working entry point, and it uses the deprecated Buffer constructor.
process.noDeprecation = true;
const { RtpPacket } = createRequire(import.meta.url)('node-rtp/lib/RtpPacket.js') as {
  RtpPacket: new (payload: Buffer) => NodeRtpPacket;
};

export interface RtpFields {
  readonly sequence: number;
  readonly timestamp?: number;
  readonly ssrc?: number;
  readonly payloadType?: number;
  readonly payload?: Buffer;
}

/** One packet; by default 20 ms of PCMU whose payload says its sequence number. */
export function rtp(fields: RtpFields): Buffer {
  const payload = fields.payload ?? Buffer.alloc(160, fields.sequence & 0xff);
  const packet = new RtpPacket(payload);
  packet.type = fields.payloadType ?? 0;
  packet.seq = fields.sequence & 0xffff;
  packet.time = fields.timestamp ?? (fields.sequence * 160) >>> 0;
  packet.source = fields.ssrc ?? 0x1234_5678;
  return Buffer.from(packet.packet);
}

/** `count` packets in order from `first`. */
export function rtpRun(first: number, count: number, fields: Partial<RtpFields> = {}): Buffer[] {
  return Array.from({ length: count }, (_, i) => rtp({ ...fields, sequence: first + i }));
}

export const sequenceOf = (packet: Buffer): number => packet.readUInt16BE(2);
export const timestampOf = (packet: Buffer): number => packet.readUInt32BE(4);
export const ssrcOf = (packet: Buffer): number => packet.readUInt32BE(8);
