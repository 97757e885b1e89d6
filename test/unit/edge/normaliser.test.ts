import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';

interface Packet {
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc?: number;
  /** Of arrival, in ms; 20 ms after the packet before when absent. */
  readonly at?: number;
  readonly digest?: number;
}

/** In order, 20 ms of 8 kHz each: sequence n has the timestamp `epoch + 160 n`. */
const run = (first: number, count: number, epoch = 0, fields: Partial<Packet> = {}): Packet[] =>
  Array.from({ length: count }, (_, i) => ({
    sequence: (first + i) & 0xffff,
    timestamp: (epoch + 160 * (first + i)) >>> 0,
    ...fields,
  }));
const one = (sequence: number, epoch = 0, fields: Partial<Packet> = {}) =>
  run(sequence, 1, epoch, fields);

/** Numbers after normalising, less the first cycle. */
function normalise(packets: readonly Packet[]) {
  let at = 1_000;
  const rows = packets.map((packet) => {
    at = packet.at ?? at + 20;
    return [packet.ssrc ?? 1, packet.sequence, packet.timestamp, at, packet.digest ?? 0];
  });
  return loadAddon()
    .tables.normalise(rows)
    .map(([extended, timestamp, before]) => ({ number: extended - 65_536, timestamp, before }));
}
const numbers = (packets: readonly Packet[]) => normalise(packets).map(({ number }) => number);
const count = (first: number, n: number) => Array.from({ length: n }, (_, i) => first + i);

/** A new beginning of the timestamps. */
const elsewhere = 1_000_000_000;

describe('the normaliser', () => {
  it.each<[string, Packet[], number[]]>([
    ['keeps a gap', [...run(100, 3), ...run(105, 2)], [100, 101, 102, 105, 106]],
    ['keeps a gap of 2,999', [...run(100, 2), ...run(3_100, 2)], [100, 101, 3_100, 3_101]],
    [
      'keeps a gap that is as long as the silence',
      [...run(100, 2), ...one(10_101, 0, { at: 1_040 + 200_000 }), ...one(10_102)],
      [100, 101, 10_101, 10_102],
    ],
    [
      'puts a late packet where it belongs',
      [...run(1, 2), ...one(4), ...one(3), ...one(5)],
      [1, 2, 4, 3, 5],
    ],
    ['takes a late packet for the first', [...run(10, 2), ...one(9), ...one(12)], [10, 11, 9, 12]],
    [
      'gives a packet that comes again its number',
      [...run(1, 3), ...one(2), ...one(3), ...one(4)],
      [1, 2, 3, 2, 3, 4],
    ],
    [
      'gives one that comes again 150 numbers late its number, and goes on as before',
      [...run(1_000, 200), ...one(1_050), ...run(1_200, 3)],
      [...count(1_000, 200), 1_050, 1_200, 1_201, 1_202],
    ],
    [
      'puts one that is 150 numbers late into its gap',
      [...run(1_000, 50), ...run(1_051, 150), ...one(1_050), ...run(1_201, 2)],
      [...count(1_000, 50), ...count(1_051, 150), 1_050, 1_201, 1_202],
    ],
    [
      'goes on behind one stray packet of 5,000 numbers ago',
      [...run(10_000, 5), ...one(5_000), ...run(10_005, 3)],
      [...count(10_000, 5), 10_005, ...count(10_006, 3)],
    ],
    [
      'goes on behind one stray packet far ahead',
      [...run(100, 5), ...one(20_000), ...run(105, 3)],
      [...count(100, 5), 105, ...count(106, 3)],
    ],
    [
      'keeps a gap beside a stray packet',
      [...run(100, 5), ...one(20_000), ...run(107, 3)],
      [...count(100, 5), 105, ...count(108, 3)],
    ],
    [
      'goes on behind two strays that do not agree',
      [...run(100, 5), ...one(20_000), ...one(40_000), ...run(105, 3)],
      [...count(100, 5), 105, 106, ...count(107, 3)],
    ],
    [
      'takes one that comes again late its number after a stray',
      [...run(100, 5), ...one(20_000), ...one(103), ...run(105, 2)],
      [...count(100, 5), 105, 103, 106, 107],
    ],
    [
      'begins anew with two that agree far back',
      [...run(10_000, 5), ...run(5_000, 4, elsewhere)],
      count(10_000, 9),
    ],
    [
      'begins anew with two that agree far ahead, and loses neither the first nor one between',
      [...run(100, 5), ...one(20_000, elsewhere), ...run(20_002, 2, elsewhere)],
      [...count(100, 5), 105, 107, 108],
    ],
    [
      'begins anew 50 numbers back, by the timestamps',
      [...run(1_000, 200), ...run(1_150, 80, elsewhere)],
      count(1_000, 280),
    ],
    [
      'begins anew 50 numbers back where the time goes on',
      [...run(1_000, 200), ...run(1_150, 80, 160 * 50)],
      count(1_000, 280),
    ],
    [
      'begins anew at the same number',
      [...run(1_000, 5), ...run(1_004, 5, elsewhere)],
      count(1_000, 10),
    ],
    [
      'begins anew with the same numbers and timestamps, by what is in the packets',
      [...run(0, 100, 0, { digest: 1 }), ...run(0, 150, 0, { digest: 2 })],
      count(0, 250),
    ],
    [
      'begins anew 1,500 numbers ahead, by the timestamps',
      [...run(1_000, 5), ...run(2_500, 3, elsewhere)],
      count(1_000, 8),
    ],
    [
      'begins anew with packets in another order',
      [
        ...run(100, 5),
        ...one(20_001, elsewhere),
        ...one(20_000, elsewhere),
        ...run(20_002, 2, elsewhere),
      ],
      count(100, 9),
    ],
    [
      'puts a late packet of before a new beginning into its gap',
      [
        ...run(100, 5),
        ...run(106, 2),
        ...run(20_000, 2, elsewhere),
        ...one(105),
        ...run(20_002, 2, elsewhere),
      ],
      [...count(100, 5), 106, 107, 108, 109, 105, 110, 111],
    ],
    ['counts cycles', run(65_530, 12), count(65_530, 12)],
    [
      'counts cycles with a late packet and one that comes again',
      [...run(65_530, 5), ...run(65_536, 3), ...one(65_535), ...one(65_536)],
      [...count(65_530, 5), ...count(65_536, 3), 65_535, 65_536],
    ],
    [
      'goes on under another SSRC, with stragglers of the old one where they belong',
      [
        ...run(10, 2),
        ...one(13),
        ...run(900, 1, 0, { ssrc: 2 }),
        ...one(12),
        ...run(901, 2, 0, { ssrc: 2 }),
      ],
      [10, 11, 13, 14, 12, 15, 16],
    ],
  ])('%s', (_title, packets, expected) => {
    expect(numbers(packets)).toEqual(expected);
  });

  it('gives every packet of a hostile mix a number of its own, but for those that came again', () => {
    // A linear congruential generator: the same mix in every run.
    let state = 4_711;
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    const packets = Array.from({ length: 5_000 }, (_, i) => ({
      sequence: random(65_536),
      timestamp: random(2 ** 32),
      digest: i,
    }));
    expect(new Set(numbers(packets)).size).toBe(packets.length);
  });

  it('continues the timestamps by the clock where the sender begins anew', () => {
    const out = normalise([
      ...run(100, 2, 0),
      { sequence: 9_000, timestamp: 77, at: 1_140 },
      { sequence: 9_001, timestamp: 237 },
    ]);
    expect(out.map(({ timestamp }) => timestamp)).toEqual([
      16_000,
      16_160,
      16_160 + 100 * 8,
      16_160 + 100 * 8 + 160,
    ]);
  });

  it('leaves the timestamps as they are where one packet was a stray', () => {
    const out = normalise([...run(100, 3), ...one(30_000, elsewhere), ...run(103, 2)]);
    expect(out.map(({ timestamp }) => timestamp)).toEqual([
      16_000,
      16_160,
      16_320,
      16_320 + 160,
      16_480,
      16_640,
    ]);
  });

  it('names the SSRC that was before', () => {
    const out = normalise([...run(10, 2, 0, { ssrc: 5 }), ...run(7, 2, 0, { ssrc: 6 })]);
    expect(out.map(({ before }) => before)).toEqual([0, 0, 5, 0]);
  });
});
