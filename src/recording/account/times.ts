import type { SequenceRange, StreamReport } from '../../edge/types.ts';

/**
 * Which packet arrived when, as far as the ends of ranges tell: only those are timed, and those in between lie near a line between
 * them. Pure.
 */

/**
 * First sequence that arrived at or after `at` (Unix ms), or one before it; one past the newest when none did; undefined
 * before the first packet.
 *
 * Within a range the line may name too late a packet. Nobody sends for long faster than his media plays, so what came after
 * `at` is at most what fits in between: the earlier of the two is taken.
 */
export function sequenceAt(stream: StreamReport, at: number): number | undefined {
  const { packetMs, received } = stream;
  const range = received[firstIndex(received.length, (index) => lastAt(received, index) >= at)];
  if (range === undefined) {
    const newest = received.at(-1);
    return newest === undefined ? undefined : newest.last + 1;
  }
  if (range.firstAt >= at) return range.first;
  const share = (at - range.firstAt) / (range.lastAt - range.firstAt);
  const even = range.first + Math.ceil(share * (range.last - range.first));
  const latest = range.last - Math.floor((range.lastAt - at) / packetMs + roundingSlack);
  return Math.max(range.first, Math.min(even, latest));
}

/** Part of a packet: times are doubles. */
const roundingSlack = 1e-6;

/** When a packet that was received arrived, interpolated within its range. Unix ms; 0 when nothing was received. */
export function arrivalOf({ received }: StreamReport, sequence: number): number {
  const index = firstIndex(received.length, (i) => (received[i]?.last ?? Infinity) >= sequence);
  const range = received[index] ?? received.at(-1);
  if (range === undefined) return 0;
  const { first, firstAt, last, lastAt } = range;
  if (last <= first) return lastAt;
  const share = (sequence - first) / (last - first);
  return firstAt + Math.min(1, Math.max(0, share)) * (lastAt - firstAt);
}

interface Point {
  readonly sequence: number;
  readonly at: number;
}

/** When a packet arrived, or would have: interpolated between the times that are known. Unix ms; 0 when none is. */
export function timeTable(
  lists: readonly (readonly SequenceRange[])[],
): (sequence: number) => number {
  const points: Point[] = [];
  for (const list of lists) {
    for (const { first, last, firstAt, lastAt } of list) {
      if (firstAt > 0) points.push({ sequence: first, at: firstAt });
      if (lastAt > 0 && last > first) points.push({ sequence: last, at: lastAt });
    }
  }
  points.sort((x, y) => x.sequence - y.sequence);
  return (sequence) => {
    const index = firstIndex(points.length, (i) => (points[i]?.sequence ?? 0) >= sequence);
    const right = points[index] ?? points.at(-1);
    const left = points[Math.max(0, index - 1)] ?? right;
    if (right === undefined || left === undefined) return 0;
    if (right.sequence <= left.sequence || right.sequence <= sequence) return right.at;
    const share = (sequence - left.sequence) / (right.sequence - left.sequence);
    return left.at + Math.min(1, Math.max(0, share)) * (right.at - left.at);
  };
}

function lastAt(ranges: readonly SequenceRange[], index: number): number {
  return ranges[index]?.lastAt ?? Infinity;
}

/** Of `length` the first for which `holds`, which holds for all after it; `length` if it holds for none. */
function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
