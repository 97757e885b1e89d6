import { Unwrapper } from '../rtp/unwrapper.ts';
import type { LoggedPacket } from './packet-log.ts';

/** One leg's recording of one party, held against the party's own log of what it sent. */
export interface RecordingComparison {
  /** Distinct packets in all of the leg's sessions. */
  readonly packets: number;
  /** Sent, but in none of the sessions. */
  readonly missing: number;
  /** Recorded with another timestamp, payload type or payload than it was sent with. */
  readonly differing: number;
  /** Recorded, but never sent. */
  readonly foreign: number;
  /** Stands in a session after a packet that was sent later. */
  readonly misplaced: number;
}

/**
 * @param sent in the order of sending
 * @param sessions one list of the party's packets for each session of the leg, in the order of its file. Sequence numbers
 *   keep their distances but not their beginning.
 */
export function compareRecording(
  sent: readonly LoggedPacket[],
  sessions: readonly (readonly LoggedPacket[])[],
): RecordingComparison {
  const sentUnwrapper = new Unwrapper(16);
  const sentBySequence = new Map<number, LoggedPacket>();
  for (const packet of sent) sentBySequence.set(sentUnwrapper.unwrap(packet.sequence), packet);
  const sequences = [...sentBySequence.keys()];
  const sentInOrder = sequences.every(
    (sequence, at) => at === 0 || sequence > (sequences[at - 1] ?? 0),
  );

  const unwrapper = new Unwrapper(16);
  const unwrapped = sessions.map((packets) =>
    packets.map((packet) => ({ packet, sequence: unwrapper.unwrap(packet.sequence) })),
  );
  const distance = sequenceDistance(sentBySequence, unwrapped.flat());

  let differing = 0;
  let misplaced = 0;
  const recorded = new Set<number>();
  const foreign = new Set<number>();
  for (const packets of unwrapped) {
    let newest = -Infinity;
    for (const { packet, sequence } of packets) {
      const original = sentBySequence.get(sequence - distance);
      if (original === undefined) foreign.add(sequence);
      else if (identity(original) !== identity(packet)) differing += 1;
      recorded.add(sequence);
      if (sequence < newest && sentInOrder) misplaced += 1;
      newest = Math.max(newest, sequence);
    }
  }
  const missing = sequences.filter((sequence) => !recorded.has(sequence + distance)).length;
  return { packets: recorded.size, missing, differing, foreign: foreign.size, misplaced };
}

/** How many packets of `one` are not, with the same SSRC, sequence, timestamp and payload, in `other`. */
export function countNotIn(one: readonly LoggedPacket[], other: readonly LoggedPacket[]): number {
  const key = (packet: LoggedPacket) =>
    `${packet.ssrc} ${packet.sequence} ${packet.timestamp} ${packet.payloadHash}`;
  const known = new Set(other.map(key));
  return one.filter((packet) => !known.has(key(packet))).length;
}

/** What a party heard of the other. SSRC, sequence and timestamp may have been rewritten on the way; payloads may not. */
export interface HearingComparison {
  readonly heard: number;
  readonly missing: number;
  /** Received, but not sent by the other, or not in this order. */
  readonly foreign: number;
}

const lookAheadMax = 1_000;

export function compareHearing(
  sent: readonly LoggedPacket[],
  received: readonly LoggedPacket[],
): HearingComparison {
  let at = 0;
  let heard = 0;
  for (const { payloadHash } of received) {
    const end = Math.min(sent.length, at + lookAheadMax);
    let found = at;
    while (found < end && sent[found]?.payloadHash !== payloadHash) found += 1;
    if (found === end) continue;
    heard += 1;
    at = found + 1;
  }
  return { heard, missing: sent.length - heard, foreign: received.length - heard };
}

/** How many of a recorded stream's packets are this party's: tells which stream is whose. */
export function countKnown(
  sent: readonly LoggedPacket[],
  recorded: readonly LoggedPacket[],
): number {
  const known = new Set(sent.map(identity));
  return recorded.filter((packet) => known.has(identity(packet))).length;
}

function identity({ timestamp, payloadType, payloadHash }: LoggedPacket): string {
  return `${timestamp} ${payloadType} ${payloadHash}`;
}

/** From a sent packet's extended sequence number to its recorded one, by a packet that is like no other. */
function sequenceDistance(
  sent: ReadonlyMap<number, LoggedPacket>,
  recorded: readonly { packet: LoggedPacket; sequence: number }[],
): number {
  const byIdentity = new Map<string, number | undefined>();
  for (const [sequence, packet] of sent) {
    const key = identity(packet);
    byIdentity.set(key, byIdentity.has(key) ? undefined : sequence);
  }
  for (const { packet, sequence } of recorded) {
    const original = byIdentity.get(identity(packet));
    if (original !== undefined) return sequence - original;
  }
  return 0;
}
