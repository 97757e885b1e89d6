/** Finds the UDP datagram in a captured packet, through the link layers that captures of media come with. */

const UDP = 17;
/** IPv6 extension headers that may stand before UDP: hop-by-hop, routing, destination options. */
const IPV6_OPTIONS: readonly number[] = [0, 43, 60];

export interface Datagram {
  readonly ipVersion: 4 | 6;
  /** Where the addresses begin in the packet: 4 or 16 bytes each. */
  readonly sourceAt: number;
  readonly destinationAt: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

/** Undefined for all that is not one whole UDP datagram: other protocols, fragments, cut packets. */
export function findDatagram(packet: Buffer, linkType: number): Datagram | undefined {
  const at = ipStart(packet, linkType);
  if (at === undefined || at >= packet.length) return undefined;
  const version = packet.readUInt8(at) >> 4;
  if (version === 4) return inIpv4(packet, at);
  return version === 6 ? inIpv6(packet, at) : undefined;
}

/** Where the IP header begins; undefined for other protocols and unknown link types. */
export function ipStart(packet: Buffer, linkType: number): number | undefined {
  switch (linkType) {
    case 0: // BSD loopback
    case 108:
      return 4;
    case 1:
      return ethernetPayload(packet);
    case 12: // raw IP, as BSDs number it
    case 14:
    case 101:
    case 228:
    case 229:
      return 0;
    case 113: // Linux cooked
      return 16;
    case 276: // Linux cooked, version 2
      return 20;
    default:
      return undefined;
  }
}

function ethernetPayload(packet: Buffer): number | undefined {
  let at = 12;
  for (let tags = 0; tags < 3 && at + 2 <= packet.length; tags += 1) {
    const type = packet.readUInt16BE(at);
    if (type === 0x0800 || type === 0x86dd) return at + 2;
    if (type !== 0x8100 && type !== 0x88a8) return undefined;
    at += 4;
  }
  return undefined;
}

function inIpv4(packet: Buffer, at: number): Datagram | undefined {
  if (at + 20 > packet.length) return undefined;
  const headerBytes = (packet.readUInt8(at) & 0x0f) * 4;
  const isFragment = (packet.readUInt16BE(at + 6) & 0x3fff) !== 0;
  if (headerBytes < 20 || isFragment || packet.readUInt8(at + 9) !== UDP) return undefined;
  return inUdp(packet, at + headerBytes, 4, at + 12, at + 16);
}

function inIpv6(packet: Buffer, at: number): Datagram | undefined {
  if (at + 40 > packet.length) return undefined;
  let next = packet.readUInt8(at + 6);
  let header = at + 40;
  for (let hops = 0; hops < 8 && IPV6_OPTIONS.includes(next); hops += 1) {
    if (header + 8 > packet.length) return undefined;
    next = packet.readUInt8(header);
    header += (packet.readUInt8(header + 1) + 1) * 8;
  }
  return next === UDP ? inUdp(packet, header, 6, at + 8, at + 24) : undefined;
}

function inUdp(
  packet: Buffer,
  at: number,
  ipVersion: 4 | 6,
  sourceAt: number,
  destinationAt: number,
): Datagram | undefined {
  if (at + 8 > packet.length) return undefined;
  const end = at + packet.readUInt16BE(at + 4);
  if (end < at + 8 || end > packet.length) return undefined;
  return {
    ipVersion,
    sourceAt,
    destinationAt,
    sourcePort: packet.readUInt16BE(at),
    destinationPort: packet.readUInt16BE(at + 2),
    payloadStart: at + 8,
    payloadEnd: end,
  };
}
