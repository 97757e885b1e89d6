import type { OpenTransport } from './flow.ts';
import { TcpTransport } from './tcp-transport.ts';
import { UdpTransport } from './udp-transport.ts';

/** The network of this host. */
export const openSocket: OpenTransport = (name, options) =>
  name === 'tcp' ? TcpTransport.create(options) : UdpTransport.create(options);
