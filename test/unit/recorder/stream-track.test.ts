import { expect, test } from 'vitest';
import { StreamTrack } from '../../../src/recorder/stream-track.ts';

/** 20 ms packets of an 8 kHz stream, received as they are due. */
function push(
  track: StreamTrack,
  index: number,
  change: { at?: number; sequence?: number; timestamp?: number } = {},
) {
  return track.push({
    at: change.at ?? 1_000_000 + index * 20,
    sequence: (change.sequence ?? 65_530 + index) % 65_536,
    timestamp: (change.timestamp ?? 4_294_967_000 + index * 160) % 2 ** 32,
    clockRate: 8_000,
  });
}

test('counts nothing lost over a wrap of sequence and timestamp', () => {
  const track = new StreamTrack();
  for (let i = 0; i < 100; i += 1) push(track, i);
  expect(track).toMatchObject({ packets: 100, duplicates: 0, late: 0, restarts: 0 });
  expect(track.gaps.lostPackets).toBe(0);
  expect(track.segments.map(({ highest, lowest }) => highest - lowest)).toEqual([99 * 160]);
});

test('tells late packets from lost ones and from duplicates', () => {
  const track = new StreamTrack();
  for (const i of [0, 1, 2, 5, 4, 4, 6, 6, 9]) push(track, i);
  expect(track).toMatchObject({ packets: 7, late: 1, duplicates: 2 });
  expect(track.gaps.lostPackets).toBe(3);
  expect(track.gaps.lostMs).toBe(60);
  expect(track.gaps.gaps.map(({ first, last }) => last - first + 1)).toEqual([1, 2]);
});

test('takes packets older than the first into the account', () => {
  const track = new StreamTrack();
  for (const i of [5, 6, 3, 4]) push(track, i);
  expect(track).toMatchObject({ packets: 4, late: 2 });
  expect(track.gaps.lostPackets).toBe(0);
});

test('does not call a sender that begins anew a loss', () => {
  const track = new StreamTrack();
  for (let i = 0; i < 10; i += 1) push(track, i);
  for (let i = 10; i < 20; i += 1)
    push(track, i, { sequence: 20_000 + i, timestamp: 777_777 + i * 160 });
  expect(track).toMatchObject({ packets: 20, restarts: 1 });
  expect(track.gaps.lostPackets).toBe(0);
  expect(track.segments.length).toBe(2);
});

test('calls a long outage a loss when sequence, timestamp and time agree', () => {
  const track = new StreamTrack();
  push(track, 0);
  push(track, 1);
  push(track, 5_002);
  expect(track.restarts).toBe(0);
  expect(track.gaps.lostPackets).toBe(5_000);
});

test('begins a new time line where the timestamp leaps while the sequence goes on', () => {
  const track = new StreamTrack();
  for (let i = 0; i < 5; i += 1) push(track, i);
  for (let i = 5; i < 10; i += 1) push(track, i, { timestamp: 2_000_000_000 + i * 160 });
  expect(track.gaps.lostPackets).toBe(0);
  expect(track.segments.map(({ originMs }) => originMs)).toEqual([1_000_000, 1_000_100]);
});

test('takes silence between packets as silence, also when it is replayed fast', () => {
  const track = new StreamTrack();
  for (let i = 0; i < 5; i += 1) push(track, i, { at: 1_000_000 + i * 5 });
  const afterSilence = 4_294_967_000 + 500 * 160;
  const { kind } = push(track, 5, { at: 1_000_000 + 2_500, timestamp: afterSilence });
  expect(kind).toBe('next');
  expect(track.segments.length).toBe(1);
});

test('dates the beginning by the least delayed packet, so that a replay does not shift it', () => {
  const track = new StreamTrack();
  // Three seconds out of a ring in under one, then live.
  const liveAt = 5_000_000;
  for (let i = 0; i < 200; i += 1) {
    push(track, i, {
      at: i < 150 ? liveAt + i * 5 : liveAt + 750 + Math.max(0, i - 150 - 25) * 20,
    });
  }
  expect(track.segments[0]?.originMs).toBeLessThan(liveAt - 2_000);
});
