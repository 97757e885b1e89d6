import { align } from './alignment.ts';
import type { CaptureIndex } from './capture-index.ts';
import { DisjointSets } from './disjoint-sets.ts';
import type { InputFiles } from './input-files.ts';
import type { RtpRun } from './rtp-run.ts';
import type { Track } from './track.ts';
import { UnitedStream } from './united-stream.ts';

/** Receive times further apart than this are clocks that differ; a replay comes less late. */
const CLOCKS_APART_MS = 15_000;
/** A sender's new start and what came before may overlap by late packets. */
const SUCCESSION_MS = 1_000;
/** Later than this, another capture's packets of the SSRC are more likely another call of a sender that never changes it. */
const FAILOVER_MS_MAX = 60_000;

/** A run that has the SSRC of a stream of another input and is not that stream. */
export interface Stranger {
  readonly input: number;
  readonly other: number;
  readonly ssrc: number;
  readonly reason: 'other-payloads' | 'other-place';
}

export interface Grouping {
  /** By time of the first packet; lanes in the order of the inputs. */
  readonly streams: UnitedStream[];
  /** Inputs that belong together, each by its index; the first set is the one with most inputs. */
  readonly families: number[][];
  readonly strangers: Stranger[];
  /** Ms to subtract from an input's receive times. */
  readonly clockOffsetsMs: ReadonlyMap<number, number>;
}

interface Piece {
  readonly index: CaptureIndex;
  readonly track: Track;
  readonly run: RtpRun;
}

/** Unites what all inputs hold into streams, and tells which inputs have to do with each other. */
export function groupStreams(indexes: readonly CaptureIndex[], files: InputFiles): Grouping {
  const bySsrc = new Map<number, Piece[]>();
  for (const index of indexes) {
    for (const track of index.tracks.values()) {
      for (const run of track.runs) {
        const pieces = bySsrc.get(track.ssrc) ?? [];
        bySsrc.set(track.ssrc, pieces);
        pieces.push({ index, track, run });
      }
    }
  }
  const strangers: Stranger[] = [];
  const clocks = new ClockOffsets();
  const streams: UnitedStream[] = [];
  for (const pieces of bySsrc.values()) {
    streams.push(...unite(pieces, files, strangers, clocks));
  }
  for (const stream of streams) {
    stream.lanes.sort((x, y) => x.input.index - y.input.index || x.run.firstAt - y.run.firstAt);
  }
  streams.sort((x, y) => x.firstAt - y.firstAt);
  const families = familiesOf(indexes, streams);
  return { streams, families, strangers, clockOffsetsMs: clocks.offsetsMs(families) };
}

/** Longest runs first: the others then lie between packets that are known. */
function unite(
  pieces: readonly Piece[],
  files: InputFiles,
  strangers: Stranger[],
  clocks: ClockOffsets,
): UnitedStream[] {
  const streams: UnitedStream[] = [];
  const longestFirst = [...pieces].sort(
    (x, y) => y.run.packets - x.run.packets || x.index.input.index - y.index.input.index,
  );
  for (const { index, track, run } of longestFirst) {
    const input = index.input;
    let best: { stream: UnitedStream; shift: number; cost: number } | undefined;
    let laterMs: number | undefined;
    const misfits: Stranger[] = [];
    for (const stream of streams) {
      const fit = align(stream, run, input.index, files);
      if (typeof fit === 'string') {
        const other = stream.lanes[0]?.input.index ?? 0;
        misfits.push({ input: input.index, other, ssrc: track.ssrc, reason: fit });
      } else if (best === undefined || fit.cost < best.cost) {
        best = { stream, shift: fit.shift, cost: fit.cost };
        laterMs = fit.laterMs;
      }
    }
    if (best === undefined) {
      streams.push(new UnitedStream({ input, track, run, shift: 0 }));
      strangers.push(...misfits.filter(({ other }) => other !== input.index));
    } else {
      const other = best.stream.lanes[0]?.input.index ?? 0;
      if (laterMs !== undefined) clocks.add(other, input.index, laterMs);
      best.stream.add({ input, track, run, shift: best.shift });
    }
  }
  return streams;
}

/** Inputs of one call share a stream, or follow each other with one SSRC, or say that they record the same session. */
function familiesOf(
  indexes: readonly CaptureIndex[],
  streams: readonly UnitedStream[],
): number[][] {
  const sets = new DisjointSets(Math.max(0, ...indexes.map(({ input }) => input.index + 1)));
  for (const { lanes } of streams) {
    for (const { input } of lanes) sets.join(lanes[0]?.input.index ?? 0, input.index);
  }
  for (const [at, stream] of streams.entries()) {
    for (const other of streams.slice(at + 1)) {
      if (!follows(stream, other, FAILOVER_MS_MAX)) continue;
      sets.join(stream.lanes[0]?.input.index ?? 0, other.lanes[0]?.input.index ?? 0);
    }
  }
  const bySession = new Map<string, number>();
  for (const { input } of indexes) {
    const session = input.recording?.sessionId ?? undefined;
    if (session === undefined) continue;
    const known = bySession.get(session);
    if (known === undefined) bySession.set(session, input.index);
    else sets.join(known, input.index);
  }
  const families = Map.groupBy(
    indexes.map(({ input }) => input.index),
    (input) => sets.find(input),
  );
  return [...families.values()].sort((x, y) => y.length - x.length);
}

/** One sender that began its numbers anew, `pauseMsMax` later at most. */
export function follows(one: UnitedStream, other: UnitedStream, pauseMsMax = Infinity): boolean {
  if (one.ssrc !== other.ssrc) return false;
  const pauseMs = Math.max(other.firstAt - one.lastAt, one.firstAt - other.lastAt);
  return pauseMs >= -SUCCESSION_MS && pauseMs <= pauseMsMax;
}

/** How the inputs' clocks differ, told by packets that two of them have. */
class ClockOffsets {
  readonly #links: { one: number; other: number; laterMs: number }[] = [];

  add(one: number, other: number, laterMs: number): void {
    if (one !== other) this.#links.push({ one, other, laterMs });
  }

  /** Against the first input of each family. */
  offsetsMs(families: readonly number[][]): Map<number, number> {
    const offsets = new Map<number, number>();
    for (const [first] of families) {
      if (first === undefined) continue;
      offsets.set(first, 0);
      const waiting = [first];
      for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
        const base = offsets.get(from) ?? 0;
        for (const { one, other, laterMs } of this.#links) {
          const to = from === one ? other : from === other ? one : undefined;
          if (to === undefined || offsets.has(to)) continue;
          const apartMs = from === one ? laterMs : -laterMs;
          offsets.set(to, base + (Math.abs(apartMs) < CLOCKS_APART_MS ? 0 : apartMs));
          waiting.push(to);
        }
      }
    }
    return offsets;
  }
}
