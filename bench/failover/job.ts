import type { FailureReason } from '../../src/recording/interfaces.ts';
import type { DelaySummary } from '../load-generator.ts';
import type { FaultName } from './faults.ts';

export interface TrialJob {
  readonly fault: FaultName;
  readonly trial: number;
  readonly calls: number;
  readonly ptimeMs: number;
  readonly path: 'mediasoup' | 'direct';
  readonly seed: number;
  /** Media after the fault; null: as the fault needs. */
  readonly afterMs: number | null;
  readonly loadProgram: string;
  /** Of this trial alone; removed by whoever gave it. */
  readonly dir: string;
  /** Of this trial alone; part of the names of namespaces and links. At most 8 letters and digits. */
  readonly tag: string;
}

export interface MovedLeg {
  readonly callId: string;
  readonly leg: 1 | 2;
  readonly from: string;
  readonly to: string | null;
  readonly reason: FailureReason;
  /** From the fault to the record of the failover, by our clock. */
  readonly detectionMs: number;
  /** As the API has it: from the first packet not received. */
  readonly apiDetectionMs: number;
  /** As the API has it: from then to the first packet sent to the next recorder. */
  readonly failoverMs: number | null;
  readonly replayedPackets: number;
  /** From a recorder that nothing was done to, or in a fault that must not move legs. */
  readonly isFalseAlarm: boolean;
}

/** A leg, its files against what was sent. */
export interface LegTruth {
  readonly callId: string;
  readonly leg: 1 | 2;
  /** It was on a recorder that the fault concerns when that began. */
  readonly concerned: boolean;
  readonly lostPackets: number;
  /** In its files, but `LATE_MS` or more after it was sent: a replay brought it. */
  readonly latePackets: number;
  /** Longest time in which no new packet of a stream came to any of its recorders. */
  readonly gapMs: number;
}

/** One stream of one leg, packet by packet, around the fault; ms from the fault. */
export interface TimelineSample {
  readonly callId: string;
  readonly leg: 1 | 2;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** First packet that the old recorder did not get, as the API's detection has it. */
  readonly deadMs: number;
  readonly detectedMs: number;
  readonly sessionMs: number;
  readonly sentMs: readonly number[];
  /** By packet; null: not in that recorder's file. */
  readonly oldMs: readonly (number | null)[];
  readonly newMs: readonly (number | null)[];
}

export interface RestartResult {
  /** From SIGKILL until calls can be placed again. */
  readonly readyMs: number;
}

export interface TrialResult {
  readonly fault: FaultName;
  readonly trial: number;
  readonly seed: number;
  readonly calls: number;
  readonly ptimeMs: number;
  readonly path: 'mediasoup' | 'direct';
  /** How the fault was made, where there is more than one way. */
  readonly variant: string | null;
  readonly faultyRecorders: readonly string[];
  /** Unix ms. */
  readonly faultAt: number;
  /** By the load generator's log: from when both legs of all calls record to the end of media. */
  readonly sentPackets: number;
  readonly moved: readonly MovedLeg[];
  /** Legs on a recorder concerned that had to leave it and did not. */
  readonly unmovedLegs: number;
  readonly legs: readonly LegTruth[];
  readonly missingAfterMerge: number;
  readonly files: {
    readonly read: number;
    readonly packets: number;
    readonly damagedPackets: number;
    readonly foreignPackets: number;
    /** Files that end within a block. */
    readonly cut: number;
  };
  readonly ledger: {
    /** Packets that the ledgers say are missing, all legs. */
    readonly lostPackets: number;
    /** Of any one stream of a leg, ledger less truth: how far it was apart. */
    readonly differenceMax: number;
    readonly differenceMin: number;
    readonly lostBeforeUsPackets: number;
    readonly lostInUsPackets: number;
    /** How often each verdict was given, by call. */
    readonly verdicts: Readonly<Record<string, number>>;
  };
  readonly party: {
    readonly lostPackets: number;
    readonly duplicatePackets: number;
    readonly reorderedPackets: number;
    /** Of what was sent from the fault on. */
    readonly delayUs: DelaySummary | null;
  };
  readonly alarms: Readonly<Record<string, number>>;
  readonly restart: RestartResult | null;
  readonly timeline: TimelineSample | null;
  /** The measuring's own failures: a trial that has some is no trial. */
  readonly harness: {
    readonly sendErrors: number;
    readonly kernelDrops: number;
    readonly lateUsMax: number;
    /** How late the fault was, against the moment the seed gave. */
    readonly elapsedMs: number;
  };
}
