import { describe, expect, it } from 'vitest';
import { RtpRun } from '../../../src/merge/rtp-run.ts';

const CYCLE = 65_536;

function offer(
  run: RtpRun,
  index: number,
  over: { at?: number; timestamp?: number } = {},
): boolean {
  return run.offer({
    at: over.at ?? 1_000 + index * 20,
    sequence: (65_000 + index) % CYCLE,
    timestamp: over.timestamp ?? (index * 160) % 2 ** 32,
    payloadType: 0,
    payloadBytes: 160,
    place: index + 1,
  });
}

function begun(count = 100): RtpRun {
  const run = new RtpRun();
  for (let index = 0; index < count; index += 1) offer(run, index);
  return run;
}

describe('RtpRun', () => {
  it('goes on over the wrap of the sequence number', () => {
    const run = begun(1_000);
    expect(run.last - run.first).toBe(999);
    expect(run.layers[0]!.placeAt(run.first + 999)).toBe(1_000);
  });

  it('counts whole cycles of a long hole by the timestamp', () => {
    const run = begun();
    expect(offer(run, 200_000)).toBe(true);
    expect(run.last - run.first).toBe(200_000);
  });

  it('believes the number after a hold in which the timestamp ran on', () => {
    const run = begun();
    const at = 1_000 + 300_000;
    expect(offer(run, 100, { at, timestamp: 300 * 8_000 })).toBe(true);
    expect(run.last - run.first).toBe(100);
  });

  it('does not take a new start for its own', () => {
    const run = begun();
    expect(offer(run, 20_000, { at: 1_000 + 100 * 20, timestamp: 77 })).toBe(false);
    expect(offer(run, 100)).toBe(true);
  });

  it('does not follow a damaged packet whose timestamp is far ahead', () => {
    const run = begun();
    const timestamp = 0x3fff_ffff;
    for (let sequence = 30_000; sequence < 60_000; sequence += 100) {
      expect(offer(run, sequence, { at: 3_000, timestamp })).toBe(false);
    }
    expect(run.last - run.first).toBe(99);
  });

  it('places a late packet and keeps copies apart', () => {
    const run = new RtpRun();
    for (const index of [5, 6, 8, 7, 7, 4]) offer(run, index);
    expect(run.packets).toBe(5);
    expect(run.copies).toBe(1);
    expect(run.last - run.first).toBe(4);
    expect(run.layers[1]!.nearest(run.first, run.last)).toBe(run.first + 3);
  });

  it('bounds the copies of one packet that it keeps', () => {
    const run = begun(2);
    for (let copy = 0; copy < 20; copy += 1) offer(run, 0);
    expect(run.layers.length).toBeLessThan(12);
    expect(run.copies).toBe(20);
    expect(run.uncompared).toBeGreaterThan(0);
  });
});
