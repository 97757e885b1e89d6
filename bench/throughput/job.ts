import type { DelaySummary } from '../load-generator.ts';

/**
 * What is measured: `tandem serve` with calls on either path, the bare fork (native/floor.c), and `none`, parties that
 * send to each other: the delay that the measuring itself has.
 */
export const paths = ['mediasoup', 'direct', 'floor', 'none'] as const;
export type MeasuredPath = (typeof paths)[number];

export interface TrialJob {
  readonly path: MeasuredPath;
  readonly trial: number;
  readonly calls: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly seed: number;
  readonly programs: { readonly load: string; readonly floor: string };
}

export interface TrialResult {
  readonly path: MeasuredPath;
  readonly trial: number;
  readonly seed: number;
  readonly calls: number;
  /** Over the whole run, warm-up included. */
  readonly sentPackets: number;
  /** Within the measured part; the CPU figures are per packet of these. */
  readonly measuredPackets: number;
  readonly cpuUsPerPacket: {
    readonly total: number;
    readonly user: number;
    readonly system: number;
    /** The total, by name of thread. */
    readonly byThread: Readonly<Record<string, number>>;
  };
  /** Over the whole run. Legs are null where there are none. */
  readonly lostPackets: {
    readonly party: number;
    readonly leg1: number | null;
    readonly leg2: number | null;
  };
  /** Parties and legs together. */
  readonly duplicatePackets: number;
  readonly reorderedPackets: number;
  readonly damagedPackets: number;
  readonly misroutedPackets: number;
  readonly delayUs: DelaySummary | null;
  /** At the end of the measured part against before the first call (PSS); null where there is no process. */
  readonly memoryBytesPerCall: number | null;
  /** Legs that were moved: there should be none. */
  readonly failovers: number;
  /** The measuring's own failures: a trial that has some is no trial. */
  readonly harness: {
    readonly sendErrors: number;
    readonly kernelDrops: number;
    readonly lateUsMax: number;
    readonly lateUsMean: number;
  };
}
