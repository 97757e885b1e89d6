import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { WavChannel } from './wav-channel.ts';

const HEADER_BYTES = 44;
const BLOCK_SAMPLES = 16_384;
/** RIFF counts its bytes in 32 bits. */
const WAV_BYTES_MAX = 2 ** 32 - 1;

export function fitsWav(samples: number, channels: number): boolean {
  return HEADER_BYTES + samples * channels * 2 <= WAV_BYTES_MAX;
}

/** Interleaves the channels into a 16-bit PCM WAV, under a temporary name until it is whole. */
export function writeWav(options: {
  file: string;
  sampleRate: number;
  samples: number;
  channels: readonly WavChannel[];
}): void {
  const { file, samples, channels } = options;
  const temporary = `${file}.tmp`;
  const fd = openSync(temporary, 'w');
  try {
    writeAll(fd, wavHeader(options.sampleRate, samples, channels.length));
    const block = new Int16Array(BLOCK_SAMPLES);
    const mixed = new Int16Array(BLOCK_SAMPLES * channels.length);
    for (let at = 0; at < samples; at += BLOCK_SAMPLES) {
      const count = Math.min(BLOCK_SAMPLES, samples - at);
      for (const [channel, source] of channels.entries()) {
        source.read(at, block.subarray(0, count));
        for (let i = 0; i < count; i += 1) mixed[i * channels.length + channel] = block[i] ?? 0;
      }
      writeAll(fd, Buffer.from(mixed.buffer, 0, count * channels.length * 2));
    }
    closeSync(fd);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(fd, bytes, written);
}

function wavHeader(sampleRate: number, samples: number, channels: number): Buffer {
  const dataBytes = samples * channels * 2;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(HEADER_BYTES - 8 + dataBytes, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(dataBytes, 40);
  return header;
}
