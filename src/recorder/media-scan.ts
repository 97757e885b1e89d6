import { isRtcp, readRtpHeader } from '../rtp/header.ts';
import type { RtpHeader } from '../rtp/header.ts';
import { findDatagram } from './datagram.ts';
import type { CaptureFileReader } from './pcap-reader.ts';
import type { SessionStream } from './session-file.ts';
import { StreamTrack } from './stream-track.ts';
import type { Placed } from './stream-track.ts';

/** SSRCs of one stream; more than that is noise. */
const SSRCS_MAX = 64;
/** Sockets are read one after the other. A capture of someone else may come from several queues. */
const OUT_OF_ORDER_MS_MAX = 1_000;
/** Seconds from 1900 (NTP) to 1970. */
const NTP_EPOCH_S = 2_208_988_800;

export interface ScannedPacket {
  readonly streamIndex: number;
  readonly track: StreamTrack;
  readonly placed: Placed;
  readonly header: RtpHeader;
  /** Valid until the next packet. */
  readonly payload: Buffer;
  /** As negotiated; undefined for a payload type that was not. */
  readonly encodingName: string | undefined;
}

export interface ScannedStream {
  readonly tracks: Map<number, StreamTrack>;
  /** Packets by encoding name. */
  readonly encodings: Map<string, number>;
  rtcpPackets: number;
  /** On tracks or not. */
  rtpPackets: number;
}

/** Reads a capture through once, and puts every RTP packet on its stream's track. */
export class MediaScan {
  readonly streams: readonly ScannedStream[];
  readonly #sessionStreams: readonly SessionStream[];
  firstAt: number | undefined;
  lastAt = 0;

  constructor(sessionStreams: readonly SessionStream[]) {
    this.#sessionStreams = sessionStreams;
    this.streams = sessionStreams.map(() => ({
      tracks: new Map(),
      encodings: new Map(),
      rtcpPackets: 0,
      rtpPackets: 0,
    }));
  }

  *packets(reader: CaptureFileReader): Generator<ScannedPacket, void> {
    const clock = new SteadyTimes();
    for (const packet of reader.packets()) {
      const at = clock.timeOf(packet.at);
      const streamIndex = packet.interface.index;
      const stream = this.streams[streamIndex];
      const datagram = findDatagram(packet.data, packet.interface.linkType);
      if (stream === undefined || datagram === undefined) continue;
      const { payloadStart, payloadEnd } = datagram;
      if (isRtcp(packet.data, payloadStart, payloadEnd)) {
        stream.rtcpPackets += 1;
        readSenderReport(packet.data.subarray(payloadStart, payloadEnd), stream);
        continue;
      }
      const header = readRtpHeader(packet.data, payloadStart, payloadEnd);
      if (header !== undefined) stream.rtpPackets += 1;
      const track = header === undefined ? undefined : trackOf(stream, header.ssrc);
      if (header === undefined || track === undefined) continue;
      this.firstAt ??= at;
      this.lastAt = Math.max(this.lastAt, at);
      const codec = this.#codecOf(streamIndex, header.payloadType, packet.at);
      const { sequence, timestamp } = header;
      const clockRate = codec?.clockRate ?? 8_000;
      const placed = track.push({ at, sequence, timestamp, clockRate });
      const encodingName = codec?.encodingName.toUpperCase();
      const name = encodingName ?? `payload type ${String(header.payloadType)}`;
      stream.encodings.set(name, (stream.encodings.get(name) ?? 0) + 1);
      const payload = packet.data.subarray(header.payloadStart, header.payloadEnd);
      yield { streamIndex, track, placed, header, payload, encodingName };
    }
  }

  #codecOf(
    streamIndex: number,
    payloadType: number,
    at: number,
  ): { encodingName: string; clockRate: number } | undefined {
    const epochs = this.#sessionStreams[streamIndex]?.epochs ?? [];
    let found: { encodingName: string; clockRate: number } | undefined;
    for (const epoch of epochs) {
      // Media of a new offer may come before its answer is out: the first epoch that knows the number serves too.
      if (found !== undefined && epoch.at > at) break;
      found = epoch.payloads.find((payload) => payload.payloadType === payloadType) ?? found;
    }
    return found;
  }
}

/** Packets lie in the order in which they came: a time before the last one's is of a clock that was set back. */
class SteadyTimes {
  #setBackMs = 0;
  #last = -Infinity;

  timeOf(wallMs: number): number {
    const at = wallMs + this.#setBackMs;
    if (at < this.#last - OUT_OF_ORDER_MS_MAX) {
      this.#setBackMs = this.#last - wallMs;
      return this.#last;
    }
    this.#last = Math.max(this.#last, at);
    return at;
  }
}

function trackOf(stream: ScannedStream, ssrc: number): StreamTrack | undefined {
  const known = stream.tracks.get(ssrc);
  if (known !== undefined || stream.tracks.size >= SSRCS_MAX) return known;
  const track = new StreamTrack();
  stream.tracks.set(ssrc, track);
  return track;
}

/** RFC 3550 section 6.4.1; it stands first in a compound packet. */
function readSenderReport(rtcp: Buffer, stream: ScannedStream): void {
  if (rtcp.length < 20 || rtcp.readUInt8(1) !== 200) return;
  const seconds = rtcp.readUInt32BE(8);
  if (seconds === 0) return;
  const ntpMs = (seconds - NTP_EPOCH_S) * 1_000 + (rtcp.readUInt32BE(12) * 1_000) / 2 ** 32;
  stream.tracks.get(rtcp.readUInt32BE(4))?.report(ntpMs, rtcp.readUInt32BE(16));
}
