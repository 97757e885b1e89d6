import { formatTable } from '../table.ts';
import type { FaultSummary, Spread } from './summary.ts';
import type { Verdict } from './targets.ts';

export interface Table {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The figures as people read them: in the terminal and on the page. */
export function figureTables(summaries: readonly FaultSummary[]): readonly Table[] {
  return [
    {
      title: 'How long it took: legs on the recorders concerned, ms',
      header: [
        'fault',
        'legs',
        'moved',
        'detection p50',
        'p99',
        'max',
        'failover p50',
        'p99',
        'max',
        'sum p50',
        'p99',
        'max',
        'gap max',
        'reason',
      ],
      rows: summaries.map((summary) => [
        summary.fault,
        String(summary.concernedLegs),
        String(summary.movedLegs),
        ...spreadCells(summary.detectionMs),
        ...spreadCells(summary.failoverMs),
        ...spreadCells(summary.sumMs),
        ms(summary.gapMs?.max),
        Object.keys(summary.reasons).join(' ') || '-',
      ]),
    },
    {
      title: 'What it cost: packets, all trials together',
      header: [
        'fault',
        'trials',
        'sent',
        'replayed ms p50',
        'lost: legs concerned',
        'others',
        'missing merged',
        'false alarms',
        'ledger lost',
        'apart',
        'party lost',
        'delay us p50',
        'p99',
      ],
      rows: summaries.map((summary) => [
        summary.fault,
        String(summary.trials),
        String(summary.sentPackets),
        ms(summary.replayedMs?.p50),
        String(summary.lostPackets.concerned),
        String(summary.lostPackets.others),
        String(summary.missingAfterMerge),
        String(summary.falseAlarms),
        summary.fault === 'rm-restart' ? '-' : String(summary.ledger.lostPackets),
        summary.fault === 'rm-restart' ? '-' : apart(summary),
        String(summary.party.lostPackets),
        ms(summary.party.delayUsP50 ?? undefined),
        ms(summary.party.delayUsP99 ?? undefined),
      ]),
    },
  ];
}

export function formatReport(
  summaries: readonly FaultSummary[],
  verdicts: readonly Verdict[],
): string {
  const tables = figureTables(summaries).map(
    ({ title, header, rows }) => `${title}\n\n${formatTable([header, ...rows])}\n`,
  );
  const missed = verdicts.filter(({ met }) => !met);
  const lines = verdicts.map(
    ({ fault, target, measured, met }) =>
      `${met ? 'met    ' : 'NOT MET'}  ${fault}: ${target} (${measured})`,
  );
  const count = `${verdicts.length - missed.length} of ${verdicts.length} targets met`;
  return [...tables, ...lines, '', ...notes(summaries), count, ''].join('\n');
}

/** What spoils or explains the figures. */
export function notes(summaries: readonly FaultSummary[]): string[] {
  const late = summaries.reduce((sum, { lateTrials }) => sum + lateTrials, 0);
  const trials = summaries.reduce((sum, summary) => sum + summary.trials, 0);
  const busy =
    late === 0
      ? []
      : [
          `In ${late} of ${trials} trials the load generator itself was 20 ms late or more: the machine was busy with ` +
            'something else, and times of those trials say little.',
        ];
  const own = summaries.flatMap((summary) => {
    const { fault, restart, spoiltTrials, damagedPackets, ledger } = summary;
    const found: string[] = [];
    if (spoiltTrials > 0) {
      found.push(`${fault}: the load generator lost packets itself in ${spoiltTrials} trials`);
    }
    if (damagedPackets > 0) found.push(`${fault}: ${damagedPackets} packets on disk are damaged`);
    if (ledger.lostInUsPackets > 0) {
      found.push(`${fault}: the ledger says that Tandem lost ${ledger.lostInUsPackets} packets`);
    }
    if (restart !== null) {
      const { p50, max } = restart.readyMs;
      found.push(
        `${fault}: tandem serve takes calls again ${p50.toFixed(0)} ms (median; max ${max.toFixed(0)}) after ` +
          'SIGKILL. Roles run in one process, so the calls on it end with it; judged are their files up to the kill, ' +
          'and the calls placed after it.',
      );
    }
    return found;
  });
  return [...busy, ...own];
}

function spreadCells(spread: Spread | null): string[] {
  return [ms(spread?.p50), ms(spread?.p99), ms(spread?.max)];
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(value < 10 ? 1 : 0);
}

/** Ledger less truth, the worst of any stream of a leg. */
function apart({ ledger: { differenceMax, differenceMin } }: FaultSummary): string {
  if (differenceMax === 0 && differenceMin === 0) return '0';
  return differenceMax >= -differenceMin ? `+${differenceMax}` : String(differenceMin);
}
