import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callFromCapture } from '../../../src/demo/captured-call.ts';
import { speechFromWav } from '../../../src/demo/speech.ts';
import { readRtpHeader, writeRtpPacket } from '../../../src/rtp/header.ts';

const ownSpeech = fileURLToPath(new URL('../../../assets/phone-call.wav', import.meta.url));
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-media-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function pcmWav(name: string, sampleRate: number, channels: number, samples: number[]): string {
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samples.length * 2, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.length * 2, 40);
  const file = join(dir, name);
  writeFileSync(file, Buffer.concat([header, Buffer.from(Int16Array.from(samples).buffer)]));
  return file;
}

describe('speech', () => {
  test('gives each channel to a party, a packet every 20 ms', () => {
    const { packets, durationMs } = speechFromWav(ownSpeech, undefined);
    expect(durationMs).toBe(19_700);
    expect(packets.a).toHaveLength(985);
    expect(packets.b).toHaveLength(985);
    expect(packets.a.map(({ dueMs }) => dueMs).slice(0, 3)).toEqual([0, 20, 40]);
    const headers = packets.a.slice(0, 2).map(({ bytes }) => readRtpHeader(bytes)!);
    expect((headers[1]!.sequence - headers[0]!.sequence) & 0xffff).toBe(1);
    expect((headers[1]!.timestamp - headers[0]!.timestamp) >>> 0).toBe(160);
  });

  test('keeps mu-law as it is in the file', () => {
    const payloads = speechFromWav(ownSpeech, undefined).packets.a.map(({ bytes }) =>
      bytes.subarray(12).toString('hex'),
    );
    expect(new Set(payloads).size).toBe(985);
  });

  test('is repeated when more seconds are asked for', () => {
    const { packets } = speechFromWav(ownSpeech, 30);
    expect(packets.a).toHaveLength(1_500);
    expect(packets.a[985]!.bytes.subarray(12)).toEqual(packets.a[0]!.bytes.subarray(12));
  });

  test('of 16 kHz is played at 8 kHz', () => {
    const file = pcmWav('wide.wav', 16_000, 1, Array<number>(16_000).fill(1_000));
    const { packets, durationMs } = speechFromWav(file, undefined);
    expect(durationMs).toBe(1_000);
    // 1,000 lies nearest to the mu-law level 988.
    expect(packets.b[0]!.bytes.subarray(12)).toEqual(Buffer.alloc(160, 0xce));
  });

  test('that is no WAV file is refused', () => {
    const file = join(dir, 'text.wav');
    writeFileSync(file, 'not sound');
    expect(() => speechFromWav(file, undefined)).toThrow(/text\.wav: not a WAV file/);
  });
});

/** Classic pcap of Ethernet, IPv4, UDP. */
function pcapFile(name: string, packets: { at: number; from: number; to: number; rtp: Buffer }[]) {
  const fileHeader = Buffer.alloc(24);
  fileHeader.writeUInt32LE(0xa1b2c3d4, 0);
  fileHeader.writeUInt32LE(1, 20);
  const records = packets.map(({ at, from, to, rtp }) => {
    const record = Buffer.alloc(16 + 42);
    record.writeUInt32LE(Math.floor(at / 1_000), 0);
    record.writeUInt32LE((at % 1_000) * 1_000, 4);
    record.writeUInt32LE(42 + rtp.length, 8);
    record.writeUInt32LE(42 + rtp.length, 12);
    record.writeUInt16BE(0x0800, 28);
    record.writeUInt8(0x45, 30);
    record.writeUInt16BE(28 + rtp.length, 32);
    record.writeUInt8(17, 39);
    record.writeUInt32BE(0x0a000001, 42);
    record.writeUInt32BE(0x0a000002, 46);
    record.writeUInt16BE(from, 50);
    record.writeUInt16BE(to, 52);
    record.writeUInt16BE(8 + rtp.length, 54);
    return Buffer.concat([record, rtp]);
  });
  const file = join(dir, name);
  writeFileSync(file, Buffer.concat([fileHeader, ...records]));
  return file;
}

describe('a captured call', () => {
  const stream = (from: number, to: number, ssrc: number, startAt: number, payloadType: number) =>
    Array.from({ length: 20 }, (_value, index) => ({
      at: startAt + 20 * index,
      from,
      to,
      rtp: writeRtpPacket(
        { payloadType, sequence: 100 + index, timestamp: 160 * index, ssrc },
        Buffer.alloc(20, index),
      ),
    }));

  test('keeps packets, timing and payload types; who speaks first is party a', () => {
    const late = stream(5_000, 6_000, 11, 1_060, 18);
    const early = stream(6_000, 5_000, 22, 1_000, 18);
    const { packets, payloads } = callFromCapture(
      pcapFile('call.pcap', [...late, ...early]),
      undefined,
    );
    expect(packets.a.map(({ bytes }) => bytes)).toEqual(early.map(({ rtp }) => rtp));
    expect(packets.b.map(({ bytes }) => bytes)).toEqual(late.map(({ rtp }) => rtp));
    expect(packets.b[0]!.dueMs).toBeCloseTo(60, 3);
    expect(payloads).toEqual([
      { payloadType: 18, encodingName: 'G729', clockRate: 8_000, channels: 1 },
    ]);
  });

  test('of one stream only is refused', () => {
    const file = pcapFile('one.pcap', stream(5_000, 6_000, 11, 1_000, 0));
    expect(() => callFromCapture(file, undefined)).toThrow(/no two RTP streams/);
  });
});
