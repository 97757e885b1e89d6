import type { SocketAddress } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Payload } from '../recording/interfaces.ts';

/** What a plain telephone would say of its media, as an offer or as an answer. */
export function writePartySdp(
  name: string,
  local: SocketAddress,
  payloads: readonly Payload[],
): string {
  const lines = [
    'v=0',
    `o=${name} ${Date.now()} 1 IN IP4 ${local.ip}`,
    's=-',
    `c=IN IP4 ${local.ip}`,
    't=0 0',
    `m=audio ${local.port} RTP/AVP ${payloads.map(({ payloadType }) => payloadType).join(' ')}`,
    ...payloads.map(
      ({ payloadType, encodingName, clockRate, channels }) =>
        `a=rtpmap:${payloadType} ${encodingName}/${clockRate}${channels > 1 ? `/${channels}` : ''}`,
    ),
    'a=sendrecv',
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** Where the other side wants RTP. */
export function readMediaAddress(sdp: string): SocketAddress {
  const port = Number(/^m=audio (\d+) /m.exec(sdp)?.[1] ?? 0);
  const ip = /^c=IN IP[46] (\S+)/m.exec(sdp)?.[1];
  if (port === 0 || ip === undefined) {
    throw new TandemError('SDP_INVALID', 'no media address in the description that Tandem gave');
  }
  return { ip, port };
}
