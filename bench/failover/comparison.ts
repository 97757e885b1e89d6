import type { StreamLedger } from '../../src/recording/account/ledger.ts';
import type { FilesRead } from './ground-truth.ts';
import { legKey } from './ground-truth.ts';
import type { LegTruth, TrialResult } from './job.ts';
import type { SentLog } from './sent-log.ts';

/** The part of `GET /v1/calls/{id}/ledger` that is compared. */
export interface CallLedger {
  readonly streams: readonly StreamLedger[];
  readonly verdict: string;
}

/** A packet that took this long from the party to the recorder's file came out of the ring, not live. */
const LATE_MS = 50;

export interface Comparison {
  readonly legs: readonly LegTruth[];
  readonly missingAfterMerge: number;
  readonly ledger: TrialResult['ledger'];
}

/** @param concerned legs, by `legKey`, that were on a recorder that the fault concerns */
export function compare(options: {
  readonly callIds: readonly string[];
  readonly log: SentLog;
  readonly files: FilesRead;
  readonly ledgers: readonly CallLedger[];
  readonly concerned: ReadonlySet<string>;
}): Comparison {
  const { callIds, log, files, ledgers, concerned } = options;
  const legs: LegTruth[] = [];
  let missingAfterMerge = 0;
  const differences: number[] = [];
  let ledgerLost = 0;
  for (const [call, callId] of callIds.entries()) {
    for (const party of [0, 1] as const) {
      missingAfterMerge += missingInAll(log, files, call, party);
    }
    for (const leg of [1, 2] as const) {
      const key = legKey(call, leg);
      const parts = ([0, 1] as const).map((party) =>
        legStream(log.sentAt[2 * call + party]!, files.legs.get(key)?.arrivedAt[party]),
      );
      for (const [party, { lostPackets }] of parts.entries()) {
        const said = saidMissing(ledgers[call], party, leg);
        if (said === undefined) continue;
        ledgerLost += said;
        differences.push(said - lostPackets);
      }
      legs.push({
        callId,
        leg,
        concerned: concerned.has(key),
        lostPackets: sum(parts.map(({ lostPackets }) => lostPackets)),
        latePackets: sum(parts.map(({ latePackets }) => latePackets)),
        gapMs: Math.max(...parts.map(({ gapMs }) => gapMs)),
      });
    }
  }
  const streams = ledgers.flatMap((ledger) => ledger.streams);
  return {
    legs,
    missingAfterMerge,
    ledger: {
      lostPackets: ledgerLost,
      differenceMax: Math.max(0, ...differences),
      differenceMin: Math.min(0, ...differences),
      lostBeforeUsPackets: sum(streams.map(({ lostBeforeUsPackets }) => lostBeforeUsPackets)),
      lostInUsPackets: sum(
        streams.map(({ lostInUs }) => countRanges(lostInUs.ranges) + lostInUs.kernelDrops),
      ),
      verdicts: tally(ledgers.map(({ verdict }) => verdict.replace(/\d+/, 'N'))),
    },
  };
}

function missingInAll(log: SentLog, files: FilesRead, call: number, party: 0 | 1): number {
  const [one, two] = ([1, 2] as const).map((leg) => files.legs.get(legKey(call, leg)));
  let missing = 0;
  for (const [number, sentAt] of log.sentAt[2 * call + party]!.entries()) {
    const has = (leg: typeof one): boolean => !Number.isNaN(leg?.arrivedAt[party][number] ?? NaN);
    if (!Number.isNaN(sentAt) && !has(one) && !has(two)) missing += 1;
  }
  return missing;
}

function legStream(
  sentAt: Float64Array,
  arrivedAt: Float64Array | undefined,
): { lostPackets: number; latePackets: number; gapMs: number } {
  let lostPackets = 0;
  let latePackets = 0;
  for (const [number, sent] of sentAt.entries()) {
    if (Number.isNaN(sent)) continue;
    const arrived = arrivedAt?.[number] ?? NaN;
    if (Number.isNaN(arrived)) lostPackets += 1;
    else if (arrived - sent >= LATE_MS) latePackets += 1;
  }
  const times = (arrivedAt ?? new Float64Array()).filter((at) => !Number.isNaN(at)).sort();
  let gapMs = 0;
  for (let index = 1; index < times.length; index++) {
    gapMs = Math.max(gapMs, times[index]! - times[index - 1]!);
  }
  return { lostPackets, latePackets, gapMs: Math.round(gapMs * 10) / 10 };
}

function saidMissing(
  ledger: CallLedger | undefined,
  party: number,
  leg: 1 | 2,
): number | undefined {
  const stream = ledger?.streams.find((entry) => entry.party === (party === 0 ? 'a' : 'b'));
  const account = stream?.legs.find((entry) => entry.leg === leg);
  return account && countRanges(account.missing) + account.reportedLostPackets;
}

function countRanges(ranges: readonly { readonly first: number; readonly last: number }[]): number {
  return sum(ranges.map(({ first, last }) => last - first + 1));
}

export function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
