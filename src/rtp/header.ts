/**
 * RFC 3550 section 5.1.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *     |                           timestamp                           |
 *     |           synchronization source (SSRC) identifier            |
 *     |            contributing source (CSRC) identifiers             |
 *     |      extension: profile       |      length in 32-bit words   |
 */

const FIXED_BYTES = 12;

export interface RtpHeader {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** Payload without header, extension and padding, as offsets into the buffer that was read. */
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

export interface RtpHeaderFields {
  readonly payloadType: number;
  readonly marker?: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
}

/** Undefined when it is not RTP: too short, not version 2, or a CSRC list, extension or padding that runs past the end. */
export function readRtpHeader(
  buffer: Buffer,
  start = 0,
  end: number = buffer.length,
): RtpHeader | undefined {
  if (end - start < FIXED_BYTES) return undefined;
  const first = buffer.readUInt8(start);
  if (first >> 6 !== 2) return undefined;
  const second = buffer.readUInt8(start + 1);
  let payloadStart = start + FIXED_BYTES + 4 * (first & 0x0f);
  let payloadEnd = end;
  if ((first & 0x10) !== 0) {
    if (payloadStart + 4 > end) return undefined;
    payloadStart += 4 + 4 * buffer.readUInt16BE(payloadStart + 2);
  }
  if (payloadStart > end) return undefined;
  if ((first & 0x20) !== 0) {
    const padding = buffer.readUInt8(end - 1);
    if (padding === 0 || padding > end - payloadStart) return undefined;
    payloadEnd -= padding;
  }
  return {
    payloadType: second & 0x7f,
    marker: (second & 0x80) !== 0,
    sequence: buffer.readUInt16BE(start + 2),
    timestamp: buffer.readUInt32BE(start + 4),
    ssrc: buffer.readUInt32BE(start + 8),
    payloadStart,
    payloadEnd,
  };
}

/** A packet with the plain 12-byte header. */
export function writeRtpPacket(fields: RtpHeaderFields, payload: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(FIXED_BYTES + payload.length);
  packet.writeUInt8(0x80, 0);
  packet.writeUInt8((fields.marker === true ? 0x80 : 0) | (fields.payloadType & 0x7f), 1);
  packet.writeUInt16BE(fields.sequence & 0xffff, 2);
  packet.writeUInt32BE(fields.timestamp >>> 0, 4);
  packet.writeUInt32BE(fields.ssrc >>> 0, 8);
  packet.set(payload, FIXED_BYTES);
  return packet;
}

/** Tells RTCP from RTP on any port by the second byte: RTCP packet types are 192 to 223 (RFC 5761 section 4). */
export function isRtcp(buffer: Buffer, start = 0, end: number = buffer.length): boolean {
  if (end - start < 4 || buffer.readUInt8(start) >> 6 !== 2) return false;
  const type = buffer.readUInt8(start + 1);
  return type >= 192 && type <= 223;
}
