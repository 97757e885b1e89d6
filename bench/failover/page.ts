import { faults } from './faults.ts';
import type { FaultName } from './faults.ts';
import type { TrialResult } from './job.ts';
import { pageStyle } from './page-style.ts';
import { stripPlot } from './strip-plot.ts';
import type { Strip } from './strip-plot.ts';
import type { FaultSummary } from './summary.ts';
import { escape } from './svg.ts';
import { figureTables, notes } from './tables.ts';
import type { Table } from './tables.ts';
import type { Verdict } from './targets.ts';
import { timelinePlot } from './timeline-plot.ts';

export interface PageContent {
  readonly heading: string;
  readonly command: string;
  readonly results: readonly TrialResult[];
  readonly summaries: readonly FaultSummary[];
  readonly verdicts: readonly Verdict[];
}

/** A timeline of each of these, where it was measured: one fault that is noticed at once, one by silence. */
const timelines: readonly FaultName[] = ['kill', 'stop', 'none-left'];

/** One HTML file with everything in it. */
export function writePage(content: PageContent): string {
  const { heading, command, results, summaries, verdicts } = content;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tandem: failover benchmark</title><style>${pageStyle}</style></head><body><main>
<h1>Failover benchmark</h1>
<p class="muted">${escape(heading)}</p>
<p><code>${escape(command)}</code></p>
${verdictSection(summaries, verdicts)}
${timelineSection(results)}
${distributionSection(results, summaries)}
${tableSection(summaries)}
${definitionSection(summaries)}
</main></body></html>
`;
}

function verdictSection(summaries: readonly FaultSummary[], verdicts: readonly Verdict[]): string {
  const missed = verdicts.filter(({ met }) => !met);
  const missing = sum(summaries.map(({ missingAfterMerge }) => missingAfterMerge));
  const party = sum(summaries.map((summary) => summary.party.lostPackets));
  const alarms = sum(summaries.map(({ falseAlarms }) => falseAlarms));
  const sent = sum(summaries.map(({ sentPackets }) => sentPackets));
  const tile = (value: string, label: string, isOff: boolean): string =>
    `<div${isOff ? ' class="off"' : ''}><b>${value}</b>${label}</div>`;
  const row = ({ fault, target, measured, met }: Verdict): string =>
    `<tr><td class="${met ? 'met' : 'missed'}">${met ? 'met' : 'not met'}</td><td>${fault}</td>` +
    `<td>${escape(target)}</td><td>${escape(measured)}</td></tr>`;
  const table = (rows: readonly Verdict[]): string =>
    `<table class="words"><tr><th></th><th>fault</th><th>target</th><th>measured</th></tr>${rows.map(row).join('')}</table>`;
  return `<section><h2>Verdict</h2>
<div class="sum">
${tile(`${verdicts.length - missed.length} of ${verdicts.length}`, 'targets met', missed.length > 0)}
${tile(String(missing), `packets missing after the merge, of ${sent.toLocaleString('en')} sent`, missing > 0)}
${tile(String(party), 'packets lost between the parties', party > 0)}
${tile(String(alarms), 'false alarms', alarms > 0)}
</div>
${missed.length === 0 ? '' : table(missed)}
<details><summary>All targets</summary><div class="scroll">${table(verdicts)}</div></details></section>`;
}

function timelineSection(results: readonly TrialResult[]): string {
  const plots = timelines.flatMap((fault) => {
    const sample = results.find(
      (result) => result.fault === fault && result.timeline !== null,
    )?.timeline;
    if (sample === null || sample === undefined) return [];
    return [
      `<h3>${fault}: ${escape(faults[fault].what)}</h3><div class="scroll">${timelinePlot(sample)}</div>`,
    ];
  });
  if (plots.length === 0) return '';
  return `<section><h2>One failover, packet by packet</h2>
<p class="muted">A leg in the middle of its trial. Each dot is a packet: when the party sent it, when it came to the old and to
the new recorder's file; a ring where the old one does not have it. The band is the replay out of the ring, which begins a little
before what is known to be missing; a slanting line follows a packet that came by it.</p>
${plots.join('\n')}</section>`;
}

function distributionSection(
  results: readonly TrialResult[],
  summaries: readonly FaultSummary[],
): string {
  const moving = summaries.filter(({ fault }) => faults[fault].mustMove);
  const concerned = summaries.filter(({ concernedLegs }) => concernedLegs > 0);
  const strips = (
    rows: readonly FaultSummary[],
    valuesOf: (result: TrialResult) => readonly number[],
  ): Strip[] =>
    rows.map(({ fault }) => ({
      name: fault,
      values: results.filter((result) => result.fault === fault).flatMap(valuesOf),
    }));
  const due = (result: TrialResult) => result.moved.filter(({ isFalseAlarm }) => !isFalseAlarm);
  const media = (result: TrialResult, packets: 'latePackets' | 'lostPackets'): number[] =>
    result.legs.filter((leg) => leg.concerned).map((leg) => (leg[packets] / 2) * result.ptimeMs);
  const figure = (title: string, what: string, rows: Strip[], kind: string): string =>
    `<h3>${title}</h3><p class="muted">${what}</p><div class="scroll">${stripPlot(title, rows, kind)}</div>`;
  return `<section><h2>Distributions</h2>
<p class="muted">A row for each fault; the band is as thick as there are many legs (by square root). Bar: median. Ring: 99th
percentile.</p>
${figure(
  'Detection',
  'From the fault, by the benchmark\u2019s clock, to the moment Tandem knew, for each leg.',
  strips(moving, (result) => due(result).map(({ detectionMs }) => detectionMs)),
  'detection',
)}
${figure(
  'Failover',
  'From then to the first packet sent to the next recorder.',
  strips(moving, (result) => due(result).flatMap(({ failoverMs }) => failoverMs ?? [])),
  'failover',
)}
${figure(
  'Media that only the replay brought',
  'Without the ring it would be missing on the leg, per stream: about detection and failover together.',
  strips(concerned, (result) => media(result, 'latePackets')),
  'replayed',
)}
${figure(
  'Lost media',
  'In no file of the leg, per stream. Nothing but zero where the network itself does not lose packets.',
  strips(concerned, (result) => media(result, 'lostPackets')),
  'lostmedia',
)}
</section>`;
}

function tableSection(summaries: readonly FaultSummary[]): string {
  const table = ({ title, header, rows }: Table): string =>
    `<h3>${escape(title)}</h3><div class="scroll"><table><tr>${header.map((cell) => `<th>${escape(cell)}</th>`).join('')}</tr>` +
    `${rows.map((row) => `<tr>${row.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`).join('')}</table></div>`;
  const remarks = notes(summaries).map((note) => `<p class="muted">${escape(note)}</p>`);
  return `<section><h2>All figures</h2>${figureTables(summaries).map(table).join('')}${remarks.join('')}</section>`;
}

function definitionSection(summaries: readonly FaultSummary[]): string {
  const definitions = [
    [
      'Ground truth',
      'The load generator\u2019s log of packets that the kernel took, from when both legs of all calls record to the end of ' +
        'media, against the capture files of all sessions of each leg; every packet carries its stream and number.',
    ],
    ['Legs concerned', 'Those on the recorders that the fault is done to, when it begins.'],
    [
      'Sum',
      'Detection and failover of a leg together: what it would lose without a ring (the Genesys sum).',
    ],
    ['Gap', 'Longest time in which no new packet of a stream came to any recorder of its leg.'],
    [
      'Replayed',
      'Came to a recorder 50 ms or more after it was sent; media of one stream, median of the legs.',
    ],
    ['Missing merged', 'In no file of either leg.'],
    [
      'False alarm',
      'A leg that left a recorder to which nothing was done, or one that it should have stayed on.',
    ],
    [
      'Ledger, apart',
      'Lost packets by the ledger less those by the files: the worst single stream of a leg.',
    ],
    [
      'Delay',
      'From a party\u2019s send to the kernel\u2019s receive time at the other party, of packets sent from the fault on.',
    ],
  ];
  const list = (entries: readonly (readonly string[])[]): string =>
    `<dl>${entries.map(([term = '', what = '']) => `<dt>${escape(term)}</dt><dd>${escape(what)}</dd>`).join('')}</dl>`;
  return `<section><h2>Faults</h2>${list(summaries.map(({ fault }) => [fault, faults[fault].what]))}
<h2>Words</h2>${list(definitions)}</section>`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
