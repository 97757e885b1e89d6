import { closeSync, openSync, writeSync } from 'node:fs';

/** Classic pcap files as a capture tool writes them: made by hand, so that what reads them is not what wrote them. */

export interface CapturedDatagram {
  /** Unix ms. */
  readonly at: number;
  readonly payload: Buffer;
  readonly from?: string;
  readonly to?: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** The IPv4 flags and fragment offset. */
  readonly fragment?: number;
  /** Bytes of the packet that the capture has, as with a snap length. */
  readonly capturedBytes?: number;
}

export type Link = 'ethernet' | 'vlan' | 'cooked' | 'raw' | 'loopback';

const linkTypes: Record<Link, number> = {
  ethernet: 1,
  vlan: 1,
  cooked: 113,
  raw: 101,
  loopback: 0,
};

/** In the order given, which is the order of receipt. */
export function writePcap(
  file: string,
  datagrams: Iterable<CapturedDatagram>,
  link: Link = 'ethernet',
): void {
  const fd = openSync(file, 'w');
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(linkTypes[link], 20);
  let waiting: Buffer[] = [header];
  let bytes = 0;
  for (const datagram of datagrams) {
    const packet = frame(datagram, link);
    const record = pcapRecord(datagram.at, packet, datagram.capturedBytes);
    waiting.push(record);
    bytes += record.length;
    if (bytes < 1_000_000) continue;
    writeSync(fd, Buffer.concat(waiting));
    waiting = [];
    bytes = 0;
  }
  writeSync(fd, Buffer.concat(waiting));
  closeSync(fd);
}

function pcapRecord(at: number, packet: Buffer, capturedBytes = packet.length): Buffer {
  const head = Buffer.alloc(16);
  const micros = Math.round(at * 1_000);
  head.writeUInt32LE(Math.floor(micros / 1_000_000), 0);
  head.writeUInt32LE(micros % 1_000_000, 4);
  head.writeUInt32LE(capturedBytes, 8);
  head.writeUInt32LE(packet.length, 12);
  return Buffer.concat([head, packet.subarray(0, capturedBytes)]);
}

function frame(datagram: CapturedDatagram, link: Link): Buffer {
  const packet = ipPacket(datagram);
  const isIpv6 = packet.readUInt8(0) >> 4 === 6;
  const type = Buffer.from(isIpv6 ? '86dd' : '0800', 'hex');
  switch (link) {
    case 'ethernet':
      return Buffer.concat([Buffer.alloc(12, 2), type, packet]);
    case 'vlan':
      return Buffer.concat([Buffer.alloc(12, 2), Buffer.from('8100000a', 'hex'), type, packet]);
    case 'cooked':
      return Buffer.concat([Buffer.alloc(14), type, packet]);
    case 'raw':
      return packet;
    case 'loopback':
      return Buffer.concat([Buffer.from(isIpv6 ? '1e000000' : '02000000', 'hex'), packet]);
  }
}

function ipPacket({ payload, from, to, fragment, ...ports }: CapturedDatagram): Buffer {
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(ports.sourcePort ?? 40_000, 0);
  udp.writeUInt16BE(ports.destinationPort ?? 50_000, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const source = addressBytes(from ?? '192.0.2.1');
  const destination = addressBytes(to ?? '192.0.2.2');
  const bytes = Buffer.concat([source, destination, udp, payload]);
  const isIpv4 = source.length === 4;
  const head = Buffer.alloc(isIpv4 ? 12 : 8);
  if (isIpv4) {
    head.writeUInt8(0x45, 0);
    head.writeUInt16BE(12 + bytes.length, 2);
    head.writeUInt16BE(fragment ?? 0, 6);
    head.writeUInt8(64, 8);
    head.writeUInt8(17, 9);
  } else {
    head.writeUInt8(0x60, 0);
    head.writeUInt16BE(udp.length + payload.length, 4);
    head.writeUInt8(17, 6);
    head.writeUInt8(64, 7);
  }
  return Buffer.concat([head, bytes]);
}

/** IPv4 with dots, or all eight groups of IPv6. */
function addressBytes(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  return Buffer.from(
    text
      .split(':')
      .map((group) => group.padStart(4, '0'))
      .join(''),
    'hex',
  );
}
