import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MEDIA_FILE, METADATA_FILE, writeWhole } from '../recorder/session-file.ts';
import type { CaptureIndex } from './capture-index.ts';
import type { CaptureInput, Complaint } from './capture-input.ts';
import { chooseFamily, streamsOf } from './family.ts';
import { InputFiles } from './input-files.ts';
import { resolveInputs } from './inputs.ts';
import { MergeFolder } from './merge-folder.ts';
import type { InputReport, MergeReport, StreamReport } from './merge-report.ts';
import { writeMerged } from './merge-writer.ts';
import type { OutputStream } from './merge-writer.ts';
import { mergedStreams } from './merged-stream.ts';
import { readInputs } from './read-inputs.ts';
import { writeDocuments } from './recording-document.ts';
import { runSteps } from './steps.ts';
import type { Progress } from './steps.ts';
import { groupStreams } from './stream-grouping.ts';
import type { Grouping } from './stream-grouping.ts';
import { reportDifferences, reportStream } from './stream-report.ts';
import { UnitedReader } from './united-reader.ts';
import type { UnitedStream } from './united-stream.ts';

const MERGE_FILE = 'merge.json';

export interface MergeRequest extends Progress {
  readonly paths: readonly string[];
  /** Absolute; must not exist. */
  readonly out: string;
}

/**
 * Unites captures of one call into one recording, in two passes: an index of where each packet lies (CaptureIndex says
 * what memory that takes), then packets read by place and written in order. Payloads are never held.
 *
 * Errors: INVALID_REQUEST when the output exists, STORAGE_UNWRITABLE. What is wrong with an input is in the report's
 * complaints; its `out` is null when nothing was merged.
 */
export async function merge(request: MergeRequest): Promise<MergeReport> {
  MergeFolder.refuseExisting(request.out);
  const { inputs, complaints } = resolveInputs(request.paths);
  const indexes = await readInputs(inputs, complaints, request);
  const usable = indexes.filter(({ tracks }) => tracks.size > 0);
  const files = new InputFiles(usable.map(({ input }) => input));
  try {
    const grouping = groupStreams(usable, files);
    const family = chooseFamily(usable, grouping, complaints);
    const inputReports = indexes.map((index) => reportInput(index, family, grouping));
    if (family.length === 0) return nothingMerged(inputReports, complaints);
    const { kept, leftOut } = streamsOf(family, grouping);
    const output = outputStreams(kept, usable, family, grouping, files);
    const folder = MergeFolder.create(request.out);
    try {
      const numbers = kept.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      const media = join(folder.path, MEDIA_FILE);
      await runSteps('writing', writeMerged(media, output, files), numbers, request);
      const streams = output.map(({ stream, readers }) => reportStream(stream, readers, family));
      const report: MergeReport = {
        out: request.out,
        verdict: verdictOf(streams),
        inputs: inputReports,
        streams,
        duplicatesRemoved: streams.reduce((sum, one) => sum + one.duplicatesRemoved, 0),
        differenceCount: streams.reduce((sum, one) => sum + one.differenceCount, 0),
        differences: output.flatMap(({ stream, readers }) =>
          reportDifferences(stream, readers, family),
        ),
        leftOut: leftOut.map(reportLeftOut),
        complaints,
      };
      await finishFolder(folder, output, report, family, request);
      return report;
    } finally {
      folder.close();
    }
  } finally {
    files.close();
  }
}

function outputStreams(
  kept: readonly UnitedStream[],
  indexes: readonly CaptureIndex[],
  family: readonly CaptureInput[],
  { clockOffsetsMs }: Grouping,
  files: InputFiles,
): OutputStream[] {
  const ofFamily = indexes.filter(({ input }) => family.includes(input));
  return mergedStreams(kept).map((stream) => {
    const ssrcs = new Set(stream.united.map(({ ssrc }) => ssrc));
    const rtcp = ofFamily.flatMap(({ input, rtcp: packets }) =>
      packets
        .filter(({ ssrc }) => ssrcs.has(ssrc))
        .map(({ place, at, ssrc }) => ({
          place,
          ssrc,
          input: input.index,
          at: at - (clockOffsetsMs.get(input.index) ?? 0),
        })),
    );
    const indices = family.map(({ index }) => index);
    return {
      stream,
      readers: stream.united.map((one) => new UnitedReader(one, files, indices, clockOffsetsMs)),
      rtcp: rtcp.sort((x, y) => x.at - y.at),
    };
  });
}

async function finishFolder(
  folder: MergeFolder,
  output: readonly OutputStream[],
  report: MergeReport,
  family: readonly CaptureInput[],
  progress: Progress,
): Promise<void> {
  const metadata = family
    .flatMap(({ recording }) => (recording === undefined ? [] : [recording.folder]))
    .map((path) => join(path, METADATA_FILE))
    .find((file) => existsSync(file));
  if (metadata !== undefined) folder.copy(metadata, METADATA_FILE);
  await writeDocuments(
    {
      folder: folder.path,
      out: folder.out,
      streams: output.map(({ stream }) => stream),
      reports: report.streams,
      inputs: family,
      verdict: report.verdict,
    },
    progress,
  );
  writeWhole(join(folder.path, MERGE_FILE), `${JSON.stringify(report, null, 2)}\n`);
  folder.finish();
}

function reportInput(
  { input, tracks, others, packets }: CaptureIndex,
  family: readonly CaptureInput[],
  { clockOffsetsMs }: Grouping,
): InputReport {
  const runs = [...tracks.values()].flatMap((track) => track.runs);
  return {
    name: input.name,
    file: input.file,
    recordId: input.recording?.recordId ?? null,
    merged: family.includes(input),
    packets,
    rtpPackets: runs.reduce((sum, run) => sum + run.packets + run.copies, 0),
    rtcpPackets: others.rtcp,
    fragments: others.fragments,
    cutPackets: others.cut,
    otherPackets: others.other,
    clockOffsetMs: Math.round(clockOffsetsMs.get(input.index) ?? 0),
  };
}

function reportLeftOut({ lanes, ssrc }: UnitedStream): MergeReport['leftOut'][number] {
  const packets = lanes.reduce((sum, { run }) => sum + run.packets, 0);
  return { input: lanes[0]?.input.name ?? '', ssrc, packets };
}

function verdictOf(streams: readonly StreamReport[]): string {
  const packets = streams.reduce((sum, { missing }) => sum + missing.packets, 0);
  const ms = streams.reduce((sum, { missing }) => sum + missing.ms, 0);
  return packets === 0 ? 'complete' : `missing ${ms} ms`;
}

function nothingMerged(inputs: readonly InputReport[], complaints: Complaint[]): MergeReport {
  return {
    out: null,
    verdict: 'nothing merged',
    inputs,
    streams: [],
    duplicatesRemoved: 0,
    differenceCount: 0,
    differences: [],
    leftOut: [],
    complaints,
  };
}
