import type { SocketAddress } from '../src/edge/types.ts';

/** A party's PCMU, 20 ms a packet, RTCP on the next port. */
export function pcmuSdp({ ip, port }: SocketAddress): string {
  return [
    'v=0',
    `o=- 1 1 IN IP4 ${ip}`,
    's=-',
    `c=IN IP4 ${ip}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n');
}

/** Where an SDP's only stream is to be sent. */
export function mediaAddressOf(sdp: string): SocketAddress {
  const ip = /^c=IN IP[46] (\S+)/m.exec(sdp)?.[1];
  const port = /^m=audio (\d+) /m.exec(sdp)?.[1];
  if (ip === undefined || port === undefined) throw new Error(`no media address in:\n${sdp}`);
  return { ip, port: Number(port) };
}
