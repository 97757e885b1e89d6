import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** What a sender logged of one RTP packet; one JSON object a line in its log. */
export interface SenderLogEntry {
  readonly sequence: number;
  readonly timestamp: number;
  readonly payloadHash: string;
}

/** One RTP packet as tshark reads it. */
export interface CapturedRtp extends SenderLogEntry {
  readonly ssrc: number;
}

export function readSenderLog(file: string): SenderLogEntry[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SenderLogEntry);
}

/** All RTP of a capture file, in the order of the file, decoded by tshark. */
export function readRtpWithTshark(file: string): CapturedRtp[] {
  const fields = ['rtp.ssrc', 'rtp.seq', 'rtp.timestamp', 'rtp.payload'];
  const output = execFileSync(
    'tshark',
    [
      ...['-r', file, '-Y', 'rtp', '-T', 'fields', '-E', 'occurrence=f'],
      // Before tshark asks who else uses that port: ports here are whichever are free.
      ...['--enable-heuristic', 'rtp_udp', '-o', 'udp.try_heuristic_first:TRUE'],
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { encoding: 'utf8', maxBuffer: 512 * 1024 * 1024, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [ssrc = '', sequence = '', timestamp = '', payload = ''] = line.split('\t');
      return {
        ssrc: Number(ssrc),
        sequence: Number(sequence),
        timestamp: Number(timestamp),
        payloadHash: hashPayload(Buffer.from(payload.replaceAll(':', ''), 'hex')),
      };
    });
}

/** As senders log it: the first 64 bits of SHA-256. */
export function hashPayload(payload: Uint8Array): string {
  return createHash('sha256').update(payload).digest('hex').slice(0, 16);
}

export interface LegComparison {
  /** SSRCs under which the sender's packets were recorded. */
  readonly ssrcs: readonly number[];
  /** What was recorded of the sender, each packet once, by sequence. */
  readonly recorded: readonly CapturedRtp[];
  /** Payloads in the order of their sequence numbers equal those sent, leaving out what is missing. */
  readonly inOrder: boolean;
  /** Sequence numbers of the sender that no file holds. */
  readonly missing: readonly number[];
}

/**
 * A sender's log against all capture files of one leg. A packet is known by timestamp and payload, which nobody on the way
 * may change; SSRC and the beginning of the sequence may differ. For streams of less than 65,536 packets.
 */
export function compareLeg(
  sent: readonly SenderLogEntry[],
  files: readonly string[],
): LegComparison {
  const key = ({ timestamp, payloadHash }: SenderLogEntry) => `${timestamp} ${payloadHash}`;
  const place = new Map(sent.map((entry, index) => [key(entry), index]));
  const byPlace = new Map<number, CapturedRtp>();
  for (const packet of files.flatMap(readRtpWithTshark)) {
    const index = place.get(key(packet));
    if (index !== undefined) byPlace.set(index, packet);
  }
  const places = [...byPlace.keys()].sort((x, y) => x - y);
  const recorded = places.map((index) => byPlace.get(index)!);
  const inOrder = places.every((index, at) => {
    if (at === 0) return true;
    const before = places[at - 1]!;
    const recordedStep = (byPlace.get(index)!.sequence - byPlace.get(before)!.sequence) & 0xffff;
    const sentStep = (sent[index]!.sequence - sent[before]!.sequence) & 0xffff;
    return recordedStep === sentStep;
  });
  return {
    ssrcs: [...new Set(recorded.map(({ ssrc }) => ssrc))],
    recorded,
    inOrder,
    missing: sent.filter((_entry, index) => !byPlace.has(index)).map(({ sequence }) => sequence),
  };
}
