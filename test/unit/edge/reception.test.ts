import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';
import type { ReceptionStep, ReceptionTrace } from '../../../src/edge/addon.ts';
import { readRleBlocks } from '../../support/xr.ts';

type Step = ReceptionStep | { readonly at: number };
const addon = loadAddon();
const bytesMax = 1_150;

function trace(steps: readonly Step[], bytes = bytesMax): ReceptionTrace[] {
  const reports = addon.traceReception(steps, bytes);
  for (const { ranges } of reports) {
    for (const packet of ranges) expect(packet.length).toBeLessThanOrEqual(bytes);
  }
  return reports;
}

/** Packets 20 ms apart, by their place in the list. */
function packets(sequences: readonly number[], from = 0, ssrc = 7): ReceptionStep[] {
  return sequences.map((sequence, index) => ({
    at: from + index * 20,
    ssrc,
    sequence: sequence & 0xffff,
    timestamp: (from * 8 + index * 160) >>> 0,
  }));
}

const span = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const report: Step = { at: 1_000_000 };

/** Numbers that the report names, as `first-last` of runs received, and those named as duplicates. */
function named({ ranges }: ReceptionTrace): {
  begin: number;
  end: number;
  received: string;
  twice: number[];
} {
  const blocks = ranges.flatMap(readRleBlocks);
  const losses = blocks.filter(({ type }) => type === 'loss');
  const twice = blocks
    .filter(({ type }) => type === 'duplicate')
    .flatMap(({ beginSeq, bits }) => numbersOf(beginSeq, bits, false));
  const received = losses.flatMap(({ beginSeq, bits }) => numbersOf(beginSeq, bits, true));
  const runs: [number, number][] = [];
  for (const number of received) {
    const last = runs.at(-1);
    if (last !== undefined && ((last[1] + 1) & 0xffff) === number) last[1] = number;
    else runs.push([number, number]);
  }
  return {
    begin: losses[0]?.beginSeq ?? -1,
    end: losses.at(-1)?.endSeq ?? -1,
    received: runs.map(([first, last]) => `${String(first)}-${String(last)}`).join(' '),
    twice,
  };
}

function numbersOf(beginSeq: number, bits: readonly boolean[], value: boolean): number[] {
  return bits.flatMap((bit, index) => (bit === value ? [(beginSeq + index) & 0xffff] : []));
}

describe('a receiver report', () => {
  it.each<[string, number[], { lost: number; highest: number }]>([
    ['of all that came', span(10, 19), { lost: 0, highest: 19 }],
    ['counts a gap', [...span(10, 14), ...span(17, 19)], { lost: 2, highest: 19 }],
    ['goes round with the sequence numbers', span(65_530, 65_540), { lost: 0, highest: 65_540 }],
    ['takes a late packet for what it is', [10, 11, 13, 12, 14], { lost: 0, highest: 14 }],
    ['takes one before the first', [11, 10, 12], { lost: 0, highest: 12 }],
    ['counts duplicates as RFC 3550 does', [10, 11, 11, 12], { lost: -1, highest: 12 }],
    ['keeps a gap below 3,000', [10, 11, 3_009, 3_010], { lost: 2_997, highest: 3_010 }],
    [
      'begins anew after two in a row beyond it',
      [10, 11, 3_500, 3_501],
      { lost: 0, highest: 3_501 },
    ],
    [
      'begins anew after two in a row far back',
      [1_000, 1_001, 500, 501, 502],
      { lost: 0, highest: 502 },
    ],
    [
      'passes over one packet far back',
      [1_000, 1_001, 850, 1_002, 1_003],
      { lost: 0, highest: 1_003 },
    ],
    ['passes over one packet far ahead', [10, 11, 9_000, 12, 13], { lost: 0, highest: 13 }],
    [
      'misses nothing at a new start',
      [10, 11, 14, 9_000, 9_001, 9_003],
      { lost: 1, highest: 9_003 },
    ],
  ])('%s', (_what, sequences, { lost, highest }) => {
    const result = trace([...packets(sequences), report]).at(-1);
    expect(result).toMatchObject({ cumulativeLost: lost, highestSequence: highest });
  });

  it('sums the loss of all starts of the sender', () => {
    const sequences = [10, 11, 14, 9_000, 9_001, 9_003];
    expect(trace([...packets(sequences), report])[0]?.lost).toBe(3);
  });

  it('tells the part that was lost since the report before', () => {
    const steps = [...packets([10, 12, 13, 14]), report, ...packets([15, 16, 17, 20]), report];
    expect(trace(steps).map(({ fractionLost }) => fractionLost)).toEqual([51 / 256, 85 / 256]);
  });

  it('begins anew with another SSRC', () => {
    const steps = [...packets([10, 13]), ...packets([500, 502], 100, 8), report];
    expect(trace(steps).at(-1)).toMatchObject({ cumulativeLost: 1, highestSequence: 502, lost: 3 });
  });
});

describe('a report by range', () => {
  it.each<[string, number[], ReturnType<typeof named>]>([
    ['one packet', [10], { begin: 10, end: 11, received: '10-10', twice: [] }],
    ['all that came', span(10, 500), { begin: 10, end: 501, received: '10-500', twice: [] }],
    [
      'gaps short and long',
      [...span(10, 14), 17, ...span(60, 400)],
      { begin: 10, end: 401, received: '10-14 17-17 60-400', twice: [] },
    ],
    [
      'a turn of the sequence numbers',
      [65_533, 65_534, 65_536, 65_537],
      { begin: 65_533, end: 2, received: '65533-65534 0-1', twice: [] },
    ],
    [
      'the last number before the turn',
      [65_535],
      { begin: 65_535, end: 0, received: '65535-65535', twice: [] },
    ],
    ['late packets', [10, 13, 12, 11, 14], { begin: 10, end: 15, received: '10-14', twice: [] }],
    ['one before the first', [11, 9, 12], { begin: 9, end: 13, received: '9-9 11-12', twice: [] }],
    [
      'what came twice, and thrice',
      [10, 11, 11, 12, 13, 13, 12, 13, 15],
      { begin: 10, end: 16, received: '10-13 15-15', twice: [11, 12, 13] },
    ],
    [
      'a gap of 3,000 and more, none of which is forgotten',
      [...span(10, 20), ...span(9_000, 9_005)],
      { begin: 10, end: 9_006, received: '10-20 9000-9005', twice: [] },
    ],
    [
      'a packet 150 numbers late',
      [...span(1_000, 1_009), ...span(1_011, 1_200), 1_010],
      { begin: 1_000, end: 1_201, received: '1000-1200', twice: [] },
    ],
  ])('names %s', (_what, sequences, expected) => {
    expect(trace([...packets(sequences), report]).map(named)).toEqual([expected]);
  });

  it('is small where nothing is lost', () => {
    const [result] = trace([...packets(span(0, 9_999)), report]);
    expect(result?.ranges.map(({ length }) => length)).toEqual([8 + 16 + 16]);
  });

  it('comes before a jump or a new SSRC takes what was not reported yet', () => {
    const jump = trace([...packets([...span(10, 20), ...span(30_000, 30_010)]), report]);
    expect(jump.map((one) => named(one).received)).toEqual(['10-20', '30000-30010']);
    const other = trace([...packets([10, 11]), ...packets([500, 501], 40, 8), report]);
    expect(other.map((one) => named(one).received)).toEqual(['10-11', '500-501']);
    expect(other.map(({ ranges }) => readRleBlocks(ranges[0]!)[0]?.ssrc)).toEqual([7, 8]);
  });

  it('takes numbers that went round while nothing came for new ones', () => {
    const steps = [
      ...packets(span(1_000, 1_100)),
      { at: 3_000 },
      ...packets(span(900, 910), 900_000),
    ];
    const last = named(trace([...steps, report]).at(-1)!);
    expect([last.end, last.received]).toEqual([911, '900-910']);
  });

  it('names again what the reports before it named, so that each of them may be lost', () => {
    const steps: Step[] = [];
    for (let i = 0; i < 20; i += 1) {
      steps.push(...packets(span(100 * i, 100 * i + 98), i * 2_000), { at: i * 2_000 + 1_990 });
    }
    const begins = trace(steps).map((one) => named(one).begin);
    expect(begins.slice(0, 9)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 99]);
    expect(begins.at(-1)).toBe(1_199);
  });

  it('names a packet that came after its gap was reported', () => {
    const steps = [...packets([10, 11, 13]), report, ...packets([14, 12, 15]), report];
    expect(trace(steps).map((one) => named(one).received)).toEqual(['10-11 13-13', '10-15']);
  });

  it('takes several packets where one does not hold what is new', () => {
    const everyOther = span(0, 3_999).map((index) => index * 2);
    const [result] = trace([...packets(everyOther), report], 400);
    expect(result?.ranges.length).toBeGreaterThan(1);
    const expected = everyOther.map((number) => `${String(number)}-${String(number)}`).join(' ');
    expect(named(result!).received).toBe(expected);
  });
});

/** mulberry32: the same cases in every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

it.each(span(1, 16))(
  'reports by range tell exactly what came, reports lost and all (seed %i)',
  (seed) => {
    const pick = random(seed);
    const lossPercent = [0, 1, 10, 60][pick(4)]!;
    const came = new Map<number, number>();
    const steps: Step[] = [];
    let extended = pick(65_536);
    for (let at = 0, jumps = 0; at < 60_000; at += 20) {
      extended += 1;
      if (pick(800) === 0 && jumps++ < 3) extended += pick(4_000);
      if (pick(100) < lossPercent) continue;
      const lateBy = pick(30) === 0 ? pick(400) : 0;
      for (let copies = pick(40) === 0 ? 2 : 1; copies > 0; copies -= 1) {
        came.set(extended, (came.get(extended) ?? 0) + 1);
        const packet = { ssrc: 7, sequence: extended & 0xffff, timestamp: (at * 8) >>> 0 };
        steps.push({ at: at + lateBy, ...packet });
      }
    }
    for (let at = 1_000; at < 60_000; at += 1_000 + pick(3_000)) steps.push({ at });
    steps.sort((x, y) => x.at - y.at);
    steps.push({ at: 61_000 });
    const reports = trace(steps);
    const first = Math.min(...came.keys());
    const highest = Math.max(...came.keys());
    const told = { loss: new Map<number, boolean>(), duplicate: new Map<number, boolean>() };
    // Three of four reports are lost, but for the last.
    for (const [index, { ranges }] of reports.entries()) {
      if (index % 4 !== 3 && index !== reports.length - 1) continue;
      for (const { type, beginSeq, bits } of ranges.flatMap(readRleBlocks)) {
        const base = first + ((beginSeq - (first & 0xffff) + 65_536) % 65_536);
        for (const [offset, bit] of bits.entries()) told[type].set(base + offset, bit);
      }
    }
    const wrong = span(first, highest).filter((number) => {
      const count = came.get(number) ?? 0;
      return told.loss.get(number) !== count > 0 || told.duplicate.get(number) !== count < 2;
    });
    expect(wrong).toEqual([]);
  },
);
