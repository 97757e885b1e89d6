import type { StreamReport } from '../../edge/types.ts';
import type { Range } from '../../rtp/ranges.ts';
import type { Party } from '../interfaces.ts';
import type { Marks, Pause, Streams, WindowRecord } from './records.ts';

/**
 * Which packets were to be recorded. The marks are sequence numbers, so they are exact, and the same for both legs. Each change
 * happens once: asked for again it changes nothing. Pure.
 */

/** As many as an edge keeps out of one copy. */
const keptOutMax = 64;

/** What was to be recorded of one stream. */
export interface StreamWindow {
  /** First sequence that was to be recorded; undefined: the stream had not begun, everything counts. */
  readonly from?: number;
  /** Last sequence that was to be recorded; undefined while recording goes on. */
  readonly to?: number;
  /** Sequences that arrived while recording was paused. */
  readonly paused: readonly Range[];
  /** Arrived after the order to resume, before the recorders had taken it: what is withheld there is no loss. */
  readonly resuming?: readonly Range[];
}

export const newWindow: WindowRecord = { pauses: [] };

/** Everything that arrives after this moment. */
export function beginWindow(window: WindowRecord, marks: Marks): WindowRecord {
  return window.from === undefined ? { ...window, from: marks } : window;
}

export function pauseWindow(window: WindowRecord, marks: Marks): WindowRecord {
  const last = window.pauses.at(-1);
  if (last !== undefined && last.to === undefined) return window;
  // Whether the legs sent again before this one or not: from here on it is this one that withholds.
  const { pauses } = resumedWindow(window, marks);
  return { ...window, pauses: [...pauses, { from: marks }] };
}

export function resumeWindow(window: WindowRecord, marks: Marks): WindowRecord {
  const last = window.pauses.at(-1);
  return last === undefined || last.to !== undefined
    ? window
    : withLast(window, { ...last, to: marks });
}

/** The legs send again: from here on nothing is withheld. */
export function resumedWindow(window: WindowRecord, marks: Marks): WindowRecord {
  const last = window.pauses.at(-1);
  return last?.to === undefined || last.resumed !== undefined
    ? window
    : withLast(window, { ...last, resumed: marks });
}

export function endWindow(window: WindowRecord, marks: Marks): WindowRecord {
  return window.to === undefined ? { ...window, to: marks } : window;
}

/** Of recordings of one call that followed each other: what came in between was not to be recorded, as in a pause. */
export function joinWindows(windows: readonly WindowRecord[]): WindowRecord {
  const [first = newWindow, ...later] = windows.map(closed);
  return later.reduce(
    (joined, { from, to, pauses }) => ({
      ...(joined.from === undefined ? {} : { from: joined.from }),
      ...(to === undefined ? {} : { to }),
      pauses: [...joined.pauses, ...gap(joined.to, from), ...pauses],
    }),
    first,
  );
}

export function marksOf(streams: Streams): Marks {
  return { a: nextSequence(streams.a), b: nextSequence(streams.b) };
}

/** Of the packet after the newest; undefined before the first. */
export function nextSequence(stream: StreamReport): number | undefined {
  const newest = stream.received.at(-1);
  return newest === undefined ? undefined : newest.last + 1;
}

/** First packet that the pause which goes on keeps out, or the end. 0: all of them. */
export function pausedFrom({ pauses, to }: WindowRecord): Readonly<Record<Party, number>> {
  const last = pauses.at(-1);
  const marks = [last?.to === undefined ? last?.from : undefined, to].filter(
    (mark) => mark !== undefined,
  );
  const of = (party: Party): number => Math.min(...marks.map((mark) => mark[party] ?? 0));
  return marks.length === 0 ? { a: 0, b: 0 } : { a: of('a'), b: of('b') };
}

export function streamWindow(window: WindowRecord, party: Party): StreamWindow {
  const from = window.from?.[party];
  return {
    ...(from === undefined ? {} : { from }),
    // A stream that had not begun by the end has nothing to record.
    ...(window.to === undefined ? {} : { to: (window.to[party] ?? 0) - 1 }),
    paused: window.pauses.map((pause) => between(pause.from, pause.to, party)).filter(isSome),
    resuming: window.pauses
      .flatMap(({ to, resumed }) => (to === undefined ? [] : [between(to, resumed, party)]))
      .filter(isSome),
  };
}

/** Pauses that are over, the last ones: what a copy must leave out wherever it begins. */
export function keptOut(window: WindowRecord): Readonly<Record<Party, readonly Range[]>> {
  const over = window.pauses.filter(({ to }) => to !== undefined).slice(-keptOutMax);
  const of = (party: Party): Range[] =>
    over.map(({ from, to }) => between(from, to, party)).filter(isSome);
  return { a: of('a'), b: of('b') };
}

/** No copy begins before this packet. Undefined while nothing speaks against any. */
export function floorOf(window: WindowRecord, party: Party): number | undefined {
  // What lies before pauses that can no longer be told apart is given up.
  const over = window.pauses.filter(({ to }) => to !== undefined);
  return over.at(-keptOutMax - 1)?.to?.[party] ?? window.from?.[party];
}

function withLast(window: WindowRecord, pause: Pause): WindowRecord {
  return { ...window, pauses: [...window.pauses.slice(0, -1), pause] };
}

/** A pause that nobody ended ends with its recording. */
function closed(window: WindowRecord): WindowRecord {
  const last = window.pauses.at(-1);
  const { to } = window;
  if (last === undefined || last.to !== undefined || to === undefined) return window;
  return withLast(window, { ...last, to, resumed: to });
}

function gap(from: Marks | undefined, to: Marks | undefined): Pause[] {
  if (from === undefined) return [];
  return [to === undefined ? { from } : { from, to, resumed: to }];
}

function between(from: Marks, to: Marks | undefined, party: Party): Range {
  return {
    first: from[party] ?? 0,
    last: (to === undefined ? Infinity : (to[party] ?? 0)) - 1,
  };
}

function isSome({ first, last }: Range): boolean {
  return last >= first;
}
