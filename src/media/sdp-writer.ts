import { randomInt } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { write, type MediaDescription } from 'sdp-transform';
import type { SocketAddress } from '../edge/types.ts';
import type { AudioDescription, SessionDescription } from './sdp.ts';

/** Our end of one party's session: the identity of the descriptions that we send to it (RFC 8866 section 5.2). */
export interface SdpOrigin {
  readonly sessionId: string;
  readonly version: number;
  /** Last description sent, to tell whether the next one differs. */
  readonly sent?: string;
}

export function newOrigin(): SdpOrigin {
  return { sessionId: String(randomInt(2 ** 31, 2 ** 47)), version: 1 };
}

export interface LocalMedia {
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  /** RTCP on the RTP port towards this party. */
  readonly rtcpMux: boolean;
}

/**
 * The description with our address in it. RFC 3264 section 8: the version goes up by one when anything else changed, and
 * stays when nothing did.
 */
export function writeDescription(
  origin: SdpOrigin,
  description: SessionDescription,
  local: LocalMedia,
): { sdp: string; origin: SdpOrigin } {
  const compose = (version: number): string => {
    const family = isIPv6(local.rtp.ip) ? 6 : 4;
    const media: MediaDescription[] = description.others.map((other) => ({
      type: other.media,
      port: 0,
      protocol: other.protocol,
      payloads: other.formats,
      rtp: [],
      fmtp: [],
    }));
    media.splice(description.audioIndex, 0, audioLine(description.audio, local));
    return write({
      version: 0,
      origin: {
        username: '-',
        sessionId: origin.sessionId,
        sessionVersion: version,
        netType: 'IN',
        ipVer: family,
        address: local.rtp.ip,
      },
      name: '-',
      connection: { version: family, ip: local.rtp.ip },
      timing: { start: 0, stop: 0 },
      media,
    });
  };
  const same = compose(origin.version);
  if (origin.sent === undefined || origin.sent === same) {
    return { sdp: same, origin: { ...origin, sent: same } };
  }
  const version = origin.version + 1;
  const sdp = compose(version);
  return { sdp, origin: { ...origin, version, sent: sdp } };
}

function audioLine(audio: AudioDescription, local: LocalMedia): MediaDescription {
  if (!audio.active) {
    return {
      type: 'audio',
      port: 0,
      protocol: audio.protocol,
      payloads: audio.formats,
      rtp: [],
      fmtp: [],
    };
  }
  const { rtp, rtcp, rtcpMux } = local;
  // An offer of muxing names the port to fall back on as well (RFC 5761 section 5.1.1).
  const nameRtcp = audio.rtcpGiven || rtcp.port !== rtp.port + 1;
  return {
    type: 'audio',
    port: rtp.port,
    protocol: audio.protocol,
    payloads: audio.payloads.map(({ payloadType }) => payloadType).join(' '),
    rtp: audio.payloads.map(({ payloadType, encodingName, clockRate, channels }) => ({
      payload: payloadType,
      codec: encodingName,
      rate: clockRate,
      ...(channels > 1 && { encoding: channels }),
    })),
    fmtp: audio.payloads.flatMap(({ payloadType, fmtp }) =>
      fmtp === undefined ? [] : [{ payload: payloadType, config: fmtp }],
    ),
    ...(nameRtcp && { rtcp: { port: rtcp.port } }),
    ...(audio.ptimeMs !== undefined && { ptime: audio.ptimeMs }),
    ...(audio.maxptimeMs !== undefined && { maxptime: audio.maxptimeMs }),
    direction: audio.direction,
    ...(rtcpMux && { rtcpMux: 'rtcp-mux' }),
  };
}
