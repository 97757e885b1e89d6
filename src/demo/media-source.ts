import type { Party, Payload } from '../recording/interfaces.ts';

export interface ScheduledPacket {
  /** From the beginning of the call. */
  readonly dueMs: number;
  /** A whole RTP packet. */
  readonly bytes: Buffer;
}

/** What the two parties will send. */
export interface MediaSource {
  /** For people: the file it comes from and what it is. */
  readonly description: string;
  readonly durationMs: number;
  /** For the parties' SDP. */
  readonly payloads: readonly Payload[];
  /** In the order of sending. */
  readonly packets: Readonly<Record<Party, readonly ScheduledPacket[]>>;
}
