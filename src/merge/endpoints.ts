import type { Datagram } from '../recorder/datagram.ts';

/** Between whom a datagram went: what the output's IP and UDP headers say. */
export interface Endpoints {
  readonly ipVersion: 4 | 6;
  /** Copies: 4 or 16 bytes. */
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export function endpointsOf(packet: Buffer, datagram: Datagram): Endpoints {
  const { ipVersion, sourceAt, destinationAt, sourcePort, destinationPort } = datagram;
  const bytes = ipVersion === 4 ? 4 : 16;
  return {
    ipVersion,
    source: Buffer.from(packet.subarray(sourceAt, sourceAt + bytes)),
    destination: Buffer.from(packet.subarray(destinationAt, destinationAt + bytes)),
    sourcePort,
    destinationPort,
  };
}

/** Same text, same 5-tuple. */
export function flowKey(packet: Buffer, datagram: Datagram): string {
  const { ipVersion, sourceAt, sourcePort, destinationPort } = datagram;
  const addresses = packet.toString('latin1', sourceAt, sourceAt + (ipVersion === 4 ? 8 : 32));
  return `${addresses}${sourcePort}>${destinationPort}`;
}
