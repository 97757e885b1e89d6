import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { A_LAW, decodeG711, MU_LAW } from '../../../src/recorder/g711.ts';
import { G722Decoder } from '../../../src/recorder/g722-decoder.ts';

const dir = mkdtempSync(join(tmpdir(), 'tandem-decoders-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args], { cwd: dir });
}

/** A second of a sweep with noise: both sub-bands have work. */
const sweep = 'aevalsrc=0.4*sin(2*PI*(200+3000*t)*t)+0.05*random(0):s=RATE:d=1';

function samplesOf(file: string): Int16Array {
  const bytes = readFileSync(join(dir, file));
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

test('decodes G.722 as ffmpeg does', () => {
  ffmpeg(
    '-f',
    'lavfi',
    '-i',
    sweep.replace('RATE', '16000'),
    '-c:a',
    'g722',
    '-f',
    'g722',
    'x.g722',
  );
  ffmpeg('-f', 'g722', '-i', 'x.g722', '-f', 's16le', 'x.raw');
  const reference = samplesOf('x.raw');
  const decoded = new G722Decoder().decode(readFileSync(join(dir, 'x.g722')));
  expect(decoded.length).toBe(reference.length);
  const worst = decoded.reduce(
    (most, sample, i) => Math.max(most, Math.abs(sample - (reference[i] ?? 0))),
    0,
  );
  expect(worst).toBeLessThanOrEqual(2);
});

test('decodes G.722 packet by packet as it does in one piece', () => {
  const bytes = Uint8Array.from({ length: 1_600 }, (_value, i) => (i * 37 + (i >> 3)) & 0xff);
  const whole = new G722Decoder().decode(bytes);
  const decoder = new G722Decoder();
  const pieces = [0, 160, 320, 480, 640, 800, 960, 1_120, 1_280, 1_440].flatMap((at) => [
    ...decoder.decode(bytes.subarray(at, at + 160)),
  ]);
  expect(pieces).toEqual([...whole]);
});

test.each([
  ['mulaw', MU_LAW],
  ['alaw', A_LAW],
])('decodes every byte of %s as ffmpeg does', (format, table) => {
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_value, byte) => byte));
  execFileSync(
    'ffmpeg',
    [
      '-loglevel',
      'error',
      '-y',
      '-f',
      format,
      '-ar',
      '8000',
      '-i',
      '-',
      '-f',
      's16le',
      `${format}.raw`,
    ],
    {
      cwd: dir,
      input: bytes,
    },
  );
  expect([...decodeG711(table, bytes)]).toEqual([...samplesOf(`${format}.raw`)]);
});
