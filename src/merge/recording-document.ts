import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../errors.ts';
import { makeWav } from '../recorder/make-wav.ts';
import type { WavResult } from '../recorder/make-wav.ts';
import { MediaScan } from '../recorder/media-scan.ts';
import { CaptureFileReader } from '../recorder/pcap-reader.ts';
import { MEDIA_FILE, RECORDING_FILE, WAV_FILE, writeWhole } from '../recorder/session-file.ts';
import type { CaptureInput } from './capture-input.ts';
import type { StreamReport } from './merge-report.ts';
import type { MergedStream } from './merged-stream.ts';
import { runSteps } from './steps.ts';
import type { Progress } from './steps.ts';

const PACKETS_A_STEP = 2_000;

export interface DocumentRequest {
  /** Where the files are now. */
  readonly folder: string;
  /** Where they will be. */
  readonly out: string;
  readonly streams: readonly MergedStream[];
  readonly reports: readonly StreamReport[];
  readonly inputs: readonly CaptureInput[];
  readonly verdict: string;
}

/** `recording.wav` where the codecs allow, and `recording.json`, as a recorder makes them from the capture alone. */
export async function writeDocuments(request: DocumentRequest, progress: Progress): Promise<void> {
  const { folder, out, streams, reports, inputs } = request;
  const media = join(folder, MEDIA_FILE);
  const scan = new MediaScan(streams);
  await runSteps('checking', scanThrough(media, scan), statSync(media).size, progress);
  progress.onProgress('audio', 0);
  await progress.pause();
  const wav = wavOf(media, folder, streams, scan);
  const document = {
    recordId: basename(out),
    sessionId: inputs.find(({ recording }) => recording?.sessionId)?.recording?.sessionId ?? null,
    mergedFrom: inputs.map(({ name, file, recording }) => ({
      name,
      file,
      recordId: recording?.recordId ?? null,
    })),
    startedAt: new Date(scan.firstAt ?? 0).toISOString(),
    endedAt: new Date(scan.lastAt).toISOString(),
    durationMs: Math.max(0, Math.round(scan.lastAt - (scan.firstAt ?? scan.lastAt))),
    streams: streams.map(({ label, party, epochs }, index) => {
      const report = reports[index];
      const scanned = scan.streams[index];
      return {
        label,
        party,
        epochs,
        ssrcs: report?.ssrcs ?? [],
        packets: report?.packets ?? 0,
        lostPackets: report?.missing.packets ?? 0,
        lostMs: report?.missing.ms ?? 0,
        rtcpPackets: scanned?.rtcpPackets ?? 0,
        codecs: Object.fromEntries(scanned?.encodings ?? []),
        gaps: report?.missing.ranges ?? [],
      };
    }),
    capture: { file: MEDIA_FILE, bytes: statSync(media).size },
    wav,
    verdict: request.verdict,
  };
  writeWhole(join(folder, RECORDING_FILE), `${JSON.stringify(document, null, 2)}\n`);
}

function* scanThrough(media: string, scan: MediaScan): Generator<number, void> {
  const reader = CaptureFileReader.open(media);
  try {
    let scanned = 0;
    const packets = scan.packets(reader);
    while (packets.next().done !== true) {
      scanned += 1;
      if (scanned % PACKETS_A_STEP === 0) yield reader.offsetBytes;
    }
  } finally {
    reader.close();
  }
}

function wavOf(
  media: string,
  folder: string,
  streams: readonly MergedStream[],
  scan: MediaScan,
): WavResult {
  try {
    return makeWav(media, join(folder, WAV_FILE), streams, scan);
  } catch (error) {
    return { file: null, reason: messageOf(error) };
  }
}
