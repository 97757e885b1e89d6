import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeWav } from '../../../src/recorder/make-wav.ts';
import type { WavResult } from '../../../src/recorder/make-wav.ts';
import { MediaScan } from '../../../src/recorder/media-scan.ts';
import { CaptureFileReader } from '../../../src/recorder/pcap-reader.ts';
import { writeRtpPacket } from '../../../src/rtp/header.ts';
import { writePcapng } from '../../support/pcapng.ts';
import type { WrittenPacket } from '../../support/pcapng.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-wav-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const startedAt = Date.UTC(2026, 10, 21);
const payloads = [
  { payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 },
  { payloadType: 9, encodingName: 'G722', clockRate: 8_000, channels: 1 },
  { payloadType: 18, encodingName: 'G729', clockRate: 8_000, channels: 1 },
  { payloadType: 101, encodingName: 'telephone-event', clockRate: 8_000, channels: 1 },
];
const streams = ['1', '2'].map((label) => ({
  label,
  party: null,
  epochs: [{ at: startedAt, payloads }],
}));

/** Every sample of the packet decodes to this: two mu-law bytes that are far apart. */
const loud = 0x00;
const quiet = 0x0f;

interface Sent {
  from?: number;
  index: number;
  byte?: number;
  payloadType?: number;
  /** Beyond when it was due. */
  delayMs?: number;
  timestamp?: number;
}

function packet({
  from = 0,
  index,
  byte = loud,
  payloadType = 0,
  delayMs = 0,
  timestamp,
}: Sent): WrittenPacket {
  const header = {
    payloadType,
    sequence: 65_500 + index,
    timestamp: timestamp ?? 4_294_960_000 + index * 160,
    ssrc: 7 + from,
  };
  return {
    at: startedAt + index * 20 + delayMs,
    from,
    payload: writeRtpPacket(header, Buffer.alloc(160, byte)),
  };
}

function render(packets: readonly WrittenPacket[]): { result: WavResult; channels: Int16Array[] } {
  const media = join(dir, 'media.pcapng');
  const file = join(dir, 'recording.wav');
  writePcapng(media, ['1', '2'], packets);
  const scan = new MediaScan(streams);
  const reader = CaptureFileReader.open(media);
  for (const { placed } of scan.packets(reader)) expect(placed).toBeDefined();
  reader.close();
  const result = makeWav(media, file, streams, scan);
  if (result.file === null) return { result, channels: [] };
  const wav = readFileSync(file).subarray(44);
  const channels = [0, 1].map((channel) =>
    Int16Array.from({ length: wav.length / 4 }, (_value, i) =>
      wav.readInt16LE(i * 4 + channel * 2),
    ),
  );
  return { result, channels };
}

/** Which 20 ms slots of a channel hold what: the first sample of each. */
function slots(channel: Int16Array | undefined, samplesPerSlot = 160): (string | number)[] {
  const of = new Map([
    [0, '.'],
    [-32_124, 'L'],
    [-16_764, 'Q'],
  ]);
  return Array.from({ length: (channel?.length ?? 0) / samplesPerSlot }, (_value, i) => {
    const sample = channel?.[i * samplesPerSlot] ?? 0;
    return of.get(sample) ?? sample;
  });
}

test('places packets by timestamp over a wrap, whatever their order, and leaves gaps silent', () => {
  const { channels, result } = render([0, 1, 2, 41, 40, 40, 43].map((index) => packet({ index })));
  expect(result).toMatchObject({ channels: 2, sampleRate: 8_000, durationMs: 44 * 20 });
  const expected = `LLL${'.'.repeat(37)}LL.L`;
  expect(slots(channels[0]).join('')).toBe(expected);
  expect(slots(channels[1]).join('')).toBe('.'.repeat(44));
});

test('aligns the parties by when their packets came', () => {
  const { channels } = render([
    ...[0, 1, 2, 3, 4].map((index) => packet({ index })),
    ...[2, 3, 4].map((index) => packet({ from: 1, index, byte: quiet })),
  ]);
  expect(slots(channels[0]).join('')).toBe('LLLLL');
  expect(slots(channels[1]).join('')).toBe('..QQQ');
});

/** A sender report whose clock is off by `clockMs`: the instant of the packet with this index. */
function report(from: number, index: number, clockMs: number): WrittenPacket {
  const payload = Buffer.alloc(28);
  const seconds = (startedAt + index * 20 + clockMs) / 1_000 + 2_208_988_800;
  payload.set([0x80, 200, 0, 6]);
  payload.writeUInt32BE(7 + from, 4);
  payload.writeUInt32BE(Math.floor(seconds), 8);
  payload.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), 12);
  payload.writeUInt32BE((4_294_960_000 + index * 160) % 2 ** 32, 16);
  return { at: startedAt + index * 20, from, payload };
}

test.each([
  ['believes sender reports on one clock more than receipt', 3_600_000, 'QQQQQ'],
  ['does not believe sender reports whose clocks differ', 7_200_000, '..QQQQQ'],
])('%s', (_what, clockMs, expected) => {
  const { channels } = render([
    ...[0, 1, 2, 3, 4].map((index) => packet({ index })),
    report(0, 4, 3_600_000),
    // Received 40 ms late, all of them.
    ...[0, 1, 2, 3, 4].map((index) => packet({ from: 1, index, byte: quiet, delayMs: 40 })),
    report(1, 4, clockMs),
  ]);
  expect(slots(channels[0]).join('').slice(0, 5)).toBe('LLLLL');
  expect(slots(channels[1]).join('')).toBe(expected);
});

test('is not misled by packets that came late', () => {
  const { channels } = render([
    packet({ index: 1, delayMs: 15 }),
    ...[2, 3].map((index) => packet({ index })),
    ...[1, 2, 3].map((index) => packet({ from: 1, index, byte: quiet })),
  ]);
  expect(slots(channels[0]).join('')).toBe('LLL');
  expect(slots(channels[1]).join('')).toBe('QQQ');
});

test('puts a media clock that leaps where its packets came', () => {
  const { channels } = render([
    ...[0, 1, 2].map((index) => packet({ index })),
    ...[6, 7].map((index) => packet({ index, byte: quiet, timestamp: 12_345_678 + index * 160 })),
  ]);
  expect(slots(channels[0]).join('')).toBe('LLL...QQ');
});

test('leaves DTMF events silent', () => {
  const { channels } = render([
    packet({ index: 0 }),
    packet({ index: 1, payloadType: 101 }),
    packet({ index: 2 }),
  ]);
  expect(slots(channels[0]).join('')).toBe('L.L');
});

test('writes 16 kHz as soon as one stream is G.722', () => {
  const { channels, result } = render([
    ...[0, 1].map((index) => packet({ index })),
    ...[0, 1].map((index) => packet({ from: 1, index, payloadType: 9, byte: 0xfa })),
  ]);
  expect(result).toMatchObject({ sampleRate: 16_000, durationMs: 40 });
  expect(channels[0]?.length).toBe(640);
  expect(channels[0]?.slice(100, 104)).toEqual(Int16Array.of(-32_124, -32_124, -32_124, -32_124));
});

test('makes none, and says why, for a codec that it cannot decode or without media', () => {
  expect(render([packet({ index: 0, payloadType: 18 })]).result).toMatchObject({
    file: null,
    reason: expect.stringContaining('G729') as string,
  });
  expect(render([]).result).toMatchObject({ file: null });
});

test('leaves no temporary file behind', () => {
  render([0, 1, 2].map((index) => packet({ index })));
  expect(readdirSync(dir).sort()).toEqual(['media.pcapng', 'recording.wav']);
});
