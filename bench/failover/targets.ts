import { faults } from './faults.ts';
import type { FaultName } from './faults.ts';
import type { FaultSummary } from './summary.ts';

/** What the figures are held to. */

export interface Verdict {
  readonly fault: FaultName;
  readonly target: string;
  readonly measured: string;
  readonly met: boolean;
  /** Times depend on the machine: not meeting them is told, and is no failure. */
  readonly isTime: boolean;
}

const DETECTION_MS_MAX = { atOnce: 60, silent: 1_500 };
const FAILOVER_MS_MAX = 100;
/** Added to the delay between the parties, against the control, at the 99th percentile. */
const ADDED_DELAY_US_MAX = 1_000;
const LEDGER_PACKETS_MAX = 1;

const detectedAtOnce: readonly FaultName[] = ['kill', 'refuse'];
const detectedBySilence: readonly FaultName[] = ['stop', 'partition'];
const withoutGap: readonly FaultName[] = ['term', 'drain'];
const wholeOnEveryLeg: readonly FaultName[] = [
  ...detectedAtOnce,
  'kill-host',
  'refuse-host',
  ...detectedBySilence,
  ...withoutGap,
  'none',
  'sip-only',
  'slow',
  'both',
  'none-left',
];

export function judgeAll(summaries: readonly FaultSummary[]): Verdict[] {
  const control = summaries.find(({ fault }) => fault === 'none');
  return summaries.flatMap((summary) => judgeFault(summary, control));
}

function judgeFault(summary: FaultSummary, control: FaultSummary | undefined): Verdict[] {
  const { fault } = summary;
  const verdicts: Verdict[] = [];
  const count = (target: string, value: number, unit: string, max = 0): void => {
    const measured = `${value} ${unit}`;
    verdicts.push({ fault, target, measured, met: value <= max, isTime: false });
  };
  const time = (target: string, value: number | undefined, max: number, unit = 'ms'): void => {
    const met = value === undefined || value <= max;
    const measured = value === undefined ? 'none' : `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`;
    verdicts.push({ fault, target, measured, met, isTime: true });
  };
  if (detectedAtOnce.includes(fault)) {
    const { atOnce } = DETECTION_MS_MAX;
    time(`detection p99 at most ${atOnce} ms`, summary.detectionMs?.p99, atOnce);
    const target = `failover p99 at most ${FAILOVER_MS_MAX} ms`;
    time(target, summary.failoverMs?.p99, FAILOVER_MS_MAX);
  }
  if (detectedBySilence.includes(fault)) {
    const { silent } = DETECTION_MS_MAX;
    time(`detection at most ${silent} ms`, summary.detectionMs?.max, silent);
  }
  if (wholeOnEveryLeg.includes(fault)) {
    const { concerned, others } = summary.lostPackets;
    count('every leg whole after replay', concerned + others, 'packets lost');
  } else {
    count('legs elsewhere whole', summary.lostPackets.others, 'packets lost');
  }
  if (withoutGap.includes(fault)) {
    const late = summary.replayedMs?.max ?? 0;
    count('no gap on the leg: nothing had to be replayed', late, 'ms at most came late');
  }
  count('nothing missing after the merge', summary.missingAfterMerge, 'packets missing');
  if (faults[fault].mustMove) count('all legs concerned moved', summary.unmovedLegs, 'did not');
  count('no false alarm', summary.falseAlarms, 'legs moved without need');
  if (fault !== 'rm-restart') {
    const { differenceMax, differenceMin } = summary.ledger;
    const apart = Math.max(differenceMax, -differenceMin);
    count('ledger within 1 packet of the truth', apart, 'packets apart', LEDGER_PACKETS_MAX);
  }
  count('parties: no packet lost', summary.party.lostPackets, 'packets lost');
  if (summary.restart === null && control !== undefined && fault !== 'none') {
    const [own, without] = [summary.party.delayUsP99, control.party.delayUsP99];
    const added = own === null || without === null ? undefined : own - without;
    const target = `parties: delay p99 at most ${ADDED_DELAY_US_MAX} us above the control's`;
    time(target, added, ADDED_DELAY_US_MAX, 'us more');
  }
  return verdicts;
}
