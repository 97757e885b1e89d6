import type {
  EdgeEvent,
  ForkSigns,
  PortRemote,
  PortRoute,
  RoutedPort,
} from '../../src/edge/types.ts';
import type { StreamReport } from '../../src/edge/types.ts';
import { SimClock } from '../../simulate/clock.ts';
import { SimEdge } from '../../simulate/edge/sim-edge.ts';
import { SimNetwork } from '../../simulate/network/sim-network.ts';
import { Random } from '../../simulate/random.ts';

interface Limits {
  portsMax: number;
  forksMax: number;
}

/** The simulated edge on a clock and a network of its own, which remembers what it was told of its ports. */
export class ToldEdge extends SimEdge {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly limits: Limits;
  readonly remotes = new Map<number, PortRemote>();
  readonly routes = new Map<number, PortRoute>();
  /** What `forkSigns` tells of a fork instead of what is so. */
  readonly signs = new Map<number, Partial<ForkSigns>>();
  /** How many ids each visit for stream reports was for. */
  readonly visits: number[] = [];
  readonly #slowness: { takesMs: number[] };

  constructor(onEvent: (event: EdgeEvent) => void = () => undefined) {
    const clock = new SimClock();
    const network = new SimNetwork(clock, new Random('told'));
    const limits: Limits = { portsMax: Infinity, forksMax: Infinity };
    const slowness = { takesMs: [] as number[] };
    super({
      ...{ clock, network, onEvent, host: '127.0.0.1' },
      ...{ ringMs: 10_000, catchUpRate: 4, rtcpIntervalMs: 60_000, straggleMs: 50 },
      orderMs: () => {
        const takesMs = slowness.takesMs.shift();
        return takesMs === undefined ? undefined : [takesMs, 1];
      },
      get portsMax() {
        return limits.portsMax;
      },
      get forksMax() {
        return limits.forksMax;
      },
    });
    this.clock = clock;
    this.network = network;
    this.limits = limits;
    this.#slowness = slowness;
  }

  /** So long each of the next orders takes; those after them none. */
  slow(takesMs: readonly number[]): void {
    this.#slowness.takesMs = [...takesMs];
  }

  async pass(ms: number): Promise<void> {
    await this.clock.runUntil(this.clock.now() + ms);
  }

  /** The port's party says a packet of PCMU. */
  hear(portId: number, sequence: number): void {
    const timestamp = sequence * 160;
    this.receive(portId, { ssrc: 1, sequence, timestamp, payloadType: 0, id: sequence });
  }

  override setRemote(portId: number, remote: PortRemote): Promise<void> {
    this.remotes.set(portId, remote);
    return super.setRemote(portId, remote);
  }

  override setRoutes(routes: readonly RoutedPort[]): Promise<void> {
    for (const { portId, route } of routes) this.routes.set(portId, route);
    return super.setRoutes(routes);
  }

  override streamReports(portIds: readonly number[]): StreamReport[] {
    this.visits.push(portIds.length);
    return super.streamReports(portIds);
  }

  override forkSigns(): ForkSigns[] {
    return super.forkSigns().map((signs) => ({ ...signs, ...this.signs.get(signs.forkId) }));
  }
}
