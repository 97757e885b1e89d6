import { relative } from 'node:path';
import type { DemoResult, LegResult } from './demo-result.ts';

const labelWidth = 14;
const columnGap = 3;

/** The result for a person, in lines of less than 100 columns as long as record ids are UUIDs. */
export function reportLines(result: DemoResult): string[] {
  const lines = [
    '',
    'Recordings, each with media.pcapng (for Wireshark), recording.wav, recording.json, metadata.xml',
    '',
  ];
  for (const { leg, folders } of result.legs) {
    folders.forEach((folder, index) => {
      const label = index === 0 ? `leg ${leg}` : '';
      lines.push(`  ${label.padEnd(labelWidth)}${shortPath(folder)}/`);
    });
  }
  lines.push('', ...table(result.legs), '', 'Checks', '');
  for (const { name, ok, detail } of result.checks) {
    lines.push(`  ${(ok ? 'ok' : 'NOT OK').padEnd(labelWidth - 6)}${name}`);
    if (detail !== undefined) lines.push(`  ${' '.repeat(labelWidth - 6)}${detail}`);
  }
  const failed = result.checks.filter(({ ok }) => !ok).length;
  lines.push(
    '',
    failed === 0 ? summary(result) : `${failed} of ${result.checks.length} checks failed.`,
  );
  return lines;
}

/** One column a leg. */
function table(legs: readonly LegResult[]): string[] {
  const failoverTimes = (leg: LegResult, key: 'detectionMs' | 'failoverMs') =>
    leg.failovers.map((failover) => {
      const value = failover[key];
      return value === null ? 'never' : `${value.toFixed(1)} ms`;
    });
  const rows: [label: string, cells: (leg: LegResult) => readonly string[]][] = [
    ['', (leg) => [`leg ${leg.leg}`]],
    ['record ids', (leg) => leg.recordIds],
    [
      'recorders',
      (leg) => [leg.recorders.map((id, at) => `${id} (${leg.zones[at] ?? '?'})`).join(' → ')],
    ],
    ['packets', (leg) => [count(leg.packets)]],
    ['lost', (leg) => [`${leg.lostMs.toFixed(0)} ms, ${count(leg.lostPackets)} packets`]],
    [
      'replayed',
      (leg) => [leg.failovers.length === 0 ? '-' : `${count(leg.replayedPackets)} packets`],
    ],
    ['reason', (leg) => orDash(leg.failovers.map(({ reason }) => reason))],
    ['detection', (leg) => orDash(failoverTimes(leg, 'detectionMs'))],
    ['failover', (leg) => orDash(failoverTimes(leg, 'failoverMs'))],
  ];
  const widths = legs.map((leg) =>
    Math.max(...rows.flatMap(([, cells]) => cells(leg).map((cell) => cell.length))),
  );
  return rows.flatMap(([label, cells]) => {
    const columns = legs.map(cells);
    const height = Math.max(1, ...columns.map((column) => column.length));
    return Array.from({ length: height }, (_value, line) => {
      const texts = columns.map((column, at) =>
        (column[line] ?? '').padEnd((widths[at] ?? 0) + columnGap),
      );
      return `  ${(line === 0 ? label : '').padEnd(labelWidth)}${texts.join('')}`.trimEnd();
    });
  });
}

function summary({ killed, legs, checks, replay }: DemoResult): string {
  const lost = legs.reduce((sum, { lostPackets }) => sum + lostPackets, 0);
  const what =
    lost === 0
      ? 'no packet of the call is missing in either recording'
      : replay
        ? `${lost} packets are missing in leg 1, none in leg 2`
        : `without replay leg 1 lacks ${lost} packets, and leg 2 has them all`;
  return `All ${checks.length} checks held: ${killed.recorder} died, and ${what}.`;
}

function orDash(cells: readonly string[]): readonly string[] {
  return cells.length === 0 ? ['-'] : cells;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function shortPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near === '' || near.startsWith('..') ? path : near;
}
