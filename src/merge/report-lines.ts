import type { Complaint } from './capture-input.ts';
import type { MergeReport, MissingReport, StreamReport } from './merge-report.ts';

const RANGES_SHOWN_MAX = 5;
const DIFFERENCES_SHOWN_MAX = 5;

/** The report for a person. */
export function reportLines(report: MergeReport): string[] {
  const lines = report.inputs.map(
    ({ name, merged, rtpPackets, fragments, cutPackets, clockOffsetMs }) =>
      `  input       ${name}: ${rtpPackets} RTP packets${merged ? '' : ', not merged'}${
        fragments > 0 ? `, ${fragments} IP fragments ignored` : ''
      }${cutPackets > 0 ? `, ${cutPackets} packets cut by the capture` : ''}${
        clockOffsetMs === 0 ? '' : `, its clock ${(clockOffsetMs / 1_000).toFixed(1)} s apart`
      }`,
  );
  for (const stream of report.streams) lines.push('', ...streamLines(stream));
  for (const { label, sequence, what, kept, other } of report.differences.slice(
    0,
    DIFFERENCES_SHOWN_MAX,
  )) {
    lines.push(
      `  differs     stream ${label}, sequence ${sequence}: another ${what} in ${other}; that of ${kept} is kept`,
    );
  }
  const unshown = report.differenceCount - DIFFERENCES_SHOWN_MAX;
  if (unshown > 0) lines.push(`              and ${unshown} more`);
  for (const { input, ssrc, packets } of report.leftOut) {
    lines.push(
      `  left out    SSRC 0x${ssrc.toString(16).padStart(8, '0')} of ${input}, ${packets} packets: no recording has it`,
    );
  }
  lines.push('', `  verdict     ${report.verdict}`);
  if (report.out !== null) lines.push(`  written     ${report.out}`);
  return lines;
}

export function complaintLine({ input, file, offset, message }: Complaint): string {
  const place = offset === null ? '' : ` at byte ${offset}`;
  return `${file ?? input ?? 'inputs'}${place}: ${message}`;
}

function streamLines(stream: StreamReport): string[] {
  const who = stream.party === null ? '' : ` (${stream.party.name ?? stream.party.aor})`;
  return [
    `  stream      ${stream.label}${who}: ${stream.packets} packets, ${stream.duplicatesRemoved} duplicates removed, ${stream.differenceCount} differences`,
    ...stream.inputs.map(({ name, missed }) => `    ${name} missed ${missingText(missed)}`),
    `    together they miss ${missingText(stream.missing)}`,
  ];
}

function missingText({ packets, ms, rangeCount, ranges }: MissingReport): string {
  if (packets === 0) return 'nothing';
  const shown = ranges
    .slice(0, RANGES_SHOWN_MAX)
    .map(({ firstSequence, lastSequence }) =>
      firstSequence === lastSequence ? `${firstSequence}` : `${firstSequence}-${lastSequence}`,
    );
  const more = rangeCount > shown.length ? ', ...' : '';
  return `${packets} packets (${ms} ms): sequence ${shown.join(', ')}${more}`;
}
