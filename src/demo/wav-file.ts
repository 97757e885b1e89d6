import { readFileSync } from 'node:fs';
import { messageOf, TandemError } from '../errors.ts';
import { A_LAW, decodeG711, MU_LAW } from '../recorder/g711.ts';

export interface WavFile {
  readonly sampleRate: number;
  /** 16-bit linear samples, by channel. */
  readonly channels: readonly Int16Array[];
}

const formatPcm = 1;
const formatALaw = 6;
const formatMuLaw = 7;
const formatExtensible = 0xfffe;

/** RIFF WAVE with 8- or 16-bit PCM, mu-law or A-law. Errors: NOT_FOUND, INVALID_REQUEST. */
export function readWavFile(file: string): WavFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new TandemError('NOT_FOUND', `${file}: ${messageOf(cause)}`, { cause });
  }
  const refuse = (reason: string) => new TandemError('INVALID_REQUEST', `${file}: ${reason}`);
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') {
    throw refuse('not a WAV file');
  }
  const chunks = readChunks(bytes);
  const head = chunks.get('fmt ');
  const data = chunks.get('data');
  if (head === undefined || head.length < 16 || data === undefined) {
    throw refuse('no format or no data in it');
  }
  const tag = head.readUInt16LE(0);
  const format = tag === formatExtensible && head.length >= 26 ? head.readUInt16LE(24) : tag;
  const channelCount = head.readUInt16LE(2);
  const sampleRate = head.readUInt32LE(4);
  const samples = decode(format, head.readUInt16LE(14), data);
  if (samples === undefined) throw refuse('neither 8- or 16-bit PCM, nor mu-law, nor A-law');
  if (channelCount < 1 || sampleRate < 1_000 || samples.length < channelCount) {
    throw refuse('no sound in it');
  }
  const frames = Math.floor(samples.length / channelCount);
  const channels = Array.from({ length: channelCount }, (_value, channel) =>
    Int16Array.from({ length: frames }, (_sample, at) => samples[at * channelCount + channel] ?? 0),
  );
  return { sampleRate, channels };
}

function readChunks(bytes: Buffer): Map<string, Buffer> {
  const chunks = new Map<string, Buffer>();
  for (let at = 12; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 4);
    // A recording that was cut off has a length beyond its end: what is there is played.
    chunks.set(bytes.toString('latin1', at, at + 4), bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length + (length % 2);
  }
  return chunks;
}

function decode(format: number, bits: number, data: Buffer): Int16Array | undefined {
  if (format === formatMuLaw && bits === 8) return decodeG711(MU_LAW, data);
  if (format === formatALaw && bits === 8) return decodeG711(A_LAW, data);
  if (format === formatPcm && bits === 8) {
    return Int16Array.from(data, (byte) => (byte - 128) * 256);
  }
  if (format === formatPcm && bits === 16) {
    return Int16Array.from({ length: data.length >> 1 }, (_value, at) => data.readInt16LE(at * 2));
  }
  return undefined;
}
