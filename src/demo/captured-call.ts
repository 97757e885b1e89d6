import { basename } from 'node:path';
import { TandemError } from '../errors.ts';
import { findDatagram } from '../recorder/datagram.ts';
import { CaptureFileReader } from '../recorder/pcap-reader.ts';
import type { Payload } from '../recording/interfaces.ts';
import { isRtcp, readRtpHeader } from '../rtp/header.ts';
import { staticPayload } from '../rtp/static-payloads.ts';
import type { MediaSource, ScheduledPacket } from './media-source.ts';

interface CapturedStream {
  readonly source: string;
  readonly destination: string;
  readonly packets: { at: number; payloadType: number; timestamp: number; bytes: Buffer }[];
}

/** Below this a "stream" is a stray datagram that looks like RTP. */
const packetsMin = 10;

/**
 * The two RTP streams of a captured call, with their own timing, SSRC, sequence and payload. The party that is heard first
 * is a. Errors: NOT_FOUND, INVALID_REQUEST.
 */
export function callFromCapture(file: string, seconds: number | undefined): MediaSource {
  const [one, two] = twoSides(readStreams(file));
  if (one === undefined || two === undefined) {
    throw new TandemError('INVALID_REQUEST', `${file}: no two RTP streams in it`);
  }
  const [a, b] = startOf(one) <= startOf(two) ? [one, two] : [two, one];
  const startAt = startOf(a);
  const limitMs = seconds === undefined ? Infinity : seconds * 1_000;
  const schedule = (stream: CapturedStream): ScheduledPacket[] =>
    stream.packets
      .map(({ at, bytes }) => ({ dueMs: at - startAt, bytes }))
      .filter(({ dueMs }) => dueMs < limitMs);
  const packets = { a: schedule(a), b: schedule(b) };
  const durationMs = Math.max(packets.a.at(-1)?.dueMs ?? 0, packets.b.at(-1)?.dueMs ?? 0) + 20;
  const payloads = payloadsOf([a, b]);
  const names = payloads.map(({ encodingName }) => encodingName).join(', ');
  return {
    description: `${basename(file)}, ${(durationMs / 1_000).toFixed(1)} s of ${names}, as captured`,
    durationMs,
    payloads,
    packets,
  };
}

function readStreams(file: string): CapturedStream[] {
  const streams = new Map<string, CapturedStream>();
  const reader = CaptureFileReader.open(file);
  try {
    for (const packet of reader.packets()) {
      const datagram = findDatagram(packet.data, packet.interface.linkType);
      if (datagram === undefined) continue;
      const bytes = packet.data.subarray(datagram.payloadStart, datagram.payloadEnd);
      const header = isRtcp(bytes) ? undefined : readRtpHeader(bytes);
      if (header === undefined) continue;
      const ipBytes = datagram.ipVersion === 4 ? 4 : 16;
      const address = (at: number, port: number) =>
        `${packet.data.toString('hex', at, at + ipBytes)}:${port}`;
      const source = address(datagram.sourceAt, datagram.sourcePort);
      const destination = address(datagram.destinationAt, datagram.destinationPort);
      const key = `${source} ${destination} ${header.ssrc}`;
      const stream = streams.get(key) ?? { source, destination, packets: [] };
      streams.set(key, stream);
      const { payloadType, timestamp } = header;
      stream.packets.push({ at: packet.at, payloadType, timestamp, bytes: Buffer.from(bytes) });
    }
  } finally {
    reader.close();
  }
  if (reader.problem !== undefined && streams.size === 0) {
    throw new TandemError('INVALID_REQUEST', reader.problem.reason);
  }
  return [...streams.values()].filter(({ packets }) => packets.length >= packetsMin);
}

/** The longest stream, and the one that answers it: the other way between the same hosts, or else the next longest. */
function twoSides(streams: CapturedStream[]): CapturedStream[] {
  const [longest, ...rest] = streams.sort((x, y) => y.packets.length - x.packets.length);
  if (longest === undefined) return [];
  const host = (address: string) => address.slice(0, address.lastIndexOf(':'));
  const back = rest.find(
    ({ source, destination }) =>
      (source === longest.destination && destination === longest.source) ||
      (host(source) === host(longest.destination) && host(destination) === host(longest.source)),
  );
  const other = back ?? rest.find(({ source }) => source !== longest.source) ?? rest[0];
  return other === undefined ? [longest] : [longest, other];
}

function startOf(stream: CapturedStream): number {
  return stream.packets[0]?.at ?? 0;
}

function payloadsOf(streams: readonly CapturedStream[]): Payload[] {
  const packets = streams.flatMap((stream) => stream.packets);
  const counts = new Map<number, number>();
  for (const { payloadType } of packets) {
    counts.set(payloadType, (counts.get(payloadType) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, x], [, y]) => y - x)
    .map(([payloadType]) => {
      const packetsOf = ({ packets: all }: CapturedStream) =>
        all.filter((one) => one.payloadType === payloadType);
      return staticPayload(payloadType) ?? dynamicPayload(payloadType, streams.map(packetsOf));
    });
}

/** The signalling that would name it was not captured: events are four bytes long, and 48 kHz means opus. */
function dynamicPayload(
  payloadType: number,
  streams: readonly CapturedStream['packets'][],
): Payload {
  const packets = streams.flat();
  if (packets.every(({ bytes }) => bytes.length === 16)) {
    return { payloadType, encodingName: 'telephone-event', clockRate: 8_000, channels: 1 };
  }
  const steps = streams
    .flatMap((stream) =>
      stream.slice(1).map(({ timestamp }, at) => timestamp - (stream[at]?.timestamp ?? 0)),
    )
    .sort((x, y) => x - y);
  const step = steps[Math.floor(steps.length / 2)] ?? 0;
  return step >= 480
    ? { payloadType, encodingName: 'opus', clockRate: 48_000, channels: 2 }
    : { payloadType, encodingName: 'iLBC', clockRate: 8_000, channels: 1 };
}
