import { describe, expect, test } from 'vitest';
import { compareHearing, compareRecording, countNotIn } from '../../../src/demo/comparison.ts';
import type { LoggedPacket } from '../../../src/demo/packet-log.ts';

function packets(count: number, firstSequence: number, ssrc = 1): LoggedPacket[] {
  return Array.from({ length: count }, (_value, index) => ({
    ssrc,
    sequence: (firstSequence + index) & 0xffff,
    timestamp: 1_000 + 160 * index,
    payloadType: 0,
    payloadHash: `hash ${index}`,
  }));
}

const sent = packets(100, 65_500);
const recorded = packets(100, 7, 2);

describe('a recording held against what was sent', () => {
  test('is whole when only SSRC and the first sequence number differ', () => {
    expect(compareRecording(sent, [recorded])).toEqual({
      packets: 100,
      missing: 0,
      differing: 0,
      foreign: 0,
      misplaced: 0,
    });
  });

  test('is whole when its sessions overlap', () => {
    const sessions = [recorded.slice(0, 40), recorded.slice(30)];
    expect(compareRecording(sent, sessions)).toMatchObject({ packets: 100, missing: 0 });
  });

  test('misses what no session holds', () => {
    const sessions = [recorded.slice(0, 40), recorded.slice(45)];
    expect(compareRecording(sent, sessions)).toMatchObject({ packets: 95, missing: 5 });
  });

  test('misses all when there is no session', () => {
    expect(compareRecording(sent, [])).toMatchObject({ packets: 0, missing: 100 });
  });

  test('differs by a changed payload', () => {
    const changed = recorded.with(50, { ...recorded[50]!, payloadHash: 'other' });
    expect(compareRecording(sent, [changed])).toMatchObject({ missing: 0, differing: 1 });
  });

  test('differs by a changed timestamp', () => {
    const changed = recorded.with(50, { ...recorded[50]!, timestamp: 1 });
    expect(compareRecording(sent, [changed])).toMatchObject({ missing: 0, differing: 1 });
  });

  test('is out of order when two packets changed places', () => {
    const swapped = recorded.with(50, recorded[51]!).with(51, recorded[50]!);
    expect(compareRecording(sent, [swapped])).toMatchObject({ missing: 0, misplaced: 1 });
  });

  test('holds a packet that was never sent', () => {
    const more = [...recorded, { ...recorded[99]!, sequence: 107 }];
    expect(compareRecording(sent, [more])).toMatchObject({ missing: 0, foreign: 1 });
  });
});

describe('two legs held against each other', () => {
  test('are alike when all numbers and payloads are', () => {
    expect(countNotIn(recorded.slice(10), recorded)).toBe(0);
  });

  test('are not alike under another SSRC', () => {
    expect(countNotIn(packets(100, 7, 3), recorded)).toBe(100);
  });
});

describe('what a party heard', () => {
  test('is all when only payloads are as sent', () => {
    const rewritten = packets(100, 9, 5).map((packet) => ({ ...packet, timestamp: 0 }));
    expect(compareHearing(sent, rewritten)).toEqual({ heard: 100, missing: 0, foreign: 0 });
  });

  test('lacks what did not come', () => {
    expect(compareHearing(sent, sent.toSpliced(20, 3))).toMatchObject({ missing: 3, foreign: 0 });
  });

  test('counts a packet that comes twice as foreign', () => {
    expect(compareHearing(sent, sent.toSpliced(20, 0, sent[19]!))).toMatchObject({ foreign: 1 });
  });
});
