import { isIPv4, isIPv6 } from 'node:net';
import { parse, type SharedDescriptionFields } from 'sdp-transform';
import type { SocketAddress } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Payload } from '../recording/interfaces.ts';
import { readSdpLines, sdpInvalid, type SdpLine } from './sdp-lines.ts';
import { staticPayload } from '../rtp/static-payloads.ts';

/**
 * A party's session description as far as it can be carried: one audio stream of plain RTP. What is not understood is
 * not in here, and so is not passed on. Errors: SDP_INVALID, SDP_UNSUPPORTED_SRTP, SDP_UNSUPPORTED_ICE,
 * SDP_UNSUPPORTED_MEDIA, each with `details.field` and `details.value`.
 */

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface AudioDescription {
  /** False: port 0, the stream is refused or taken away. */
  readonly active: boolean;
  readonly protocol: string;
  /** What the m-line says after the protocol. */
  readonly formats: string;
  /** Absent while there is none: port 0, or hold by `c=0.0.0.0` (RFC 2543). */
  readonly rtp?: SocketAddress;
  readonly rtcp?: SocketAddress;
  readonly rtcpMux: boolean;
  /** `a=rtcp` was given (RFC 3605). */
  readonly rtcpGiven: boolean;
  /** From the party's point of view; hold by `c=0.0.0.0` is already in it. */
  readonly direction: Direction;
  /** In the order of preference. */
  readonly payloads: readonly Payload[];
  readonly ptimeMs?: number;
  readonly maxptimeMs?: number;
}

/** An m-line with port 0, kept in its place (RFC 3264 section 6). */
export interface RefusedMedia {
  readonly media: string;
  readonly protocol: string;
  readonly formats: string;
}

export interface SessionDescription {
  /** Every m-line but that of the audio stream, which stands at `audioIndex`. */
  readonly others: readonly RefusedMedia[];
  readonly audioIndex: number;
  readonly audio: AudioDescription;
}

const understood = new Set([
  'rtpmap',
  'fmtp',
  'rtcp',
  'rtcp-mux',
  'ptime',
  'maxptime',
  'sendrecv',
  'sendonly',
  'recvonly',
  'inactive',
]);

/** The edge computes with rates up to this; none in use comes near it. */
const clockRateMax = 1_000_000;

const directions: readonly string[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

type Connection = SharedDescriptionFields['connection'];
type Session = ReturnType<typeof parse>;
type MediaLine = Session['media'][number];

interface Section {
  readonly media: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: string;
  readonly lines: readonly SdpLine[];
}

/** An offer. `first`: of the call; it must bring an audio stream, while a re-offer may take it away. */
export function parseOffer(sdp: string, { first }: { first: boolean }): SessionDescription {
  const { session, head, sections } = readSections(sdp);
  const audioIndex = findAudio(sections);
  const description = describe(session, head, sections, audioIndex);
  if (first && !description.audio.active) {
    throw unsupportedMedia('no audio stream', 'm', sections[audioIndex]);
  }
  return description;
}

/** An answer to `offer` (as it was sent to this party): same m-lines, and only payload types that were offered. */
export function parseAnswer(sdp: string, offer: SessionDescription): SessionDescription {
  const { session, head, sections } = readSections(sdp);
  const count = offer.others.length + 1;
  if (sections.length !== count) {
    throw sdpInvalid('m', sections.length, `the offer has ${count} m-lines`);
  }
  const audio = sections[offer.audioIndex];
  if (audio?.media !== 'audio') {
    throw sdpInvalid('m', audio?.media, 'another kind of media was offered in its place');
  }
  const { audioIndex } = offer;
  const stray = sections.find(({ port }, index) => index !== audioIndex && port !== 0);
  if (stray) throw sdpInvalid('m', mLine(stray), 'accepts a stream that was not offered');
  if (!offer.audio.active && audio.port !== 0) {
    throw sdpInvalid('m', mLine(audio), 'accepts a stream that was taken away');
  }
  return describe(session, head, sections, audioIndex, offer.audio);
}

/** RFC 3264 section 6.1: what an answer may say to an offer of `offered`. Answers that say more are narrowed. */
export function answerDirection(offered: Direction, answered: Direction): Direction {
  const gives = sends(answered) && receives(offered);
  const takes = receives(answered) && sends(offered);
  if (gives) return takes ? 'sendrecv' : 'sendonly';
  return takes ? 'recvonly' : 'inactive';
}

export function receives(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'recvonly';
}

export function sends(direction: Direction): boolean {
  return direction === 'sendrecv' || direction === 'sendonly';
}

function readSections(sdp: string): {
  session: Session;
  head: readonly SdpLine[];
  sections: readonly Section[];
} {
  const lines = readSdpLines(sdp);
  const starts = lines.flatMap(({ type }, index) => (type === 'm' ? [index] : []));
  if (starts.length === 0) throw sdpInvalid('m', '', 'no media');
  const sections = starts.map((start, index) =>
    readSection(lines[start]?.value ?? '', lines.slice(start + 1, starts[index + 1])),
  );
  // Attributes that are not understood never reach the parser: its work is bounded by what is.
  const known = lines.filter(({ type, value }) => type !== 'a' || understood.has(nameOf(value)));
  const session = parse(known.map(({ type, value }) => `${type}=${value}`).join('\r\n'));
  return { session, head: lines.slice(0, starts[0]), sections };
}

function readSection(value: string, lines: readonly SdpLine[]): Section {
  const match = /^([A-Za-z0-9-]+) (\d{1,10}) ([A-Za-z0-9/-]+) (\S.*)$/.exec(value);
  const [, media, portText, protocol, formats] = match ?? [];
  if (media === undefined || protocol === undefined || formats === undefined) {
    throw sdpInvalid('m', value, 'not of the form: media port protocol formats');
  }
  const port = Number(portText);
  if (port > 65_535) throw sdpInvalid('m', value, 'port out of range');
  return { media, port, protocol, formats, lines };
}

function findAudio(sections: readonly Section[]): number {
  const active = sections.flatMap(({ port }, index) => (port === 0 ? [] : [index]));
  const other = active
    .map((index) => sections[index])
    .find((section) => section?.media !== 'audio');
  if (other) throw unsupportedMedia(`only audio is carried, not ${other.media}`, 'm', other);
  if (active.length > 1) {
    throw unsupportedMedia('more than one audio stream', 'm', sections[active[1] ?? 0]);
  }
  const [index = sections.findIndex(({ media }) => media === 'audio')] = active;
  if (index === -1) throw unsupportedMedia('no audio stream', 'm', sections[0]);
  return index;
}

function describe(
  session: Session,
  head: readonly SdpLine[],
  sections: readonly Section[],
  audioIndex: number,
  offered?: AudioDescription,
): SessionDescription {
  const section = sections[audioIndex];
  const line = session.media[audioIndex];
  if (!section || !line) throw sdpInvalid('m', '', 'no audio stream');
  const others = sections
    .filter((_, index) => index !== audioIndex)
    .map(({ media, protocol, formats }) => ({ media, protocol, formats }));
  const { protocol, formats } = section;
  if (section.port === 0) {
    const audio: AudioDescription = {
      active: false,
      protocol,
      formats,
      rtcpMux: false,
      rtcpGiven: false,
      direction: 'inactive',
      payloads: [],
    };
    return { others, audioIndex, audio };
  }

  refuseSrtp(section, head);
  if (protocol !== 'RTP/AVP' && protocol !== 'RTP/AVPF') {
    throw unsupportedMedia(`${protocol} is not carried`, 'm', section);
  }
  const address = readAddress(section, head, line.connection ?? session.connection);
  const stated = readDirection(line.direction ?? session.direction);
  // RFC 2543 B.5: an all-zero address asks for silence; RFC 3264 8.4 reads it as a direction.
  const direction =
    address !== undefined ? stated : sends(stated) ? 'sendonly' : ('inactive' as const);
  // Muxing that was not offered cannot be accepted (RFC 5761 section 5.1.1).
  const rtcpMux = line.rtcpMux !== undefined && (offered?.rtcpMux ?? true);
  const rtp = address === undefined ? undefined : { ip: address, port: section.port };
  const rtcp = rtp && readRtcp(section, line, rtp, rtcpMux);
  const payloads = readPayloads(section, line, offered?.payloads);
  const audio: AudioDescription = {
    active: true,
    protocol,
    formats,
    ...(rtp && { rtp }),
    ...(rtcp && { rtcp }),
    rtcpMux,
    rtcpGiven: line.rtcp !== undefined,
    direction,
    payloads,
    ...milliseconds('ptimeMs', line.ptime),
    ...milliseconds('maxptimeMs', line.maxptime),
  };
  return { others, audioIndex, audio };
}

function refuseSrtp(section: Section, head: readonly SdpLine[]): void {
  const key = attribute([...section.lines, ...head], ['crypto', 'fingerprint', 'key-mgmt']);
  if (key === undefined && !/SAVPF?$/.test(section.protocol)) return;
  const field = /SAVPF?$/.test(section.protocol) ? 'm' : 'a';
  throw new TandemError('SDP_UNSUPPORTED_SRTP', 'SDP asks for SRTP; only plain RTP is carried', {
    details: { field, value: field === 'm' ? mLine(section) : key?.split(':')[0] },
  });
}

/** Undefined: hold by an all-zero address. */
function readAddress(
  section: Section,
  head: readonly SdpLine[],
  connection: Connection,
): string | undefined {
  const own = section.lines.find(({ type }) => type === 'c');
  const stated = own ?? head.find(({ type }) => type === 'c');
  if (!stated) throw sdpInvalid('c', '', 'no connection address for the audio stream');
  const ice = attribute([...section.lines, ...head], ['ice-ufrag', 'candidate', 'ice-pwd']);
  const match = /^IN IP([46]) (\S+)$/.exec(stated.value);
  const [, family, ip] = match ?? [];
  if (ip === undefined || connection === undefined) {
    throw sdpInvalid('c', stated.value, 'not of the form: IN IP4|IP6 address');
  }
  const usable = family === '4' ? isIPv4(ip) : isIPv6(ip);
  const zero = usable && /^[0.:]+$/.test(ip);
  if (ice !== undefined && (!usable || zero)) {
    throw new TandemError('SDP_UNSUPPORTED_ICE', 'SDP has addresses for ICE only', {
      details: { field: 'c', value: stated.value },
    });
  }
  if (!usable) throw sdpInvalid('c', stated.value, notUsable(ip, family));
  if (isMulticast(ip)) throw sdpInvalid('c', stated.value, 'not the address of one party');
  return zero ? undefined : ip;
}

/** RFC 8866 section 5.7 allows host names. Which address one is now would be the call's only until it is asked again. */
function notUsable(text: string, family: string | undefined): string {
  return /^[\w-]*[A-Za-z][\w.-]*$/.test(text)
    ? 'a host name; only IP addresses are taken here'
    : `not an IPv${family} address`;
}

/** Or broadcast: what would be sent to more than the party itself. IPv4 224.0.0.0 and up, IPv6 ff00::/8. */
function isMulticast(ip: string): boolean {
  return isIPv4(ip) ? Number(ip.split('.')[0]) >= 224 : /^ff/i.test(ip);
}

function readDirection(stated: string | undefined): Direction {
  return directions.includes(stated ?? '') ? (stated as Direction) : 'sendrecv';
}

/** RFC 3550 section 11 (next port), RFC 3605 (`a=rtcp`), RFC 5761 (muxed). */
function readRtcp(
  section: Section,
  line: MediaLine,
  rtp: SocketAddress,
  rtcpMux: boolean,
): SocketAddress {
  if (rtcpMux) return rtp;
  const stated = attribute(section.lines, ['rtcp']);
  if (stated === undefined) {
    if (rtp.port === 65_535) throw sdpInvalid('m', mLine(section), 'no port is left for RTCP');
    return { ip: rtp.ip, port: rtp.port + 1 };
  }
  const { port, address = rtp.ip } = line.rtcp ?? { port: 0 };
  const usable = (isIPv4(address) || isIPv6(address)) && !isMulticast(address);
  if (port < 1 || port > 65_535 || !usable) {
    throw sdpInvalid('a=rtcp', stated, 'not a port, or an address that is not an IP address');
  }
  return { ip: address, port };
}

function readPayloads(
  section: Section,
  line: MediaLine,
  offered: readonly Payload[] | undefined,
): readonly Payload[] {
  const malformed = section.lines.find(
    ({ type, value }) =>
      type === 'a' && /^rtpmap:(?!\d{1,3} \S+\/\d{1,7}(\/\d{1,3})?$)/.test(value),
  );
  if (malformed) throw sdpInvalid('a=rtpmap', malformed.value, 'not of the form: type name/rate');
  const wild = line.rtp.find(({ rate = 0 }) => rate > clockRateMax);
  if (wild) throw sdpInvalid('a=rtpmap', wild.rate, `a clock rate above ${clockRateMax} Hz`);
  const numbers = [...new Set(section.formats.split(/ +/))].map((text) => {
    if (!/^\d{1,3}$/.test(text) || Number(text) > 127) {
      throw sdpInvalid('m', text, 'a payload type is a number from 0 to 127');
    }
    return Number(text);
  });
  return numbers.map((payloadType) => readPayload(payloadType, line, offered));
}

function readPayload(
  payloadType: number,
  line: MediaLine,
  offered: readonly Payload[] | undefined,
): Payload {
  const counterpart = offered?.find((payload) => payload.payloadType === payloadType);
  if (offered && !counterpart) {
    throw sdpInvalid('m', payloadType, 'this payload type was not offered');
  }
  const map = line.rtp.find(({ payload }) => payload === payloadType);
  const codec = map?.rate
    ? {
        encodingName: asText(map.codec),
        clockRate: map.rate,
        channels: map.encoding ?? 1,
      }
    : (counterpart ?? staticPayload(payloadType));
  if (!codec) {
    throw sdpInvalid('a=rtpmap', payloadType, 'this payload type needs an rtpmap');
  }
  const { encodingName, clockRate, channels } = codec;
  if (
    counterpart &&
    (counterpart.encodingName.toLowerCase() !== encodingName.toLowerCase() ||
      counterpart.clockRate !== clockRate)
  ) {
    throw sdpInvalid(
      'a=rtpmap',
      `${payloadType} ${encodingName}/${clockRate}`,
      'offered as another codec',
    );
  }
  const fmtp = line.fmtp.find(({ payload }) => payload === payloadType)?.config;
  return {
    payloadType,
    encodingName,
    clockRate,
    channels,
    ...(fmtp !== undefined && { fmtp: asText(fmtp) }),
  };
}

/** The parser makes numbers of what looks like one, whatever its types say. */
function asText(value: string | number): string {
  return String(value);
}

function milliseconds<K extends string>(
  key: K,
  value: number | undefined,
): Partial<Record<K, number>> {
  const usable = typeof value === 'number' && value >= 1 && value <= 1_000;
  return usable ? ({ [key]: value } as Record<K, number>) : {};
}

function attribute(lines: readonly SdpLine[], names: readonly string[]): string | undefined {
  return lines.find(({ type, value }) => type === 'a' && names.includes(nameOf(value)))?.value;
}

function nameOf(value: string): string {
  const colon = value.indexOf(':');
  return colon === -1 ? value : value.slice(0, colon);
}

function mLine({ media, port, protocol, formats }: Section): string {
  return `${media} ${port} ${protocol} ${formats}`;
}

function unsupportedMedia(
  message: string,
  field: string,
  section: Section | undefined,
): TandemError {
  return new TandemError('SDP_UNSUPPORTED_MEDIA', `SDP: ${message}`, {
    details: { field, value: section ? mLine(section).slice(0, 200) : '' },
  });
}
