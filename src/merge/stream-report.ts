import type { CaptureInput } from './capture-input.ts';
import type { DifferenceReport, MissingReport, RangeReport, StreamReport } from './merge-report.ts';
import type { MergedStream } from './merged-stream.ts';
import type { MissingList } from './missing-list.ts';
import type { UnitedReader } from './united-reader.ts';
import type { UnitedStream } from './united-stream.ts';

/** The account of one stream, after its packets were read. */
export function reportStream(
  stream: MergedStream,
  readers: readonly UnitedReader[],
  inputs: readonly CaptureInput[],
): StreamReport {
  const sum = (of: (reader: UnitedReader) => number): number =>
    readers.reduce((total, reader) => total + of(reader), 0);
  return {
    label: stream.label,
    party: stream.party,
    ssrcs: [...new Set(stream.united.map(({ ssrc }) => ssrc))],
    packets: sum(({ packets }) => packets),
    duplicatesRemoved: sum(({ duplicates }) => duplicates),
    differenceCount: sum(({ differenceCount }) => differenceCount),
    missing: reportMissing(stream, readers, ({ missing }) => missing),
    inputs: inputs.map(({ index, name }) => ({
      name,
      packets: sum(({ held }) => held.get(index) ?? 0),
      missed: reportMissing(stream, readers, ({ missedBy }) => missedBy.get(index)),
    })),
  };
}

export function reportDifferences(
  stream: MergedStream,
  readers: readonly UnitedReader[],
  inputs: readonly CaptureInput[],
): DifferenceReport[] {
  const nameOf = (index: number) => inputs.find((input) => input.index === index)?.name ?? '';
  return readers.flatMap(({ stream: { ssrc }, differences }) =>
    differences.map(({ sequence, timestamp, what, kept, other }) => ({
      label: stream.label,
      ssrc,
      sequence,
      timestamp,
      what,
      kept: nameOf(kept),
      other: nameOf(other),
    })),
  );
}

function reportMissing(
  stream: MergedStream,
  readers: readonly UnitedReader[],
  listOf: (reader: UnitedReader) => MissingList | undefined,
): MissingReport {
  let packets = 0;
  let ms = 0;
  let rangeCount = 0;
  const ranges: RangeReport[] = [];
  for (const reader of readers) {
    const list = listOf(reader);
    if (list === undefined) continue;
    const packetMs = packetMsOf(stream, reader.stream);
    packets += list.packets;
    ms += list.packets * packetMs;
    rangeCount += list.rangeCount;
    for (const { first, last } of list.ranges) {
      const count = last - first + 1;
      ranges.push({
        ssrc: reader.stream.ssrc,
        firstSequence: first & 0xffff,
        lastSequence: last & 0xffff,
        packets: count,
        ms: Math.round(count * packetMs),
      });
    }
  }
  return { packets, ms: Math.round(ms), rangeCount, ranges };
}

/** By the clock rate of what most packets carry; by receive times where that is not known. */
function packetMsOf(stream: MergedStream, united: UnitedStream): number {
  const counts = new Map<number, number>();
  for (const { run } of united.lanes) {
    for (const [type, { packets }] of run.payloadTypes) {
      counts.set(type, (counts.get(type) ?? 0) + packets);
    }
  }
  const [main] = [...counts].sort((x, y) => y[1] - x[1])[0] ?? [];
  const codec = stream.epochs
    .flatMap(({ payloads }) => payloads)
    .find(({ payloadType }) => payloadType === main);
  if (codec !== undefined) return (united.step * 1_000) / codec.clockRate;
  const numbers = united.last - united.first;
  return numbers === 0 ? 20 : (united.lastAt - united.firstAt) / numbers;
}
