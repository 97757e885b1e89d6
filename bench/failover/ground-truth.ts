import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findDatagram } from '../../src/recorder/datagram.ts';
import { CaptureFileReader } from '../../src/recorder/pcap-reader.ts';
import { MEDIA_FILE, MEDIA_PARTIAL_FILE } from '../../src/recorder/session-file.ts';
import type { SentLog } from './sent-log.ts';

/** Where one recording session's file is, and whose it is. */
export interface SessionFile {
  readonly recordingsDir: string;
  readonly recordId: string;
  /** Position of the call: its parties' streams are 2n and 2n + 1. */
  readonly call: number;
  readonly leg: 1 | 2;
}

/** What of the streams of one leg is in the files of its sessions. */
export interface LegFiles {
  /** By party: first arrival at any recorder by number, Unix ms; NaN: in none of the files. */
  readonly arrivedAt: readonly [Float64Array, Float64Array];
}

export interface FilesRead {
  readonly legs: ReadonlyMap<string, LegFiles>;
  readonly read: number;
  readonly packets: number;
  readonly damagedPackets: number;
  readonly foreignPackets: number;
  readonly cut: number;
}

const RTP_HEADER_BYTES = 12;
const MARK_BYTES = 16;
const fillers = Array.from({ length: 256 }, (_, value) => Buffer.alloc(1_400, value));

export function legKey(call: number, leg: 1 | 2): string {
  return `${call}/${leg}`;
}

/** Reads the files of all sessions, and unites those of each leg packet by packet. */
export function readFiles(sessions: readonly SessionFile[], log: SentLog): FilesRead {
  const legs = new Map<string, LegFiles>();
  const totals = { read: 0, packets: 0, damagedPackets: 0, foreignPackets: 0, cut: 0 };
  for (const session of sessions) {
    const { call, leg } = session;
    const key = legKey(call, leg);
    const known = legs.get(key);
    const files: LegFiles = known ?? {
      arrivedAt: [emptyLike(log, 2 * call), emptyLike(log, 2 * call + 1)],
    };
    legs.set(key, files);
    const count = readSession(session, files);
    if (count === undefined) continue;
    totals.read += 1;
    totals.packets += count.packets;
    totals.damagedPackets += count.damaged;
    totals.foreignPackets += count.foreign;
    totals.cut += count.cut ? 1 : 0;
  }
  return { legs, ...totals };
}

/** When each packet of a stream came to the recorder of one session, by number; NaN: it is not in its file. */
export function readArrivals(session: SessionFile, log: SentLog, party: 0 | 1): Float64Array {
  const { call } = session;
  const files: LegFiles = { arrivedAt: [emptyLike(log, 2 * call), emptyLike(log, 2 * call + 1)] };
  readSession(session, files);
  return files.arrivedAt[party];
}

function emptyLike(log: SentLog, stream: number): Float64Array {
  return new Float64Array(log.sentAt[stream]?.length ?? 0).fill(NaN);
}

interface Count {
  packets: number;
  damaged: number;
  foreign: number;
  cut: boolean;
}

/** Undefined when the recorder has no media file of that session: it was never established. */
function readSession(session: SessionFile, files: LegFiles): Count | undefined {
  const folder = join(session.recordingsDir, session.recordId);
  const file = [MEDIA_FILE, MEDIA_PARTIAL_FILE]
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
  if (file === undefined) return undefined;
  const reader = CaptureFileReader.open(file);
  const count: Count = { packets: 0, damaged: 0, foreign: 0, cut: false };
  try {
    for (const packet of reader.packets()) {
      const datagram = findDatagram(packet.data, packet.interface.linkType);
      if (datagram === undefined) count.foreign += 1;
      else {
        const rtp = packet.data.subarray(datagram.payloadStart, datagram.payloadEnd);
        take(rtp, packet.at, session.call, files, count);
      }
    }
  } finally {
    reader.close();
  }
  count.cut = reader.problem !== undefined;
  return count;
}

/** The payload says which packet it is: bench/native/packet.h. */
function take(rtp: Buffer, at: number, call: number, files: LegFiles, count: Count): void {
  if (rtp.length < RTP_HEADER_BYTES + MARK_BYTES || rtp[0]! >> 6 !== 2) {
    // Receiver reports and BYEs are short, too.
    if (!isRtcp(rtp)) count.foreign += 1;
    return;
  }
  if (isRtcp(rtp)) return;
  let start = RTP_HEADER_BYTES + 4 * (rtp[0]! & 0x0f);
  if ((rtp[0]! & 0x10) !== 0) start += 4 + 4 * rtp.readUInt16BE(start + 2);
  const stream = rtp.readUInt32LE(start);
  const number = rtp.readUInt32LE(start + 4);
  const filler = rtp.subarray(start + MARK_BYTES);
  const arrivedAt = files.arrivedAt[(stream % 2) as 0 | 1];
  if (stream >> 1 !== call) {
    count.foreign += 1;
  } else if (!filler.equals(fillers[fillerOf(stream, number)]!.subarray(0, filler.length))) {
    count.damaged += 1;
  } else {
    count.packets += 1;
    // Sent later than what counts: not in the table.
    if (number < arrivedAt.length && !(arrivedAt[number]! <= at)) arrivedAt[number] = at;
  }
}

/** RFC 5761 section 4. */
function isRtcp(packet: Buffer): boolean {
  const type = packet[1] ?? 0;
  return type >= 192 && type <= 223;
}

function fillerOf(stream: number, number: number): number {
  return ((Math.imul(stream, 2_654_435_761) + Math.imul(number, 40_503)) >>> 8) & 0xff;
}
