import type { RemoteInfo, SocketAsPromised } from 'dgram-as-promised';
import { DgramAsPromised } from 'dgram-as-promised';
import type { AddressPair } from '../../src/edge/edge.ts';
import type { SocketAddress } from '../../src/edge/types.ts';

export interface Passing {
  readonly kind: 'rtp' | 'rtcp';
  readonly to: 'recorder' | 'edge';
  readonly packet: Buffer;
}

/** Whether it goes on at once, never, or when `release` is called. */
export type Fate = 'pass' | 'lose' | 'hold';

/** What lies between a leg of the edge and a recorder: each knows the other by these addresses. */
export class LossyPath {
  /** Packets of media that came so far, with those that did not go on. */
  packets = 0;
  lostPackets = 0;
  recorder: AddressPair | undefined;
  readonly #edge: AddressPair;
  readonly #fateOf: (passing: Passing) => Fate;
  readonly #sockets: Readonly<Record<Passing['kind'], SocketAsPromised>>;
  #held: (() => void)[] = [];

  private constructor(
    edge: AddressPair,
    fateOf: (passing: Passing) => Fate,
    rtp: SocketAsPromised,
    rtcp: SocketAsPromised,
  ) {
    this.#edge = edge;
    this.#fateOf = fateOf;
    this.#sockets = { rtp, rtcp };
    for (const kind of ['rtp', 'rtcp'] as const) {
      this.#sockets[kind].socket.on('message', (packet: Buffer, from: RemoteInfo) => {
        this.#pass(kind, packet, from);
      });
    }
  }

  static async open(
    edge: AddressPair,
    fateOf: (passing: Passing) => Fate = () => 'pass',
    ip = '127.0.0.1',
  ): Promise<LossyPath> {
    const sockets = [0, 1].map(() =>
      DgramAsPromised.createSocket({ type: 'udp4', recvBufferSize: 4_194_304 }),
    ) as [SocketAsPromised, SocketAsPromised];
    await Promise.all(sockets.map((socket) => socket.bind(0, ip)));
    return new LossyPath(edge, fateOf, ...sockets);
  }

  get address(): AddressPair {
    const of = (kind: Passing['kind']): SocketAddress => {
      const { address, port } = this.#sockets[kind].address();
      return { ip: address, port };
    };
    return { rtp: of('rtp'), rtcp: of('rtcp') };
  }

  /** What was held goes on. */
  release(): void {
    for (const send of this.#held.splice(0)) send();
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#sockets).map((socket) => socket.close()));
  }

  #pass(kind: Passing['kind'], packet: Buffer, from: RemoteInfo): void {
    const to = from.port === this.#edge[kind].port ? 'recorder' : 'edge';
    const fate = this.#fateOf({ kind, to, packet });
    if (kind === 'rtp') this.packets += 1;
    if (fate === 'lose' && kind === 'rtp') this.lostPackets += 1;
    if (fate === 'lose') return;
    const target = (to === 'edge' ? this.#edge : this.recorder)?.[kind];
    if (target === undefined) return;
    const send = (): void => {
      this.#sockets[kind].socket.send(packet, target.port, target.ip);
    };
    if (fate === 'hold') this.#held.push(send);
    else send();
  }
}
