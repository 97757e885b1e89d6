import type { RtcpPacket } from './capture-index.ts';
import { CaptureWriter } from './capture-writer.ts';
import type { Endpoints } from './endpoints.ts';
import type { InputFiles } from './input-files.ts';
import type { MergedStream } from './merged-stream.ts';
import type { PacketWindow } from './packet-window.ts';
import type { UnitedPacket, UnitedReader } from './united-reader.ts';

const PACKETS_A_STEP = 2_000;

export interface OutputStream {
  readonly stream: MergedStream;
  readonly readers: readonly UnitedReader[];
  /** In order of time. */
  readonly rtcp: readonly (RtcpPacket & { readonly input: number })[];
}

interface Head {
  readonly streamIndex: number;
  readonly between: Endpoints;
  readonly packets: Iterator<UnitedPacket, void>;
  packet: UnitedPacket;
}

/**
 * Pass 2: a k-way merge of the streams into one capture, by time across streams, by sequence within each. Holds one packet a
 * stream and two read windows of 32 KiB an input and stream, RTP and RTCP. Yields the sequence numbers that are done, now and then.
 */
export function* writeMerged(
  file: string,
  streams: readonly OutputStream[],
  files: InputFiles,
): Generator<number, void> {
  const writer = new CaptureWriter(
    file,
    streams.map(({ stream }) => stream.label),
  );
  try {
    const heads: Head[] = [];
    for (const [streamIndex, { stream, readers, rtcp }] of streams.entries()) {
      const { endpoints } = stream;
      for (const reader of readers) open(heads, streamIndex, endpoints, reader.packetsInOrder());
      open(heads, streamIndex, rtcpEndpoints(endpoints), rtcpPackets(rtcp, files));
    }
    let written = 0;
    while (heads.length > 0) {
      const head = heads.reduce((first, other) =>
        other.packet.at < first.packet.at ? other : first,
      );
      writer.write(head.streamIndex, head.packet.at, head.between, head.packet.bytes);
      const next = head.packets.next();
      if (next.done === true) heads.splice(heads.indexOf(head), 1);
      else head.packet = next.value;
      written += 1;
      if (written % PACKETS_A_STEP === 0) yield written;
    }
    writer.close();
  } finally {
    writer.close();
  }
}

function open(
  heads: Head[],
  streamIndex: number,
  between: Endpoints,
  packets: Iterator<UnitedPacket, void>,
): void {
  const first = packets.next();
  if (first.done !== true) heads.push({ streamIndex, between, packets, packet: first.value });
}

function* rtcpPackets(
  packets: OutputStream['rtcp'],
  files: InputFiles,
): Generator<UnitedPacket, void> {
  // Windows of this stream alone: its packet waits to be written while the other streams read theirs.
  const windows = new Map<number, PacketWindow>();
  for (const { input, place, at } of packets) {
    const window = windows.get(input) ?? files.window(input);
    windows.set(input, window);
    yield { sequence: 0, at, bytes: window.read(place) };
  }
}

/** RFC 3550 section 11: the next port. */
function rtcpEndpoints(endpoints: Endpoints): Endpoints {
  const next = (port: number) => Math.min(port + 1, 65_535);
  return {
    ...endpoints,
    sourcePort: next(endpoints.sourcePort),
    destinationPort: next(endpoints.destinationPort),
  };
}
