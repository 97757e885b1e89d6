import { randomInt } from 'node:crypto';
import { basename } from 'node:path';
import { MU_LAW } from '../recorder/g711.ts';
import { writeRtpPacket } from '../rtp/header.ts';
import type { MediaSource, ScheduledPacket } from './media-source.ts';
import { readWavFile } from './wav-file.ts';

const clockRate = 8_000;
const packetMs = 20;
const packetSamples = (clockRate * packetMs) / 1_000;
const pcmu = 0;
/** The parties are two machines: their packets do not leave at the same moment. */
const phaseMs = 10;

/** A WAV file as two parties of a PCMU call: left is a, right is b; a mono file is played by both. */
export function speechFromWav(file: string, seconds: number | undefined): MediaSource {
  const wav = readWavFile(file);
  const left = muLaw(resample(wav.channels[0] ?? new Int16Array(), wav.sampleRate));
  const right =
    wav.channels[1] === undefined ? left : muLaw(resample(wav.channels[1], wav.sampleRate));
  const wholeMs = Math.ceil(left.length / packetSamples) * packetMs;
  const durationMs = seconds === undefined ? wholeMs : Math.round(seconds * 50) * packetMs;
  const kind = wav.channels.length > 1 ? 'one party a channel' : 'mono: both parties say the same';
  return {
    description: `${basename(file)}, ${(durationMs / 1_000).toFixed(1)} s of PCMU, ${kind}`,
    durationMs,
    payloads: [{ payloadType: pcmu, encodingName: 'PCMU', clockRate, channels: 1 }],
    packets: {
      a: packetise(left, durationMs, 0),
      b: packetise(right, durationMs, phaseMs),
    },
  };
}

function packetise(audio: Uint8Array, durationMs: number, phase: number): ScheduledPacket[] {
  // RFC 3550 section 5.1: where they begin is random.
  const ssrc = randomInt(2 ** 32);
  const firstSequence = randomInt(2 ** 16);
  const firstTimestamp = randomInt(2 ** 32);
  const silence = 0xff;
  return Array.from({ length: durationMs / packetMs }, (_value, index) => {
    const payload = Buffer.alloc(packetSamples, silence);
    for (let at = 0; at < packetSamples; at += 1) {
      payload[at] = audio[(index * packetSamples + at) % audio.length] ?? silence;
    }
    const bytes = writeRtpPacket(
      {
        payloadType: pcmu,
        marker: index === 0,
        sequence: firstSequence + index,
        timestamp: firstTimestamp + index * packetSamples,
        ssrc,
      },
      payload,
    );
    return { dueMs: phase + index * packetMs, bytes };
  });
}

/** To 8 kHz: the mean of what falls into a sample when it is fewer, a straight line between neighbours when it is more. */
function resample(samples: Int16Array, sampleRate: number): Int16Array {
  if (sampleRate === clockRate) return samples;
  const step = sampleRate / clockRate;
  return Int16Array.from({ length: Math.floor(samples.length / step) }, (_value, index) => {
    const from = index * step;
    if (step < 1) {
      const at = Math.floor(from);
      const here = samples[at] ?? 0;
      return Math.round(here + ((samples[at + 1] ?? here) - here) * (from - at));
    }
    const part = samples.subarray(Math.floor(from), Math.max(Math.floor(from + step), 1));
    return Math.round(part.reduce((sum, sample) => sum + sample, 0) / Math.max(1, part.length));
  });
}

function muLaw(samples: Int16Array): Uint8Array {
  return Uint8Array.from(samples, (sample) => muLawBytes[sample + 32_768] ?? 0xff);
}

/** The byte that decodes to the nearest value, for each 16-bit sample. */
const muLawBytes = nearestMuLaw();

function nearestMuLaw(): Uint8Array {
  const levels = Array.from(MU_LAW, (value, byte) => ({ value, byte })).sort(
    (x, y) => x.value - y.value,
  );
  let at = 0;
  return Uint8Array.from({ length: 65_536 }, (_value, index) => {
    const sample = index - 32_768;
    const distance = (level: { value: number } | undefined) =>
      level === undefined ? Infinity : Math.abs(level.value - sample);
    while (distance(levels[at + 1]) <= distance(levels[at])) at += 1;
    return levels[at]?.byte ?? 0xff;
  });
}
