import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Edge } from '../../src/edge/edge.ts';
import type {
  EdgeEvent,
  EdgeOptions,
  ForkReport,
  ForkSigns,
  ForkStart,
  OpenedPort,
  PortRemote,
  SocketAddress,
  StreamReport,
} from '../../src/edge/types.ts';
import { UdpPeer } from './udp-peer.ts';

type EventOf<T extends EdgeEvent['type']> = Extract<EdgeEvent, { type: T }>;

export type CreateEdge = (options: EdgeOptions, onEvent: (event: EdgeEvent) => void) => Edge;

/** The edge in this process. */
export const createEdge: CreateEdge = (options, onEvent) => Edge.create(options, onEvent);

/** A real edge, the sockets around it, and its events to wait for. Closes all that it made. */
export class EdgeRig extends EventEmitter<{ event: [EdgeEvent] }> {
  readonly edge: Edge;
  readonly events: EdgeEvent[] = [];
  readonly ip: string;
  readonly #peers: UdpPeer[] = [];

  constructor(
    ip = '127.0.0.1',
    options: Partial<EdgeOptions> = {},
    create: CreateEdge = createEdge,
  ) {
    super();
    this.ip = ip;
    const min = 41_000 + 2 * Math.floor(Math.random() * 8_000);
    this.edge = create(
      {
        threads: 1,
        legHosts: ['127.0.0.1', '::1'],
        ports: { min, max: min + 999 },
        ring: { seconds: 10, bytes: 1_048_576 },
        catchUpRate: 4,
        rtcpIntervalMs: 60_000,
        cname: 'edge@test.invalid',
        ...options,
      },
      (event) => {
        this.events.push(event);
        this.emit('event', event);
      },
    );
  }

  async peer(ip = this.ip): Promise<UdpPeer> {
    const peer = await UdpPeer.open(ip);
    this.#peers.push(peer);
    return peer;
  }

  /** A port whose party is `party`, RTCP muxed unless `rtcp` is given. */
  async port(
    party: UdpPeer,
    rtcp: SocketAddress = party.address,
    remote: Partial<PortRemote> = {},
  ): Promise<OpenedPort> {
    const port = await this.edge.openPort({ shard: 0, host: this.ip, latch: 'announced' });
    await this.edge.setRemote(port.portId, {
      rtp: party.address,
      rtcp,
      send: true,
      clockRates: { 0: 8_000, 101: 8_000 },
      ...remote,
    });
    return port;
  }

  async fork(
    port: OpenedPort,
    rtp: SocketAddress,
    options: {
      from?: ForkStart;
      paused?: boolean;
      pausedFrom?: number;
      keptOut?: { first: number; last: number }[];
      rtcp?: SocketAddress;
    } = {},
  ): Promise<number> {
    const [forkId] = await this.edge.addForks([
      {
        portId: port.portId,
        streamIndex: 0,
        rtp,
        rtcp: options.rtcp ?? rtp,
        from: options.from ?? { kind: 'live' },
        paused: options.paused ?? false,
        pausedFrom: options.pausedFrom ?? 0,
        keptOut: options.keptOut ?? [],
      },
    ]);
    return forkId!;
  }

  streamReport(portId: number): StreamReport {
    return this.edge.streamReports([portId])[0]!;
  }

  forkReport(forkId: number): ForkReport {
    return this.edge.forkReports([forkId])[0]!;
  }

  forkSigns(forkId: number): ForkSigns {
    return this.edge.forkSigns().find((signs) => signs.forkId === forkId)!;
  }

  async removeFork(forkId: number): Promise<ForkReport> {
    return (await this.edge.removeForks([forkId]))[0]!;
  }

  /** The first event of that type, past or to come, that `matches`. */
  async event<T extends EdgeEvent['type']>(
    type: T,
    matches: (event: EventOf<T>) => boolean = () => true,
  ): Promise<EventOf<T>> {
    const signal = AbortSignal.timeout(15_000);
    for (;;) {
      const found = this.events.find(
        (event): event is EventOf<T> => event.type === type && matches(event as EventOf<T>),
      );
      if (found !== undefined) return found;
      await once(this, 'event', { signal }).catch((cause: unknown) => {
        throw new Error(`no ${type} among ${JSON.stringify(this.events)}`, { cause });
      });
    }
  }

  /** Asks until the answer suits: for what the edge tells only when asked. */
  async until<T>(ask: () => T, suits: (answer: T) => boolean): Promise<T> {
    const endsAt = Date.now() + 15_000;
    for (;;) {
      const answer = ask();
      if (suits(answer)) return answer;
      if (Date.now() > endsAt) throw new Error(`still ${JSON.stringify(answer)}`);
      await delay(2);
    }
  }

  async close(): Promise<void> {
    this.edge.close();
    await Promise.all(this.#peers.map((peer) => peer.close()));
  }
}
