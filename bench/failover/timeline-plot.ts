import type { TimelineSample } from './job.ts';
import { dot, line, rect, svg, text } from './svg.ts';

const WIDTH = 960;
const LEFT = 130;
const RIGHT = 24;
const LABEL_HEIGHT = 17;
const ROW_HEIGHT = 46;
const WAYS_MAX = 60;
/** From party to file in less: sent as it came, not out of the ring. */
const LIVE_MS = 8;

interface Moment {
  readonly ms: number;
  readonly label: string;
  readonly kind: 'bad' | 'known' | 'good';
}

/** One stream of one leg, a dot a packet: sent by the party, in the old recorder's file, in the new one's. */
export function timelinePlot(sample: TimelineSample): string {
  const { sentMs, oldMs, newMs, from, to } = sample;
  const brought = [...newMs.keys()].filter((index) => newMs[index] !== null);
  const firstLive = brought.find((index) => newMs[index]! - sentMs[index]! < LIVE_MS);
  const replayFrom = newMs[brought[0] ?? -1] ?? sample.sessionMs;
  const liveFrom = newMs[firstLive ?? brought.at(-1) ?? -1] ?? sample.sessionMs;
  const moments: Moment[] = [
    { ms: 0, label: 'the fault', kind: 'bad' },
    {
      ms: sample.deadMs,
      label: `${sample.reason === 'icmp' ? 'first packet refused' : 'last sign of life'}: ${format(sample.deadMs)}`,
      kind: 'bad',
    },
    {
      ms: sample.detectedMs,
      label: `detected (${sample.reason}): ${format(sample.detectedMs)}`,
      kind: 'known',
    },
    {
      ms: sample.sessionMs,
      label: `new session on ${to}: ${format(sample.sessionMs)}`,
      kind: 'known',
    },
    { ms: liveFrom, label: `replayed, live again: ${format(liveFrom)}`, kind: 'good' },
  ];
  const first = Math.min(sentMs[0] ?? 0, sample.deadMs);
  const last = Math.max(sentMs.at(-1) ?? 0, liveFrom);
  const x = (ms: number): number => LEFT + ((ms - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const top = moments.length * LABEL_HEIGHT + 14;
  const rows = { sent: top + 14, old: top + 14 + ROW_HEIGHT, fresh: top + 14 + 2 * ROW_HEIGHT };
  const bottom = rows.fresh + 26;
  const marks: string[] = [];
  marks.push(rect('replay', x(replayFrom), rows.fresh - 11, x(liveFrom) - x(replayFrom), 22));
  for (const [index, { ms, label, kind }] of moments.entries()) {
    const y = (index + 1) * LABEL_HEIGHT - 4;
    marks.push(line(`moment ${kind}`, x(ms), y - 9, x(ms), bottom));
    const isRight = x(ms) > WIDTH * 0.62;
    marks.push(
      text(`label ${kind}`, x(ms) + (isRight ? -5 : 5), y, label, isRight ? 'end' : 'start'),
    );
  }
  for (const [name, row] of [
    ['party a sends', rows.sent],
    [`in ${from}'s file`, rows.old],
    [`in ${to}'s file`, rows.fresh],
  ] as const) {
    marks.push(line('base', LEFT, row, WIDTH - RIGHT, row), text('row', 4, row + 4, name));
  }
  const ways: string[] = [];
  for (const [index, sent] of sentMs.entries()) {
    const arrived = newMs[index] ?? null;
    if (arrived !== null && arrived - sent >= LIVE_MS) {
      ways.push(line('way', x(sent), rows.sent, x(arrived), rows.fresh));
    }
  }
  // Many of them side by side would be one dark patch.
  const each = Math.ceil(ways.length / WAYS_MAX);
  marks.push(...ways.filter((_, index) => index % each === 0));
  for (const [index, sent] of sentMs.entries()) {
    const [old, arrived] = [oldMs[index] ?? null, newMs[index] ?? null];
    const isLost = old === null && arrived === null;
    marks.push(dot(isLost ? 'packet lost' : 'packet', x(sent), rows.sent, 3));
    if (old !== null) marks.push(dot('packet old', x(old), rows.old, 3));
    else marks.push(dot('packet none', x(sent), rows.old, 2.5));
    if (arrived !== null) marks.push(dot('packet new', x(arrived), rows.fresh, 3));
  }
  for (const ms of ticks(first, last)) {
    marks.push(line('tick', x(ms), bottom, x(ms), bottom + 5));
    marks.push(text('axis', x(ms), bottom + 18, `${ms} ms`, 'middle'));
  }
  marks.push(line('axis-line', LEFT, bottom, WIDTH - RIGHT, bottom));
  return svg(WIDTH, bottom + 26, 'Timeline of one failover', marks);
}

function ticks(first: number, last: number): number[] {
  const step =
    [50, 100, 200, 500, 1_000, 2_000].find((size) => (last - first) / size <= 12) ?? 5_000;
  const from = Math.ceil(first / step);
  return Array.from(
    { length: Math.floor(last / step) - from + 1 },
    (_, index) => (from + index) * step,
  );
}

function format(ms: number): string {
  return `${ms.toFixed(Math.abs(ms) < 100 ? 1 : 0)} ms`;
}
