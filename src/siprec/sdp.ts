import { isIP } from 'node:net';
import { parse, write } from 'sdp-transform';
import type { MediaDescription, SessionDescription } from 'sdp-transform';
import type { SocketAddress } from '../edge/types.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { MediaAddress, Payload } from '../recording/interfaces.ts';
import { staticPayload } from '../rtp/static-payloads.ts';

/** The SDP of recording sessions (RFC 7866 sections 7.1.1 and 7.2.1), as either side reads and writes it. */

const SDP_BYTES_MAX = 65_536;
const LINES_MAX = 32;

export type Direction = 'sendonly' | 'recvonly' | 'sendrecv' | 'inactive';

/** One m-line. */
export interface MediaLine {
  readonly mediaType: string;
  /** `RTP/AVP`, `RTP/SAVP` ... */
  readonly protocol: string;
  /** Any token; scoped to the message that carries it. */
  readonly label?: string;
  readonly direction: Direction;
  /** Port 0, refused or taken away: as read. */
  readonly removed?: boolean;
  /** Absent when the line is removed or its address is null (0.0.0.0, ::). */
  readonly address?: MediaAddress;
  /** The format list as it stands in the m-line. */
  readonly formats: string;
  readonly payloads: readonly Payload[];
  readonly ptimeMs?: number;
  /** Extended reports that the writer of the line asks for (RFC 3611 section 5.1), e.g. `pkt-loss-rle`, perhaps with `=bytes`. */
  readonly rtcpXr?: readonly string[];
}

export interface SdpOrigin {
  /** Below 2^53; the same for the life of the dialog. */
  readonly sessionId: number;
  /** One more with each change. */
  readonly version: number;
  readonly ip: string;
}

/** Addresses of the host names in an SDP body, by name in lower case. */
export type NamedHosts = ReadonlyMap<string, readonly HostAddress[]>;

interface HostAddress {
  readonly address: string;
  readonly family: number;
}

/** The names that stand where addresses are expected (RFC 8866 section 5.7 allows it), in lower case, each once. @throws SDP_INVALID */
export function hostNamesIn(body: Buffer): string[] {
  const session = parseSession(body);
  const hosts = session.media
    .filter(({ port }) => port !== 0)
    .map((media) => hostOf((media.connection ?? session.connection)?.ip));
  return [...new Set(hosts)].filter((host) => hostName.test(host) && isIP(host) === 0);
}

const hostName = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?$/;

function hostOf(ip: string | undefined): string {
  // A multicast TTL (RFC 4566 section 5.7) has no place here, but some write one.
  return textOf(ip).split('/', 1)[0]?.toLowerCase() ?? '';
}

/**
 * @param hosts the addresses of `hostNamesIn(body)`; a name that is not among them is an error
 * @throws SDP_INVALID with the reason.
 */
export function readSdp(body: Buffer, hosts: NamedHosts = new Map()): MediaLine[] {
  const session = parseSession(body);
  return session.media.map((media, position) => readLine(session, media, position, hosts));
}

function parseSession(body: Buffer): SessionDescription {
  if (body.length > SDP_BYTES_MAX) throw invalid(`more than ${String(SDP_BYTES_MAX)} bytes`);
  let session: SessionDescription;
  try {
    session = parse(body.toString('utf8'));
  } catch (cause) {
    throw invalid(messageOf(cause), cause);
  }
  if (session.media.length === 0) throw invalid('no m-line');
  if (session.media.length > LINES_MAX) throw invalid(`more than ${String(LINES_MAX)} m-lines`);
  return session;
}

function readLine(
  session: SessionDescription,
  media: MediaDescription,
  position: number,
  hosts: NamedHosts,
): MediaLine {
  const connection = media.connection ?? session.connection;
  const port: unknown = media.port;
  if (typeof port !== 'number' || port < 0 || port > 65_535) {
    throw invalid(`m-line ${String(position)}: port ${textOf(port)}`);
  }
  const formats = textOf(media.payloads);
  const label = media.label === undefined ? undefined : textOf(media.label).trim();
  const ptimeMs = Number(media.ptime);
  const rtcpXr = readRtcpXr(media);
  return {
    mediaType: media.type,
    protocol: media.protocol,
    ...(label === undefined ? {} : { label }),
    direction: media.direction ?? session.direction ?? 'sendrecv',
    ...addressOf({ media, ip: addressIn(connection, hosts), port, position }),
    formats,
    payloads: readPayloads(media, formats),
    ...(ptimeMs > 0 && ptimeMs <= 1_000 ? { ptimeMs } : {}),
    ...(rtcpXr === undefined ? {} : { rtcpXr }),
  };
}

const rtcpXrPrefix = 'rtcp-xr:';

/** sdp-transform has no name for it, and keeps it as it stands. */
function readRtcpXr({ invalid: unnamed }: MediaDescription): string[] | undefined {
  const value = unnamed?.find((one) => one.value.startsWith(rtcpXrPrefix))?.value;
  return value?.slice(rtcpXrPrefix.length).trim().split(/\s+/);
}

/** A name's address of the family that the line asks for, if there is one. */
function addressIn(connection: SessionDescription['connection'], hosts: NamedHosts): string {
  const host = hostOf(connection?.ip);
  const found = hosts.get(host);
  const best = found?.find(({ family }) => family === connection?.version) ?? found?.[0];
  return best?.address ?? host;
}

function addressOf({
  media,
  ip,
  port,
  position,
}: {
  media: MediaDescription;
  ip: string;
  port: number;
  position: number;
}): { address?: MediaAddress; removed?: boolean } {
  if (port === 0) return { removed: true };
  if (isIP(ip) === 0) throw invalid(`m-line ${String(position)}: address ${ip}`);
  if (ip === '0.0.0.0' || ip === '::') return {};
  const rtcpIp = media.rtcp?.address;
  const rtcp: SocketAddress = {
    ip: rtcpIp !== undefined && isIP(rtcpIp) !== 0 ? rtcpIp : ip,
    port: portOr(media.rtcp?.port, port === 65_535 ? port : port + 1),
  };
  return { address: { rtp: { ip, port }, rtcp } };
}

/** sdp-transform makes numbers of all that looks like one, whatever its types say. */
function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function portOr(port: unknown, fallback: number): number {
  return typeof port === 'number' && port > 0 && port <= 65_535 ? port : fallback;
}

function readPayloads(media: MediaDescription, formats: string): Payload[] {
  const payloads: Payload[] = [];
  for (const format of formats.split(/\s+/)) {
    const payloadType = Number(format);
    if (!/^\d{1,3}$/.test(format) || payloadType > 127) continue;
    const map = media.rtp.find(({ payload }) => payload === payloadType);
    const fixed = staticPayload(payloadType);
    const encodingName = map?.codec ?? fixed?.encodingName;
    if (encodingName === undefined) continue;
    const channels = Number(textOf(map?.encoding));
    const fmtp = media.fmtp.find(({ payload }) => payload === payloadType)?.config;
    payloads.push({
      payloadType,
      encodingName,
      clockRate: map?.rate ?? fixed?.clockRate ?? 8_000,
      channels: channels > 0 ? channels : map === undefined ? (fixed?.channels ?? 1) : 1,
      ...(fmtp === undefined ? {} : { fmtp: textOf(fmtp) }),
    });
  }
  return payloads;
}

/** A line without address is written with port 0. `a=rtcp` stands only where RTCP is not on the next port (RFC 3605). */
export function writeSdp(origin: SdpOrigin, lines: readonly MediaLine[]): Buffer {
  const media = lines.map((line) => {
    const { address, payloads, label, ptimeMs, rtcpXr } = line;
    const ip = address?.rtp.ip ?? origin.ip;
    const rtcp = address?.rtcp;
    const rtcpElsewhere =
      rtcp !== undefined && (rtcp.ip !== ip || rtcp.port !== (address?.rtp.port ?? 0) + 1);
    return {
      type: line.mediaType,
      port: address?.rtp.port ?? 0,
      protocol: line.protocol,
      payloads: line.formats,
      ...(ip === origin.ip ? {} : { connection: { version: ipVersion(ip), ip } }),
      rtp: payloads.map(({ payloadType, encodingName, clockRate, channels }) => ({
        payload: payloadType,
        codec: encodingName,
        rate: clockRate,
        ...(channels > 1 ? { encoding: channels } : {}),
      })),
      fmtp: payloads.flatMap(({ payloadType, fmtp }) =>
        fmtp === undefined ? [] : [{ payload: payloadType, config: fmtp }],
      ),
      ...(ptimeMs === undefined ? {} : { ptime: ptimeMs }),
      ...(label === undefined ? {} : { label }),
      ...(rtcpXr === undefined ? {} : { invalid: [{ value: rtcpXrPrefix + rtcpXr.join(' ') }] }),
      ...(rtcpElsewhere
        ? {
            rtcp: {
              port: rtcp.port,
              netType: 'IN',
              ipVer: ipVersion(rtcp.ip),
              address: rtcp.ip,
            },
          }
        : {}),
      direction: line.direction,
    };
  });
  const text = write({
    version: 0,
    origin: {
      username: '-',
      sessionId: origin.sessionId,
      sessionVersion: origin.version,
      netType: 'IN',
      ipVer: ipVersion(origin.ip),
      address: origin.ip,
    },
    name: 'tandem',
    connection: { version: ipVersion(origin.ip), ip: origin.ip },
    timing: { start: 0, stop: 0 },
    media,
  });
  return Buffer.from(text);
}

export function formatsOf(payloads: readonly Payload[]): string {
  return payloads.map(({ payloadType }) => payloadType).join(' ');
}

function ipVersion(ip: string): 4 | 6 {
  return isIP(ip) === 6 ? 6 : 4;
}

function invalid(why: string, cause?: unknown): TandemError {
  return new TandemError('SDP_INVALID', `SDP: ${why}`, { cause, details: { field: 'sdp' } });
}
