import { findDatagram, ipStart } from '../recorder/datagram.ts';
import { CaptureFileReader } from '../recorder/pcap-reader.ts';
import type { CapturedPacket, CaptureProblem } from '../recorder/pcap-reader.ts';
import { isRtcp, readRtpHeader } from '../rtp/header.ts';
import { TandemError } from '../errors.ts';
import type { CaptureInput } from './capture-input.ts';
import { endpointsOf, flowKey } from './endpoints.ts';
import { FILE_BYTES_MAX, placeOf } from './place.ts';
import { Track } from './track.ts';

/** Pairs of flow and SSRC that might be RTP; the oldest unproved one makes room. */
const TRACKS_MAX = 16_384;
const PACKETS_A_STEP = 2_000;

export interface RtcpPacket {
  readonly place: number;
  readonly at: number;
  readonly ssrc: number;
}

/** What a capture holds beside RTP: packets. */
export interface OtherPackets {
  rtcp: number;
  /** Parts of an IP datagram: not put together. */
  fragments: number;
  /** Captured with a snap length that cut them. */
  cut: number;
  other: number;
}

/**
 * Pass 1 over one file: where every RTP packet lies, by SSRC and extended sequence number.
 *
 * Memory: 16 bytes for each sequence number of a track (in chunks of 4 KiB), and as much for each further copy of a
 * packet; a gigabyte of 20 ms G.711 takes some 75 MB. Payloads stay in the file.
 */
export class CaptureIndex {
  readonly input: CaptureInput;
  readonly tracks = new Map<string, Track>();
  readonly rtcp: RtcpPacket[] = [];
  readonly others: OtherPackets = { rtcp: 0, fragments: 0, cut: 0, other: 0 };
  readonly linkTypes = new Set<number>();
  problem: CaptureProblem | undefined;
  packets = 0;

  private constructor(input: CaptureInput) {
    this.input = input;
  }

  /** Yields the bytes read so far, now and then. Errors: NOT_FOUND, INVALID_REQUEST when the file is too large. */
  static *build(input: CaptureInput): Generator<number, CaptureIndex> {
    const index = new CaptureIndex(input);
    const reader = CaptureFileReader.open(input.file);
    try {
      if (reader.sizeBytes > FILE_BYTES_MAX) {
        throw new TandemError('INVALID_REQUEST', `${input.file}: larger than 128 GiB`);
      }
      for (const packet of reader.packets()) {
        index.packets += 1;
        index.#add(packet);
        if (index.packets % PACKETS_A_STEP === 0) yield reader.offsetBytes;
      }
      index.problem = reader.problem;
    } finally {
      reader.close();
    }
    return index;
  }

  #add({ at, data, dataOffset, interface: from }: CapturedPacket): void {
    this.linkTypes.add(from.linkType);
    const datagram = findDatagram(data, from.linkType);
    if (datagram === undefined) {
      this.others[whyNone(data, from.linkType)] += 1;
      return;
    }
    const { payloadStart, payloadEnd } = datagram;
    const place = placeOf(dataOffset + payloadStart, payloadEnd - payloadStart);
    if (isRtcp(data, payloadStart, payloadEnd)) {
      this.others.rtcp += 1;
      if (payloadEnd - payloadStart < 8) return;
      this.rtcp.push({ place, at, ssrc: data.readUInt32BE(payloadStart + 4) });
      return;
    }
    const header = readRtpHeader(data, payloadStart, payloadEnd);
    if (header === undefined) {
      this.others.other += 1;
      return;
    }
    const streamIndex = this.input.recording === undefined ? undefined : from.index;
    const flow = streamIndex === undefined ? flowKey(data, datagram) : String(streamIndex);
    const key = `${flow}/${header.ssrc}`;
    let track = this.tracks.get(key);
    if (track === undefined) {
      this.#makeRoom();
      const endpoints = endpointsOf(data, datagram);
      track = new Track({ ssrc: header.ssrc, flow, streamIndex, endpoints });
      this.tracks.set(key, track);
    }
    const { sequence, timestamp, payloadType } = header;
    const payloadBytes = header.payloadEnd - header.payloadStart;
    track.push({ at, sequence, timestamp, payloadType, payloadBytes, place });
  }

  #makeRoom(): void {
    if (this.tracks.size < TRACKS_MAX) return;
    for (const [key, track] of this.tracks) {
      if (track.isRtp) continue;
      this.others.other += track.candidates;
      this.tracks.delete(key);
      return;
    }
    throw new TandemError(
      'INVALID_REQUEST',
      `${this.input.file}: more than ${TRACKS_MAX} RTP streams; a recording is one call: filter the capture first`,
    );
  }
}

const IPV4_FRAGMENT = 0x3fff;
const IPV6_FRAGMENT_HEADER = 44;
const UDP = 17;

function whyNone(packet: Buffer, linkType: number): 'fragments' | 'cut' | 'other' {
  const at = ipStart(packet, linkType);
  if (at === undefined || at + 20 > packet.length) return 'other';
  const version = packet.readUInt8(at) >> 4;
  if (version === 4) {
    if ((packet.readUInt16BE(at + 6) & IPV4_FRAGMENT) !== 0) return 'fragments';
    const isUdp = packet.readUInt8(at + 9) === UDP;
    return isUdp && at + packet.readUInt16BE(at + 2) > packet.length ? 'cut' : 'other';
  }
  if (version !== 6 || at + 40 > packet.length) return 'other';
  const next = packet.readUInt8(at + 6);
  if (next === IPV6_FRAGMENT_HEADER) return 'fragments';
  return next === UDP && at + 40 + packet.readUInt16BE(at + 4) > packet.length ? 'cut' : 'other';
}
