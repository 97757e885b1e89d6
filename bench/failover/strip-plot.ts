import { dot, line, rect, svg, text } from './svg.ts';
import { spread } from './summary.ts';

const WIDTH = 960;
const LEFT = 100;
const RIGHT = 210;
const ROW_HEIGHT = 38;
const TOP = 24;
const BIN_PX = 4;
const HALF_MAX = 14;
/** Width of the place for what is below 1 ms, left of the logarithmic scale. */
const ZERO_PX = 52;

export interface Strip {
  readonly name: string;
  /** ms. */
  readonly values: readonly number[];
}

/**
 * A row for each fault: how many legs came to which value, as a band that is as thick as there are many (by square root, so
 * that single legs are seen), with median and 99th percentile. Logarithmic, with a place for what is below 1 ms.
 */
export function stripPlot(title: string, strips: readonly Strip[], kind: string): string {
  const most = Math.max(10, ...strips.flatMap(({ values }) => Math.max(0, ...values)));
  const decades = Math.ceil(Math.log10(most));
  const from = LEFT + ZERO_PX;
  const x = (ms: number): number =>
    ms < 1 ? LEFT + 12 : from + (Math.log10(ms) / decades) * (WIDTH - from - RIGHT);
  const bottom = TOP + strips.length * ROW_HEIGHT;
  const marks: string[] = [];
  for (let decade = 0; decade <= decades; decade++) {
    const at = x(10 ** decade);
    marks.push(line('grid', at, TOP - 6, at, bottom));
    const label = decade < 3 ? `${10 ** decade} ms` : `${10 ** (decade - 3)} s`;
    marks.push(text('axis', at, bottom + 16, label, 'middle'));
  }
  marks.push(text('axis', x(0), bottom + 16, '< 1', 'middle'));
  marks.push(text('axis', WIDTH - RIGHT + 70, TOP - 10, 'median', 'end'));
  marks.push(text('axis', WIDTH - RIGHT + 135, TOP - 10, 'p99', 'end'));
  marks.push(text('axis', WIDTH - RIGHT + 200, TOP - 10, 'max', 'end'));
  for (const [index, { name, values }] of strips.entries()) {
    const y = TOP + index * ROW_HEIGHT + ROW_HEIGHT / 2;
    marks.push(text('row', 4, y + 4, name), line('base', LEFT, y, WIDTH - RIGHT, y));
    marks.push(...band(values, x, y, kind));
    const figures = spread(values);
    if (figures === null) {
      marks.push(text('muted', LEFT + ZERO_PX + 8, y - 4, 'no leg'));
      continue;
    }
    const { p50, p99, max } = figures;
    marks.push(line('median', x(p50), y - 16, x(p50), y + 16), dot('p99', x(p99), y, 3.5));
    for (const [column, value] of [p50, p99, max].entries()) {
      marks.push(text('figure', WIDTH - RIGHT + 70 + 65 * column, y + 4, figure(value), 'end'));
    }
  }
  return svg(WIDTH, bottom + 24, title, marks);
}

function band(
  values: readonly number[],
  x: (ms: number) => number,
  y: number,
  kind: string,
): string[] {
  const bins = new Map<number, number>();
  for (const value of values) {
    const bin = Math.floor(x(value) / BIN_PX);
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  const most = Math.max(1, ...bins.values());
  return Array.from(bins, ([bin, count]) => {
    const half = Math.max(1.5, HALF_MAX * Math.sqrt(count / most));
    return rect(`band ${kind}`, bin * BIN_PX, y - half, BIN_PX - 0.5, 2 * half);
  });
}

function figure(ms: number): string {
  if (ms === 0) return '0';
  return ms < 1_000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}
