import type {
  AddForkOptions,
  ForkReport,
  ForkSigns,
  PortRemote,
  PortRoute,
  RelayStall,
  RoutedPort,
  Stock,
  StreamReport,
} from '../../src/edge/types.ts';
import { TandemError } from '../../src/errors.ts';
import type { MediaEdge } from '../../src/media/media-edge.ts';
import { noSigns } from './reports.ts';

interface StubFork extends AddForkOptions {
  state: ForkReport['state'];
}

/** An edge that moves no packets and remembers what it was told. */
export class StubEdge implements MediaEdge {
  readonly remotes = new Map<number, PortRemote>();
  readonly routes = new Map<number, PortRoute>();
  readonly forks = new Map<number, StubFork>();
  readonly open = new Set<number>();
  /** Forks that have sent something. */
  readonly fed = new Set<number>();
  /** What `forkSigns` tells of a fork, besides that it is well. */
  readonly signs = new Map<number, Partial<ForkSigns>>();
  /** Of each port, when its packets arrived: their sequence numbers begin at 65,536. */
  readonly arrivals = new Map<number, readonly number[]>();
  /** How many ids each visit for stream reports was for. */
  readonly visits: number[] = [];
  portsMax = Infinity;
  forksMax = Infinity;
  #nextId = 1;

  pickShard(): number {
    return 0;
  }

  relayAddress() {
    return { ip: '127.0.0.1', port: 9_999 };
  }

  legAddress(_shard: number, index: number, family: 4 | 6) {
    const ip = family === 4 ? '127.0.0.1' : '::1';
    return { rtp: { ip, port: 9_000 + 2 * index }, rtcp: { ip, port: 9_001 + 2 * index } };
  }

  openPort({ host }: { readonly host: string }) {
    if (this.open.size >= this.portsMax) throw new TandemError('NO_PORT', 'no free port');
    const portId = this.#nextId++;
    this.open.add(portId);
    const port = 20_000 + 2 * portId;
    return {
      portId,
      rtp: { ip: host, port },
      rtcp: { ip: host, port: port + 1 },
      ssrc: 1_000 + portId,
    };
  }

  setRemote(portId: number, remote: PortRemote): void {
    this.remotes.set(portId, remote);
  }

  setRoutes(routes: readonly RoutedPort[]): void {
    for (const { portId, route } of routes) this.routes.set(portId, route);
  }

  relayStalls(): readonly RelayStall[] {
    return [];
  }

  closePort(portId: number): StreamReport {
    this.open.delete(portId);
    return this.#streamReport(portId);
  }

  streamReports(portIds: readonly number[]): StreamReport[] {
    if (portIds.length < 1 || portIds.length > 64) throw new TandemError('EDGE_FAILED', 'ids');
    this.visits.push(portIds.length);
    return portIds.map((portId) => this.#streamReport(portId));
  }

  #streamReport(portId: number): StreamReport {
    return {
      ssrc: 1_000 + portId,
      packets: 0,
      bytes: 0,
      duplicates: 0,
      reordered: 0,
      refused: {},
      kernelDrops: 0,
      received: [],
      rangesJoined: 0,
      dropped: [],
      ssrcChanges: [],
      ssrcChangeCount: 0,
      packetMs: 20,
      egressPackets: 0,
      egressErrors: 0,
    };
  }

  takeStock(portIds: readonly number[], forkIds: readonly number[]): Stock {
    return { streams: this.streamReports(portIds), forks: this.removeForks(forkIds) };
  }

  addForks(all: readonly AddForkOptions[]): number[] {
    if (this.forks.size + all.length > this.forksMax) {
      throw new TandemError('EDGE_FAILED', 'too many forks');
    }
    return all.map((options) => {
      const forkId = this.#nextId++;
      this.forks.set(forkId, { ...options, state: options.paused ? 'paused' : 'live' });
      return forkId;
    });
  }

  setForkTarget(forkId: number, rtp: AddForkOptions['rtp'], rtcp: AddForkOptions['rtcp']): void {
    this.forks.set(forkId, { ...this.#fork(forkId), rtp, rtcp });
  }

  pauseFork(forkId: number): void {
    this.#fork(forkId).state = 'paused';
  }

  resumeFork(forkId: number): void {
    this.#fork(forkId).state = 'live';
  }

  endForks(forkIds: readonly number[]): ForkReport[] {
    return forkIds.map((forkId) => {
      this.#fork(forkId).state = 'ended';
      return this.#forkReport(forkId);
    });
  }

  removeForks(forkIds: readonly number[]): ForkReport[] {
    return forkIds.map((forkId) => {
      const report = this.#forkReport(forkId);
      this.forks.delete(forkId);
      return { ...report, state: 'ended' };
    });
  }

  lastHeard(): Map<number, number> {
    return new Map(
      [...this.open].map((portId) => [portId, this.arrivals.get(portId)?.at(-1) ?? 0]),
    );
  }

  sequencesAt(portIds: readonly number[], at: number): (number | undefined)[] {
    return portIds.map((portId) => {
      const arrivals = this.arrivals.get(portId);
      if (arrivals === undefined) return undefined;
      const index = arrivals.findIndex((arrivedAt) => arrivedAt >= at);
      return 65_536 + (index === -1 ? arrivals.length : index);
    });
  }

  forkSigns(): readonly ForkSigns[] {
    return [...this.forks.keys()].map((forkId) => ({
      forkId,
      ...noSigns,
      live: this.#fork(forkId).state === 'live',
      settled: false,
      ...this.signs.get(forkId),
    }));
  }

  forkReports(forkIds: readonly number[]): ForkReport[] {
    return forkIds.map((forkId) => this.#forkReport(forkId));
  }

  #forkReport(forkId: number): ForkReport {
    return {
      forkId,
      state: this.#fork(forkId).state,
      receiverReports: 0,
      sentBytes: 0,
      sendErrors: 0,
      sent: [],
      replayed: [],
      overrun: [],
      withheld: [],
      sentPackets: this.fed.has(forkId) ? 1 : 0,
      reportsRanges: false,
      confirmed: [],
      denied: [],
      reportedLost: { atLeast: 0, atMost: 0 },
    };
  }

  #fork(forkId: number): StubFork {
    const fork = this.forks.get(forkId);
    if (!fork) throw new TandemError('EDGE_FAILED', `no fork ${forkId}`);
    return fork;
  }
}
