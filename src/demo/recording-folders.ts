import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findDatagram } from '../recorder/datagram.ts';
import { CaptureFileReader } from '../recorder/pcap-reader.ts';
import type { LegState } from '../recording/call-state.ts';
import { isRtcp } from '../rtp/header.ts';
import { logPacket } from './packet-log.ts';
import type { LoggedPacket } from './packet-log.ts';

/** Also for the recorder that was killed: it is started again, and finishes what it had begun. */
const wholeMsMax = 30_000;
const pollMs = 100;

/** The folders of a leg's sessions, in order. */
export function foldersOf(dir: string, recording: LegState): string[] {
  return recording.sessions.map(({ recorder, recordId }) => join(dir, recorder, recordId));
}

/** Resolves to the folders that are not whole in the end. */
export async function waitUntilWhole(
  folders: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const endAt = performance.now() + wholeMsMax;
  for (;;) {
    const open = folders.filter((folder) => !isWhole(folder));
    if (open.length === 0 || performance.now() > endAt) return open;
    await delay(pollMs, undefined, { signal });
  }
}

function isWhole(folder: string): boolean {
  return ['media.pcapng', 'metadata.xml', 'recording.json'].every((name) =>
    existsSync(join(folder, name)),
  );
}

/** RTP of a session by SSRC, in the order of the file. Empty when there is no file. */
export function readSession(folder: string): Map<number, LoggedPacket[]> {
  const streams = new Map<number, LoggedPacket[]>();
  const file = join(folder, 'media.pcapng');
  if (!existsSync(file)) return streams;
  const reader = CaptureFileReader.open(file);
  try {
    for (const { data, interface: from } of reader.packets()) {
      const datagram = findDatagram(data, from.linkType);
      if (datagram === undefined) continue;
      const { payloadStart, payloadEnd } = datagram;
      if (isRtcp(data, payloadStart, payloadEnd)) continue;
      const packet = logPacket(data, payloadStart, payloadEnd);
      if (packet === undefined) continue;
      const stream = streams.get(packet.ssrc) ?? [];
      streams.set(packet.ssrc, stream);
      stream.push(packet);
    }
  } finally {
    reader.close();
  }
  return streams;
}
