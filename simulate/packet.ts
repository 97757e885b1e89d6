import type { SocketAddress } from '../src/edge/types.ts';
import type { Range } from '../src/rtp/ranges.ts';

/** What a party says in one packet. */
export interface PartyPacket {
  readonly ssrc: number;
  /** 16 bits. */
  readonly sequence: number;
  /** RTP units. */
  readonly timestamp: number;
  readonly payloadType: number;
  /** Which packet of the party it is, whatever its numbers say: copies of one packet have the same. */
  readonly id: number;
}

/** One copy on its way to a recorder. */
export interface LegPacket {
  readonly kind: 'rtp';
  readonly ssrc: number;
  readonly sequence: number;
  /** Of the edge: what the simulation compares by, and no recorder looks at. */
  readonly extended: number;
  readonly id: number;
}

export interface SenderReport {
  readonly kind: 'sr';
  readonly ssrc: number;
  /** Compact NTP time. */
  readonly stamp: number;
  readonly bye: boolean;
}

/** Of a recorder about one stream. */
export interface RecorderReport {
  readonly kind: 'rr';
  readonly ssrc: number;
  /** The low 16 bits of the highest number received. */
  readonly highestSequence: number;
  readonly cumulativeLost: number;
  /** Stamp of the last sender report; 0: none. */
  readonly lastSenderReport: number;
  /** RTCP XR: from `begin` on, `received` of them came; offsets from `begin`. Absent: receiver report alone. */
  readonly ranges?: {
    readonly begin: number;
    readonly numbers: number;
    readonly received: readonly Range[];
  };
}

export type MediaMessage = LegPacket | SenderReport | RecorderReport;

export function keyOf({ ip, port }: SocketAddress): string {
  return `${ip} ${port}`;
}

/** The number nearest to `near` whose low 16 bits are `low`. */
export function extendNear(near: number, low: number): number {
  const distance = (low - near) & 0xffff;
  return near + (distance >= 0x8000 ? distance - 0x10000 : distance);
}
