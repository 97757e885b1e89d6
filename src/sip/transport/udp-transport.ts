import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { parseDatagram } from '../message/parse.ts';
import { isWildcard, plainAddress } from './flow.ts';
import type { SipFlow, SipTransport, SocketAddress, TransportOptions } from './flow.ts';
import { LocalAddresses } from './local-address.ts';

/** Room for a burst of SIPREC INVITEs while the event loop is busy. */
const RECEIVE_BUFFER_BYTES = 1_048_576;

export class UdpTransport implements SipTransport {
  readonly name = 'udp';
  readonly address: SocketAddress;
  readonly #socket: Socket;
  readonly #options: TransportOptions;
  readonly #localAddresses: LocalAddresses;
  #closed = false;

  private constructor(socket: Socket, options: TransportOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#localAddresses = new LocalAddresses(options.clock);
    this.address = { address: options.host, port: socket.address().port };
  }

  static create(options: TransportOptions): Promise<UdpTransport> {
    const socket = createSocket({
      type: isIPv6(options.host) ? 'udp6' : 'udp4',
      recvBufferSize: RECEIVE_BUFFER_BYTES,
    });
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ port: options.port, address: options.host, exclusive: true }, () => {
        socket.removeAllListeners('error');
        const transport = new UdpTransport(socket, options);
        transport.#listen();
        resolve(transport);
      });
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  flowTo(remote: SocketAddress): Promise<SipFlow> {
    return Promise.resolve(new UdpFlow(this, remote));
  }

  send(bytes: Buffer, remote: SocketAddress, onError: (error: Error) => void): void {
    const mapped = isIPv6(this.#options.host) && !isIPv6(remote.address);
    const address = mapped ? `::ffff:${remote.address}` : remote.address;
    try {
      this.#socket.send(bytes, remote.port, address, (error) => {
        if (error !== null) onError(error);
      });
    } catch (error) {
      queueMicrotask(() => {
        onError(error instanceof Error ? error : new Error(String(error)));
      });
    }
  }

  async localTowards(remote: SocketAddress): Promise<SocketAddress> {
    if (!isWildcard(this.#options.host)) return this.address;
    return {
      address: await this.#localAddresses.towards(remote.address),
      port: this.address.port,
    };
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return new Promise((resolve) => {
      this.#socket.close(() => {
        resolve();
      });
    });
  }

  #listen(): void {
    this.#socket.on('error', (error) => {
      this.#options.logger.warn({ err: error }, 'SIP UDP socket error');
    });
    this.#socket.on('message', (bytes: Buffer, info: RemoteInfo) => {
      const outcome = parseDatagram(bytes, this.#options.limits);
      // Port 0 cannot be answered.
      if (outcome === undefined || info.port === 0) return;
      const remote = { address: plainAddress(info.address), port: info.port };
      this.#options.onMessage(outcome, new UdpFlow(this, remote));
    });
  }
}

class UdpFlow implements SipFlow {
  readonly transport = 'udp';
  readonly remote: SocketAddress;
  readonly #owner: UdpTransport;

  constructor(owner: UdpTransport, remote: SocketAddress) {
    this.#owner = owner;
    this.remote = remote;
  }

  get closed(): boolean {
    return this.#owner.closed;
  }

  local(): Promise<SocketAddress> {
    return this.#owner.localTowards(this.remote);
  }

  send(bytes: Buffer, onError: (error: Error) => void): void {
    this.#owner.send(bytes, this.remote, onError);
  }

  retain(): () => void {
    return () => undefined;
  }
}
