import { EventEmitter, once } from 'node:events';
import { DgramAsPromised } from 'dgram-as-promised';
import type { RemoteInfo, SocketAsPromised } from 'dgram-as-promised';
import type { SocketAddress } from '../../src/edge/types.ts';

/** A bound UDP socket that keeps what comes in: RTP, and what is muxed RTCP beside it (RFC 5761). */
export class UdpPeer extends EventEmitter<{ datagram: [] }> {
  readonly received: Buffer[] = [];
  readonly rtcp: Buffer[] = [];
  readonly sources: SocketAddress[] = [];
  readonly #socket: SocketAsPromised;

  private constructor(socket: SocketAsPromised) {
    super();
    this.#socket = socket;
    socket.socket.on('message', (datagram: Buffer, from: RemoteInfo) => {
      const isRtcp = datagram.length > 1 && datagram[1]! >= 192 && datagram[1]! <= 223;
      (isRtcp ? this.rtcp : this.received).push(datagram);
      this.sources.push({ ip: from.address, port: from.port });
      this.emit('datagram');
    });
  }

  static async open(ip = '127.0.0.1'): Promise<UdpPeer> {
    const socket = DgramAsPromised.createSocket({
      type: ip.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize: 4_194_304,
    });
    await socket.bind(0, ip);
    return new UdpPeer(socket);
  }

  get address(): SocketAddress {
    const { address, port } = this.#socket.address();
    return { ip: address, port };
  }

  async send(to: SocketAddress, ...datagrams: readonly Buffer[]): Promise<void> {
    await Promise.all(datagrams.map((datagram) => this.#socket.send(datagram, to.port, to.ip)));
  }

  /** Resolves to all RTP that came when it is `count` packets or more. */
  async gets(count: number): Promise<readonly Buffer[]> {
    await this.#until(() => this.received.length >= count, `${count} packets`);
    return this.received;
  }

  async getsRtcp(count: number): Promise<readonly Buffer[]> {
    await this.#until(() => this.rtcp.length >= count, `${count} RTCP packets`);
    return this.rtcp;
  }

  async #until(done: () => boolean, wanted: string): Promise<void> {
    const signal = AbortSignal.timeout(15_000);
    while (!done()) {
      await once(this, 'datagram', { signal }).catch((cause: unknown) => {
        const came = `${this.received.length} RTP and ${this.rtcp.length} RTCP`;
        throw new Error(`waited for ${wanted}; ${came} came`, { cause });
      });
    }
  }

  async close(): Promise<void> {
    await this.#socket.close();
  }
}

/** The address of a port that was just closed: whatever is sent there is refused. */
export async function closedAddress(ip = '127.0.0.1'): Promise<SocketAddress> {
  const [address] = await closedAddresses(1, ip);
  return address!;
}

/** All different: one that was closed before the next was opened might be given again. */
export async function closedAddresses(count: number, ip = '127.0.0.1'): Promise<SocketAddress[]> {
  const peers = await Promise.all(Array.from({ length: count }, () => UdpPeer.open(ip)));
  const addresses = peers.map(({ address }) => address);
  await Promise.all(peers.map((peer) => peer.close()));
  return addresses;
}
