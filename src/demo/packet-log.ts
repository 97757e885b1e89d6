import { createHash } from 'node:crypto';
import { readRtpHeader } from '../rtp/header.ts';

/** One RTP packet, as far as a comparison needs it. */
export interface LoggedPacket {
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly payloadType: number;
  /** First 64 bits of SHA-256, in hex. */
  readonly payloadHash: string;
}

/** Undefined when it is not RTP. */
export function logPacket(bytes: Buffer, start = 0, end = bytes.length): LoggedPacket | undefined {
  const header = readRtpHeader(bytes, start, end);
  if (header === undefined) return undefined;
  const { ssrc, sequence, timestamp, payloadType, payloadStart, payloadEnd } = header;
  const payloadHash = createHash('sha256')
    .update(bytes.subarray(payloadStart, payloadEnd))
    .digest('hex')
    .slice(0, 16);
  return { ssrc, sequence, timestamp, payloadType, payloadHash };
}
