import { median } from '../statistics.ts';
import { faultNames } from './faults.ts';
import type { FaultName } from './faults.ts';
import type { LegTruth, TrialResult } from './job.ts';
import { tally } from './comparison.ts';

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** All trials of one fault. Spreads are over legs; null when there are none. */
export interface FaultSummary {
  readonly fault: FaultName;
  readonly trials: number;
  readonly calls: number;
  readonly sentPackets: number;
  readonly concernedLegs: number;
  readonly movedLegs: number;
  readonly unmovedLegs: number;
  readonly falseAlarms: number;
  /** How often each was the reason of a move. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly detectionMs: Spread | null;
  readonly apiDetectionMs: Spread | null;
  readonly failoverMs: Spread | null;
  /** The Genesys sum: time to detect and time to fail over, of each leg. */
  readonly sumMs: Spread | null;
  /** Media of a leg that only a replay brought to a recorder, of one stream. */
  readonly replayedMs: Spread | null;
  /** Media of a leg that is in no file of it, of one stream. */
  readonly lostMs: Spread | null;
  /** Longest time in which a leg's stream brought nothing new to a recorder. */
  readonly gapMs: Spread | null;
  readonly lostPackets: {
    /** Of legs on the recorders concerned, and of all others. */
    readonly concerned: number;
    readonly others: number;
    readonly legMax: number;
  };
  readonly missingAfterMerge: number;
  readonly damagedPackets: number;
  readonly ledger: {
    readonly lostPackets: number;
    readonly differenceMax: number;
    readonly differenceMin: number;
    readonly lostInUsPackets: number;
    readonly lostBeforeUsPackets: number;
  };
  readonly party: {
    readonly lostPackets: number;
    readonly duplicatePackets: number;
    /** Medians over the trials. */
    readonly delayUsP50: number | null;
    readonly delayUsP99: number | null;
  };
  readonly restart: { readonly readyMs: Spread } | null;
  /** Trials in which the load generator itself lost packets, and in which it was late by `LATE_SENT_MS` or more. */
  readonly spoiltTrials: number;
  readonly lateTrials: number;
}

/** The machine had other things to do: times of such a trial say little of Tandem. */
const LATE_SENT_MS = 20;

export function summarize(results: readonly TrialResult[]): FaultSummary[] {
  return faultNames.flatMap((fault) => {
    const own = results.filter((result) => result.fault === fault);
    return own.length === 0 ? [] : [summarizeFault(fault, own)];
  });
}

function summarizeFault(fault: FaultName, own: readonly TrialResult[]): FaultSummary {
  const legs = own.flatMap((result) =>
    result.legs.map((leg) => ({ ...leg, ptimeMs: result.ptimeMs })),
  );
  const concerned = legs.filter((leg) => leg.concerned);
  const moved = own.flatMap((result) => result.moved);
  const due = moved.filter(({ isFalseAlarm }) => !isFalseAlarm);
  const done = due.flatMap(({ detectionMs, failoverMs }) =>
    failoverMs === null ? [] : [{ detectionMs, failoverMs }],
  );
  const restarts = own.flatMap(({ restart }) => restart ?? []);
  const delays = own.flatMap(({ party }) => party.delayUs ?? []);
  return {
    fault,
    trials: own.length,
    calls: sum(own.map(({ calls }) => calls)),
    sentPackets: sum(own.map(({ sentPackets }) => sentPackets)),
    concernedLegs: concerned.length,
    movedLegs: done.length,
    unmovedLegs: sum(own.map(({ unmovedLegs }) => unmovedLegs)),
    falseAlarms: moved.length - due.length,
    reasons: tally(moved.map(({ reason }) => reason)),
    detectionMs: spread(due.map(({ detectionMs }) => detectionMs)),
    apiDetectionMs: spread(due.map(({ apiDetectionMs }) => apiDetectionMs)),
    failoverMs: spread(done.map(({ failoverMs }) => failoverMs)),
    sumMs: spread(done.map(({ detectionMs, failoverMs }) => detectionMs + failoverMs)),
    replayedMs: spread(concerned.map(({ latePackets, ptimeMs }) => (latePackets / 2) * ptimeMs)),
    lostMs: spread(concerned.map(({ lostPackets, ptimeMs }) => (lostPackets / 2) * ptimeMs)),
    gapMs: spread(concerned.map(({ gapMs }) => gapMs)),
    lostPackets: {
      concerned: lost(concerned),
      others: lost(legs.filter((leg) => !leg.concerned)),
      legMax: Math.max(0, ...legs.map(({ lostPackets }) => lostPackets)),
    },
    missingAfterMerge: sum(own.map(({ missingAfterMerge }) => missingAfterMerge)),
    damagedPackets: sum(own.map(({ files }) => files.damagedPackets)),
    ledger: {
      lostPackets: sum(own.map(({ ledger }) => ledger.lostPackets)),
      differenceMax: Math.max(...own.map(({ ledger }) => ledger.differenceMax)),
      differenceMin: Math.min(...own.map(({ ledger }) => ledger.differenceMin)),
      lostInUsPackets: sum(own.map(({ ledger }) => ledger.lostInUsPackets)),
      lostBeforeUsPackets: sum(own.map(({ ledger }) => ledger.lostBeforeUsPackets)),
    },
    party: {
      lostPackets: sum(own.map(({ party }) => party.lostPackets)),
      duplicatePackets: sum(own.map(({ party }) => party.duplicatePackets)),
      delayUsP50: delays.length === 0 ? null : median(delays.map(({ p50 }) => p50)),
      delayUsP99: delays.length === 0 ? null : median(delays.map(({ p99 }) => p99)),
    },
    restart:
      restarts.length === 0 ? null : { readyMs: spread(restarts.map(({ readyMs }) => readyMs))! },
    lateTrials: own.filter(({ harness }) => harness.lateUsMax >= LATE_SENT_MS * 1_000).length,
    spoiltTrials: own.filter(({ harness }) => harness.sendErrors + harness.kernelDrops > 0).length,
  };
}

/** Percentiles by nearest rank: a value that was measured. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

function lost(legs: readonly LegTruth[]): number {
  return sum(legs.map(({ lostPackets }) => lostPackets));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
