import { differenceOf } from './input-files.ts';
import type { InputFiles } from './input-files.ts';
import { signed32 } from './rtp-run.ts';
import type { RtpRun } from './rtp-run.ts';
import { tableOf } from './united-stream.ts';
import type { UnitedStream } from './united-stream.ts';

const CYCLE = 65_536;
const SAMPLES = 24;
/** Common packets that are compared, and numbers that are looked at to find them. */
const COMMON_MAX = 64;
const COMMON_TRIES = 8_192;
/** So many common packets, most of them different, are two streams; fewer may be damage. */
const COMMON_MIN = 4;
/** Timestamps between two neighbours may stand still (digits) or run on (pauses) by that much. */
const BETWEEN_PACKETS_MAX = 50;
/** Beyond the ends there is no neighbour on the other side: pauses make the timestamp run ahead. */
const BEYOND_PACKETS_MAX = 3_000;

interface Sample {
  readonly sequence: number;
  readonly timestamp: number;
}

export interface Fit {
  readonly shift: number;
  /** Packets that lie apart from where their timestamps say, on average. */
  readonly cost: number;
  /** Receive time of the run's packets less that of the stream's, in the middle; undefined without common packets. */
  readonly laterMs: number | undefined;
}

/** Payloads of the packets that both have are different: another stream under the same SSRC. */
export type Misfit = 'other-payloads' | 'other-place';

/**
 * Finds where on a stream's axis a run lies. 16 bits do not tell how many times the numbers went round, so each number
 * of cycles is tried and the timestamps around decide; receive times do not take part, as clocks of recorders differ.
 */
export function align(
  stream: UnitedStream,
  run: RtpRun,
  input: number,
  files: InputFiles,
): Fit | Misfit {
  const samples = samplesOf(run, input, files);
  const lowest = Math.floor((stream.first - run.last) / CYCLE) - 1;
  const highest = Math.ceil((stream.last - run.first) / CYCLE) + 1;
  let best: { shift: number; costs: Costs } | undefined;
  for (let cycles = lowest; cycles <= highest; cycles += 1) {
    const shift = cycles * CYCLE;
    const costs = costsOf(stream, samples, shift, files);
    if (best === undefined || costs.total < best.costs.total) best = { shift, costs };
  }
  if (best === undefined || !belongs(best.costs)) return 'other-place';
  const { shift, costs } = best;
  const common = compareCommon(stream, run, input, shift, files);
  if (common.compared >= COMMON_MIN && common.equal * 2 < common.compared) return 'other-payloads';
  return { shift, cost: costs.total / samples.length, laterMs: median(common.laterMs) };
}

function samplesOf(run: RtpRun, input: number, files: InputFiles): Sample[] {
  const table = tableOf(run);
  const samples: Sample[] = [];
  const step = Math.max(1, Math.floor((run.last - run.first) / (SAMPLES - 1)));
  for (let at = run.first; at <= run.last; at += step) {
    const sequence = table.nearest(at, run.last);
    if (sequence === undefined) break;
    at = Math.max(at, sequence);
    const { header } = files.probe(input, table.placeAt(sequence));
    samples.push({ sequence, timestamp: header.timestamp });
  }
  return samples;
}

interface Costs {
  total: number;
  /** Packets that the stream has too, and those of them with its timestamp. */
  common: number;
  same: number;
  /** Packets between two of the stream's or beyond its ends, and those that fit there. */
  apart: number;
  fitting: number;
}

function belongs({ common, same, apart, fitting }: Costs): boolean {
  return common > 0 ? same * 2 >= common : fitting * 2 >= apart;
}

function costsOf(
  stream: UnitedStream,
  samples: readonly Sample[],
  shift: number,
  files: InputFiles,
): Costs {
  const costs: Costs = { total: 0, common: 0, same: 0, apart: 0, fitting: 0 };
  for (const { sequence, timestamp } of samples) {
    const at = sequence + shift;
    const below = stream.nearest(at, -1);
    const lower = below === undefined ? undefined : timestampAt(stream, below, files);
    if (below === at && lower !== undefined) {
      const cost = Math.abs(signed32(timestamp - lower)) / stream.step;
      costs.common += 1;
      costs.same += cost === 0 ? 1 : 0;
      costs.total += Math.min(cost, CYCLE);
      continue;
    }
    const above = stream.nearest(at, 1);
    const upper = above === undefined ? undefined : timestampAt(stream, above, files);
    const isBetween = lower !== undefined && upper !== undefined;
    const early = lower === undefined ? undefined : signed32(timestamp - lower) / stream.step;
    const late = upper === undefined ? undefined : signed32(upper - timestamp) / stream.step;
    // By how many packets the timestamp is off from what its distance to a neighbour makes likely.
    const cost = Math.min(
      early === undefined || below === undefined ? Infinity : Math.abs(early - (at - below)),
      late === undefined || above === undefined ? Infinity : Math.abs(late - (above - at)),
    );
    const outside = isBetween ? Math.max(0, -(early ?? 0), -(late ?? 0)) : cost;
    costs.apart += 1;
    costs.fitting += outside <= (isBetween ? BETWEEN_PACKETS_MAX : BEYOND_PACKETS_MAX) ? 1 : 0;
    costs.total += Math.min(cost, CYCLE);
  }
  return costs;
}

function timestampAt(stream: UnitedStream, sequence: number, files: InputFiles): number {
  const lane = stream.holder(sequence);
  if (lane === undefined) throw new Error('a packet that was found is gone');
  const place = tableOf(lane.run).placeAt(sequence - lane.shift);
  return files.probe(lane.input.index, place).header.timestamp;
}

function compareCommon(
  stream: UnitedStream,
  run: RtpRun,
  input: number,
  shift: number,
  files: InputFiles,
): { compared: number; equal: number; laterMs: number[] } {
  const result = { compared: 0, equal: 0, laterMs: [] as number[] };
  const first = Math.max(run.first, stream.first - shift);
  const last = Math.min(run.last, stream.last - shift);
  const table = tableOf(run);
  // Spread over what both reach, then packet by packet from the beginning.
  const strides = new Set([Math.max(1, Math.floor((last - first) / COMMON_MAX)), 1]);
  for (const stride of strides) {
    let tries = 0;
    for (let at = first; at <= last && tries < COMMON_TRIES; at += stride, tries += 1) {
      if (result.compared >= COMMON_MAX) return result;
      const place = table.placeAt(at);
      const lane = place === 0 ? undefined : stream.holder(at + shift);
      if (lane === undefined) continue;
      const theirs = tableOf(lane.run);
      const own = files.probe(input, place);
      // Both may lie in one file, read through one window.
      const copy = { bytes: Buffer.from(own.bytes), header: own.header };
      const other = files.probe(lane.input.index, theirs.placeAt(at + shift - lane.shift));
      result.compared += 1;
      if (differenceOf(copy, other) === undefined) result.equal += 1;
      result.laterMs.push(table.timeAt(at) - theirs.timeAt(at + shift - lane.shift));
    }
    if (result.compared >= COMMON_MIN) break;
  }
  return result;
}

function median(values: number[]): number | undefined {
  return values.sort((x, y) => x - y)[Math.floor(values.length / 2)];
}
