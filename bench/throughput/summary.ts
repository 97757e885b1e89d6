import { median } from '../statistics.ts';
import { formatTable } from '../table.ts';
import type { MeasuredPath, TrialResult } from './job.ts';

/** The direct path may cost this much of what the bare fork costs. */
const FLOOR_RATIO_MAX = 1.5;

/** One path over all its trials: medians, and sums of what should be zero. */
export interface PathSummary {
  readonly path: MeasuredPath;
  readonly trials: number;
  /** `max` is the worst trial's. */
  readonly cpuUsPerPacket: {
    readonly median: number;
    readonly max: number;
    readonly user: number;
    readonly system: number;
  };
  /** Median of the ratios to the floor within the same round; null without a floor. */
  readonly timesFloor: number | null;
  readonly sentPackets: number;
  readonly lostPackets: TrialResult['lostPackets'];
  readonly delayUs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
  readonly memoryBytesPerCall: number | null;
  readonly failovers: number;
}

export function summarize(results: readonly TrialResult[]): PathSummary[] {
  const floorByTrial = new Map(
    results
      .filter(({ path }) => path === 'floor')
      .map(({ trial, cpuUsPerPacket }) => [trial, cpuUsPerPacket.total]),
  );
  return [...new Set(results.map(({ path }) => path))].map((path) => {
    const own = results.filter((result) => result.path === path);
    const totals = own.map(({ cpuUsPerPacket }) => cpuUsPerPacket.total);
    const ratios = own.flatMap(({ trial, cpuUsPerPacket }) => {
      const floor = floorByTrial.get(trial);
      return floor === undefined || path === 'none' ? [] : [cpuUsPerPacket.total / floor];
    });
    const delays = own.flatMap(({ delayUs }) => (delayUs === null ? [] : [delayUs]));
    const memory = own.flatMap((result) => result.memoryBytesPerCall ?? []);
    return {
      path,
      trials: own.length,
      cpuUsPerPacket: {
        median: median(totals),
        max: Math.max(...totals),
        user: median(own.map(({ cpuUsPerPacket }) => cpuUsPerPacket.user)),
        system: median(own.map(({ cpuUsPerPacket }) => cpuUsPerPacket.system)),
      },
      timesFloor: ratios.length === 0 ? null : median(ratios),
      sentPackets: sum(own.map(({ sentPackets }) => sentPackets)),
      lostPackets: {
        party: sum(own.map(({ lostPackets }) => lostPackets.party)),
        leg1: sumOrNull(own.map(({ lostPackets }) => lostPackets.leg1)),
        leg2: sumOrNull(own.map(({ lostPackets }) => lostPackets.leg2)),
      },
      delayUs:
        delays.length === 0
          ? null
          : {
              p50: median(delays.map(({ p50 }) => p50)),
              p99: median(delays.map(({ p99 }) => p99)),
              max: Math.max(...delays.map(({ max }) => max)),
            },
      memoryBytesPerCall: memory.length === 0 ? null : median(memory),
      failovers: sum(own.map(({ failovers }) => failovers)),
    };
  });
}

/** The table, what it means for the direct path, and what spoils the measurement. */
export function formatSummary(
  summaries: readonly PathSummary[],
  results: readonly TrialResult[],
): string {
  const header = [
    'path',
    'CPU us/packet',
    'user',
    'system',
    'x floor',
    'lost: party',
    'leg 1',
    'leg 2',
    'delay us p50',
    'p99',
    'max',
    'KiB/call',
  ];
  const rows = summaries.map((summary) => [
    summary.path,
    summary.cpuUsPerPacket.median.toFixed(2),
    summary.cpuUsPerPacket.user.toFixed(2),
    summary.cpuUsPerPacket.system.toFixed(2),
    fixed(summary.timesFloor, 2),
    fixed(summary.lostPackets.party, 0),
    fixed(summary.lostPackets.leg1, 0),
    fixed(summary.lostPackets.leg2, 0),
    fixed(summary.delayUs?.p50 ?? null, 0),
    fixed(summary.delayUs?.p99 ?? null, 0),
    fixed(summary.delayUs?.max ?? null, 0),
    fixed(summary.memoryBytesPerCall === null ? null : summary.memoryBytesPerCall / 1_024, 0),
  ]);
  return [formatTable([header, ...rows]), ...verdict(summaries), ...warnings(results), ''].join(
    '\n',
  );
}

function verdict(summaries: readonly PathSummary[]): string[] {
  const ratio = summaries.find(({ path }) => path === 'direct')?.timesFloor ?? null;
  if (ratio === null) return [];
  const holds = ratio <= FLOOR_RATIO_MAX ? 'holds' : 'does NOT hold';
  return [
    '',
    `The direct path costs ${ratio.toFixed(2)} times the bare fork: at most ${FLOOR_RATIO_MAX.toFixed(1)} ${holds}.`,
  ];
}

function warnings(results: readonly TrialResult[]): string[] {
  return results.flatMap((result) => {
    const { path, trial, harness } = result;
    const { party, leg1, leg2 } = result.lostPackets;
    const problems = [
      [
        party + (leg1 ?? 0) + (leg2 ?? 0),
        'packets were lost: its CPU figure is also per packet that was never carried',
      ],
      [harness.sendErrors, 'packets could not be sent'],
      [harness.kernelDrops, 'packets were lost because the load generator did not keep up'],
      [result.damagedPackets, 'packets were damaged'],
      [result.misroutedPackets, 'packets came to the wrong party'],
      [result.duplicatePackets, 'packets came twice'],
      [result.failovers, 'legs were moved'],
    ] as const;
    return problems
      .filter(([count]) => count > 0)
      .map(([count, what]) => `warning: ${path}, trial ${trial}: ${count} ${what}`);
  });
}

function fixed(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function sumOrNull(values: readonly (number | null)[]): number | null {
  return values.some((value) => value === null) ? null : sum(values.map((value) => value ?? 0));
}
