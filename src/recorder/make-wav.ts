import { MediaScan } from './media-scan.ts';
import { CaptureFileReader } from './pcap-reader.ts';
import type { SessionStream } from './session-file.ts';
import { DECODABLE, NOT_SPEECH, SpeechDecoder } from './speech-decoder.ts';
import type { Segment, StreamTrack } from './stream-track.ts';
import { WavChannel } from './wav-channel.ts';
import { fitsWav, writeWav } from './wav-file.ts';

export type WavResult =
  | {
      readonly file: string;
      readonly channels: number;
      readonly sampleRate: number;
      readonly durationMs: number;
    }
  | { readonly file: null; readonly reason: string };

/** Reports of senders whose clocks differ, passed on by a mixer: they disagree with the times of receipt. */
const reportsApartMsMax = 1_000;
/** Media time of the last packet, which its timestamp does not tell. */
const lastPacketMs = 20;
/** A segment this far from the rest is a clock gone wrong, not a pause. */
const durationMsMax = 48 * 3_600_000;

/**
 * One channel per stream in the order of their labels, placed by RTP timestamp, gaps silent. The streams are aligned by the
 * sender's reports where all have one and their clocks agree, else by their least delayed packets.
 *
 * @param scanned the same capture, read through: where every time line begins is known from its end on
 */
export function makeWav(
  media: string,
  file: string,
  streams: readonly SessionStream[],
  scanned: MediaScan,
): WavResult {
  const names = new Set(scanned.streams.flatMap(({ encodings }) => [...encodings.keys()]));
  const speech = [...names].filter((name) => !NOT_SPEECH.has(name));
  const unknown = speech.filter((name) => !DECODABLE.has(name));
  if (unknown.length > 0) return { file: null, reason: `no decoder for ${unknown.join(', ')}` };
  if (speech.length === 0) return { file: null, reason: 'no speech was received' };
  const sampleRate = Math.max(...speech.map((name) => DECODABLE.get(name) ?? 0));

  const segments = scanned.streams.flatMap(({ tracks }) =>
    [...tracks.values()].flatMap((track) => track.segments),
  );
  const apartMs = segments.map((segment) => (segment.reportedOriginMs ?? NaN) - segment.originMs);
  const reported = Math.max(...apartMs) - Math.min(...apartMs) <= reportsApartMsMax;
  const originOf = (segment: Segment): number =>
    reported ? (segment.reportedOriginMs ?? segment.originMs) : segment.originMs;
  const timeOf = (segment: Segment, timestamp: number): number =>
    originOf(segment) + ((timestamp - segment.origin) * 1_000) / segment.clockRate;
  const beginMs = Math.min(...segments.map((segment) => timeOf(segment, segment.lowest)));
  const endMs =
    Math.max(...segments.map((segment) => timeOf(segment, segment.highest))) + lastPacketMs;
  const samples = Math.round(((endMs - beginMs) * sampleRate) / 1_000);
  if (endMs - beginMs > durationMsMax || !fitsWav(samples, streams.length)) {
    return { file: null, reason: `${Math.round((endMs - beginMs) / 1_000)} s do not fit a WAV` };
  }

  const channels = streams.map((_stream, index) => new WavChannel(`${file}.${index}.tmp`, samples));
  const reader = CaptureFileReader.open(media);
  try {
    const decoders = new Map<StreamTrack, SpeechDecoder>();
    const segmentOf = new Map<StreamTrack, number>();
    const scan = new MediaScan(streams);
    for (const packet of scan.packets(reader)) {
      const { streamIndex, track, placed, header, payload, encodingName } = packet;
      if (placed.kind === 'duplicate' || encodingName === undefined) continue;
      if (!DECODABLE.has(encodingName)) continue;
      // The same SSRC's track in the first pass knows where its time line ended up.
      const known = scanned.streams[streamIndex]?.tracks.get(header.ssrc);
      const segment = known?.segments[placed.segmentIndex] ?? placed.segment;
      let decoder = decoders.get(track);
      if (decoder === undefined) {
        const channel = channels[streamIndex] as WavChannel;
        decoder = new SpeechDecoder(sampleRate, (at, decoded) => {
          channel.write(at, decoded);
        });
        decoders.set(track, decoder);
      }
      if (segmentOf.get(track) !== placed.segmentIndex) decoder.restart();
      segmentOf.set(track, placed.segmentIndex);
      const at = Math.round(((timeOf(segment, placed.timestamp) - beginMs) * sampleRate) / 1_000);
      decoder.push(encodingName, placed.sequence, at, payload);
    }
    for (const decoder of decoders.values()) decoder.flush();
    writeWav({ file, sampleRate, samples, channels });
  } finally {
    reader.close();
    for (const channel of channels) channel.close();
  }
  const durationMs = Math.round(endMs - beginMs);
  return { file: 'recording.wav', channels: channels.length, sampleRate, durationMs };
}
