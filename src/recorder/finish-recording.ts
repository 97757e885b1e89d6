import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CaptureReport } from '../edge/types.ts';
import { messageOf } from '../errors.ts';
import { MediaScan } from './media-scan.ts';
import type { ScannedStream } from './media-scan.ts';
import { CaptureFileReader } from './pcap-reader.ts';
import type { CaptureProblem } from './pcap-reader.ts';
import {
  MEDIA_FILE,
  MEDIA_PARTIAL_FILE,
  RECORDING_FILE,
  SESSION_PARTIAL_FILE,
  WAV_FILE,
  writeWhole,
} from './session-file.ts';
import type { SessionDescription } from './session-file.ts';
import { makeWav } from './make-wav.ts';
import type { WavResult } from './make-wav.ts';
import { recordingVerdict, streamVerdict } from './verdict.ts';
import type { RecordingFacts, StreamFacts } from './verdict.ts';

export interface FinishRequest {
  readonly folder: string;
  readonly session: SessionDescription;
  /** Unix ms. */
  readonly endedAt: number;
  readonly endReason: string;
  /** The capture stopped before the session did: the errno. */
  readonly captureFailed?: string;
  /** What the edge took; absent after a crash. */
  readonly capture?: CaptureReport;
}

const gapsShownMax = 1_000;

/**
 * Makes a session's folder whole: the capture under its final name, the WAV, and `recording.json`, last. May be called
 * again after a crash at any point.
 */
export function finishRecording(request: FinishRequest): void {
  const { folder, session } = request;
  // Somebody may have taken it away.
  mkdirSync(folder, { recursive: true });
  const partial = join(folder, MEDIA_PARTIAL_FILE);
  const media = join(folder, MEDIA_FILE);
  if (existsSync(partial)) renameSync(partial, media);
  const scan = new MediaScan(session.streams);
  const problem = existsSync(media) ? scanThrough(media, scan) : undefined;
  const wav = wavOf(media, folder, session, scan);
  const facts = factsOf(request, scan, problem !== undefined);
  const declined = session.declined ?? [];
  const document = {
    recordId: session.recordId,
    recorder: session.recorder,
    sessionId: session.sessionId,
    sipCallId: session.sipCallId,
    source: session.source,
    startedAt: new Date(session.startedAt).toISOString(),
    endedAt: new Date(request.endedAt).toISOString(),
    endReason: request.endReason,
    durationMs: durationMsOf(request, scan),
    streams: session.streams.map(({ label, party, epochs }, index) => {
      const { refused, kernelDrops } = request.capture?.streams[index] ?? {};
      return {
        label,
        party,
        epochs,
        verdict: streamVerdict(facts.streams[index] as StreamFacts, facts.damaged),
        ...describe(scan.streams[index] as ScannedStream),
        ...(refused === undefined ? {} : { refused, kernelDrops }),
      };
    }),
    ...(declined.length === 0
      ? {}
      : { notRecorded: declined.map((one) => ({ ...one, at: new Date(one.at).toISOString() })) }),
    capture: {
      file: MEDIA_FILE,
      bytes: existsSync(media) ? statSync(media).size : 0,
      ...(problem === undefined ? {} : { problem }),
      ...(request.captureFailed === undefined ? {} : { failed: request.captureFailed }),
      ...((request.capture?.restored ?? 0) === 0 ? {} : { restored: request.capture?.restored }),
    },
    wav,
    verdict: recordingVerdict(facts),
  };
  writeWhole(join(folder, RECORDING_FILE), `${JSON.stringify(document, null, 2)}\n`);
  rmSync(join(folder, SESSION_PARTIAL_FILE), { force: true });
}

function factsOf(request: FinishRequest, scan: MediaScan, damaged: boolean): RecordingFacts {
  const { session, capture, captureFailed } = request;
  return {
    captureFailed,
    damaged,
    streams: session.streams.map(({ label, inactive }, index) => {
      const scanned = scan.streams[index] as ScannedStream;
      return {
        label,
        packets: scanned.rtpPackets,
        lostMs: lostMsOf(scanned),
        inactive: inactive === true,
        taken: capture?.streams[index],
      };
    }),
    declined: (session.declined ?? [])
      .filter(({ mediaType }) => mediaType === 'audio')
      .map(({ label }) => label),
  };
}

/** By the clock that nobody sets, where it is known; by the times in the capture after a crash. */
function durationMsOf({ capture }: FinishRequest, scan: MediaScan): number {
  const firsts = capture?.streams.flatMap(({ firstAt }) => firstAt ?? []) ?? [];
  const lasts = capture?.streams.flatMap(({ lastAt }) => lastAt ?? []) ?? [];
  const ms =
    firsts.length > 0
      ? Math.max(...lasts) - Math.min(...firsts)
      : scan.lastAt - (scan.firstAt ?? scan.lastAt);
  return Math.max(0, Math.round(ms));
}

function scanThrough(media: string, scan: MediaScan): CaptureProblem | undefined {
  const reader = CaptureFileReader.open(media);
  try {
    const packets = scan.packets(reader);
    while (packets.next().done !== true);
    return reader.problem;
  } finally {
    reader.close();
  }
}

function wavOf(
  media: string,
  folder: string,
  session: SessionDescription,
  scan: MediaScan,
): WavResult {
  try {
    return makeWav(media, join(folder, WAV_FILE), session.streams, scan);
  } catch (error) {
    return { file: null, reason: messageOf(error) };
  }
}

function lostMsOf({ tracks }: ScannedStream): number {
  return [...tracks.values()].reduce((sum, { gaps }) => sum + gaps.lostMs, 0);
}

function describe({ tracks, encodings, rtcpPackets }: ScannedStream): object {
  const all = [...tracks.entries()];
  const sum = (of: (track: (typeof all)[number][1]) => number): number =>
    all.reduce((total, [, track]) => total + of(track), 0);
  const gaps = all.flatMap(([ssrc, track]) =>
    track.gaps.gaps.map(({ first, last, at, packetMs }) => ({
      ssrc,
      first,
      last,
      at: new Date(at).toISOString(),
      ms: (last - first + 1) * packetMs,
    })),
  );
  return {
    ssrcs: all.map(([ssrc]) => ssrc),
    packets: sum(({ packets }) => packets),
    lostPackets: sum((track) => track.gaps.lostPackets),
    lostMs: sum((track) => track.gaps.lostMs),
    duplicates: sum(({ duplicates }) => duplicates),
    reordered: sum(({ late }) => late),
    restarts: sum(({ restarts }) => restarts),
    rtcpPackets,
    codecs: Object.fromEntries(encodings),
    gaps: gaps.slice(0, gapsShownMax),
    ...(gaps.length > gapsShownMax ? { gapsNotShown: gaps.length - gapsShownMax } : {}),
  };
}
