import type {
  AddForkOptions,
  EdgeCounters,
  EdgeEvent,
  ForkReport,
  ForkSigns,
  OpenedPort,
  OpenPortOptions,
  PortRemote,
  RelayStall,
  RoutedPort,
  SocketAddress,
  Stock,
  StreamReport,
} from '../../src/edge/types.ts';
import { TandemError } from '../../src/errors.ts';
import type { MediaBridge } from '../../src/media/bridge.ts';
import type { MediaEdge } from '../../src/media/media-edge.ts';
import type { SimClock } from '../clock.ts';
import type { SimNetwork } from '../network/sim-network.ts';
import { keyOf } from '../packet.ts';
import type { PartyPacket } from '../packet.ts';
import { SimFork } from './sim-fork.ts';
import type { ForkHost } from './sim-fork.ts';
import { SimPort } from './sim-port.ts';

type Inventory = Parameters<MediaBridge['adopt']>[1];

export interface SimEdgeOptions {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly host: string;
  readonly ringMs: number;
  readonly catchUpRate: number;
  readonly rtcpIntervalMs: number;
  /** See `ForkHost`. */
  readonly straggleMs: number;
  /** Until an order takes effect, and from there until its answer is there; absent, undefined: both at once. */
  readonly orderMs?: () => readonly [takesMs: number, answerMs: number] | undefined;
  readonly portsMax?: number;
  readonly forksMax?: number;
  readonly onEvent: (event: EdgeEvent) => void;
}

const tickMs = 10;
const legPortFirst = 9_000;
const streams = 2;

/**
 * The edge of the simulation: what the native one does, on simulated time and network. What it is told takes effect in the order in
 * which it is told, and is answered in that order, each after a while.
 */
export class SimEdge implements MediaEdge {
  readonly #options: SimEdgeOptions;
  readonly #ports = new Map<number, SimPort>();
  readonly #forks = new Map<number, SimFork>();
  readonly #host: ForkHost;
  /** Where our own host does not send, and the error that says so. */
  readonly #unsendable = new Map<string, string>();
  #nextId = 1;
  #ticking = false;
  /** When the last order takes effect, and when it is answered. */
  #obeysAt = -Infinity;
  #answersAt = -Infinity;

  constructor(options: SimEdgeOptions) {
    this.#options = options;
    const { clock, network, catchUpRate, rtcpIntervalMs, straggleMs } = options;
    this.#host = {
      catchUpRate,
      rtcpIntervalMs,
      straggleMs,
      now: () => clock.now(),
      emit: (event) => {
        this.#emit(event);
      },
      sendRtp: (fork, { extended, packet }) => {
        const error = this.#unsendable.get(fork.rtp.ip);
        if (error !== undefined) return error;
        network.send(this.#legAddress(fork.streamIndex).rtp, fork.rtp, {
          kind: 'rtp',
          ssrc: fork.port.ssrc,
          sequence: extended & 0xffff,
          extended,
          id: packet.id,
        });
        return undefined;
      },
      sendRtcp: (fork, report) => {
        if (this.#unsendable.has(fork.rtp.ip)) return;
        network.send(this.#legAddress(fork.streamIndex).rtcp, fork.rtcp, report);
      },
    };
    for (let index = 0; index < streams; index += 1) this.#listen(index);
  }

  get ports(): number {
    return this.#ports.size;
  }

  get forks(): readonly SimFork[] {
    return [...this.#forks.values()];
  }

  /** A party's packet comes in. Returns its place in the stream; undefined when it was not taken. */
  receive(portId: number, packet: PartyPacket): number | undefined {
    const port = this.#ports.get(portId);
    const extended = port?.receive(packet);
    if (port?.route.kind === 'direct') {
      const peer = this.#ports.get(port.route.peerPortId);
      if (peer?.remote?.send === true) {
        peer.egressPackets += 1;
        peer.lastEgressAt = this.#options.clock.now();
      }
    }
    return extended;
  }

  /** It came to our host, and its socket had no room for it. */
  drop(portId: number): void {
    this.#ports.get(portId)?.drop();
  }

  /** The port that is pinned there. */
  portAt({ port }: SocketAddress): number {
    return (port - 20_000) / 2;
  }

  ssrcOf(portId: number): number {
    return this.#port(portId).ssrc;
  }

  setUnsendable(ip: string, error: string | undefined): void {
    if (error === undefined) this.#unsendable.delete(ip);
    else this.#unsendable.set(ip, error);
  }

  pickShard(): number {
    return 0;
  }

  relayAddress(): SocketAddress {
    return { ip: '127.0.0.1', port: 9_999 };
  }

  legAddress(_shard: number, streamIndex: number): { rtp: SocketAddress; rtcp: SocketAddress } {
    return this.#legAddress(streamIndex);
  }

  counters(): EdgeCounters {
    const all = [...this.#ports.values()].map((port) => port.report());
    const sum = (of: (report: StreamReport) => number): number =>
      all.reduce((total, report) => total + of(report), 0);
    const sent = this.forks.reduce((total, { sentPackets }) => total + sentPackets, 0);
    return {
      wakeups: 0,
      packetsIn: sum(({ packets }) => packets),
      bytesIn: sum(({ bytes }) => bytes),
      packetsToParties: sum(({ egressPackets }) => egressPackets),
      packetsToRelay: 0,
      packetsFromRelay: 0,
      packetsToLegs: sent,
      rtcpIn: 0,
      rtcpOut: 0,
      icmpErrors: 0,
      sendErrors: 0,
      kernelDrops: sum(({ kernelDrops }) => kernelDrops),
      droppedEvents: 0,
      refused: {},
      unforwarded: {},
      ports: this.#ports.size,
      forks: this.#forks.size,
      captures: 0,
    };
  }

  /** After all that it was told before has taken effect. */
  inventory(): Promise<Inventory> {
    return this.#obey(() => ({
      ports: [...this.#ports.values()].map(({ opened, remote, route }) => ({
        ...opened,
        ...(remote && { remote }),
        route,
      })),
      forks: this.forks.map(({ id, port, streamIndex, rtp, rtcp, state }) => ({
        ...{ forkId: id, portId: port.opened.portId, streamIndex, rtp, rtcp, state },
      })),
    }));
  }

  openPort(options: OpenPortOptions): Promise<OpenedPort> {
    return this.#obey(() => this.#openPort(options));
  }

  #openPort({ host }: OpenPortOptions): OpenedPort {
    if (this.#ports.size >= (this.#options.portsMax ?? Infinity)) {
      throw new TandemError('NO_PORT', 'no free port');
    }
    const portId = this.#nextId++;
    const port = 20_000 + 2 * portId;
    const opened: OpenedPort = {
      portId,
      rtp: { ip: host, port },
      rtcp: { ip: host, port: port + 1 },
      ssrc: 1_000 + portId,
    };
    const now = (): number => this.#options.clock.now();
    const emit = (event: EdgeEvent): void => {
      this.#emit(event);
    };
    this.#ports.set(portId, new SimPort(opened, this.#options.ringMs, now, emit));
    return opened;
  }

  setRemote(portId: number, remote: PortRemote): Promise<void> {
    return this.#obey(() => {
      this.#port(portId).remote = remote;
    });
  }

  setRoutes(routes: readonly RoutedPort[]): Promise<void> {
    return this.#obey(() => {
      for (const { portId, route } of routes) this.#port(portId).route = route;
    });
  }

  /** Every call of the simulation goes direct. */
  relayStalls(): readonly RelayStall[] {
    return [];
  }

  closePort(portId: number): Promise<StreamReport> {
    return this.#obey(() => {
      const port = this.#port(portId);
      this.#removeForks([...port.forks].map(({ id }) => id));
      this.#ports.delete(portId);
      return port.report();
    });
  }

  streamReports(portIds: readonly number[]): StreamReport[] {
    return portIds.map((portId) => this.#port(portId).report());
  }

  lastHeard(): ReadonlyMap<number, number> {
    return new Map([...this.#ports].map(([portId, { heardAt }]) => [portId, heardAt]));
  }

  sequencesAt(portIds: readonly number[], at: number): (number | undefined)[] {
    return portIds.map((portId) => {
      const port = this.#port(portId);
      if (!port.started) return undefined;
      const index = port.ring.find((entry) => entry.at >= at);
      return index < port.ring.head ? port.ring.at(index).extended : port.highest + 1;
    });
  }

  takeStock(portIds: readonly number[], forkIds: readonly number[]): Promise<Stock> {
    return this.#obey(() => ({
      streams: portIds.map((portId) => this.#port(portId).report()),
      forks: this.#removeForks(forkIds),
    }));
  }

  addForks(all: readonly AddForkOptions[]): Promise<number[]> {
    return this.#obey(() => this.#addForks(all));
  }

  #addForks(all: readonly AddForkOptions[]): number[] {
    if (this.#forks.size + all.length > (this.#options.forksMax ?? Infinity)) {
      throw new TandemError('EDGE_FAILED', 'too many forks');
    }
    const taken = new Set(this.forks.map(({ streamIndex, rtp }) => `${streamIndex} ${keyOf(rtp)}`));
    for (const { portId, streamIndex, rtp } of all) {
      this.#port(portId);
      const key = `${streamIndex} ${keyOf(rtp)}`;
      if (taken.has(key)) throw new TandemError('EDGE_FAILED', `another fork goes to ${key}`);
      taken.add(key);
    }
    return all.map((options) => {
      const port = this.#port(options.portId);
      const fork = new SimFork(this.#nextId++, port, options, this.#host);
      this.#forks.set(fork.id, fork);
      port.forks.add(fork);
      this.#tickSoon();
      return fork.id;
    });
  }

  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): Promise<void> {
    return this.#obey(() => {
      this.#fork(forkId).setTarget(rtp, rtcp);
    });
  }

  pauseFork(forkId: number, from = 0): Promise<void> {
    return this.#obey(() => {
      this.#fork(forkId).pause(from);
    });
  }

  resumeFork(forkId: number): Promise<void> {
    return this.#obey(() => {
      this.#fork(forkId).resume();
    });
  }

  endForks(forkIds: readonly number[]): Promise<ForkReport[]> {
    return this.#obey(() =>
      forkIds.map((forkId) => {
        const fork = this.#fork(forkId);
        fork.end();
        return fork.report();
      }),
    );
  }

  removeForks(forkIds: readonly number[]): Promise<ForkReport[]> {
    return this.#obey(() => this.#removeForks(forkIds));
  }

  #removeForks(forkIds: readonly number[]): ForkReport[] {
    return forkIds.map((forkId) => {
      const fork = this.#fork(forkId);
      fork.end();
      this.#forks.delete(forkId);
      fork.port.forks.delete(fork);
      return fork.report();
    });
  }

  forkReports(forkIds: readonly number[]): ForkReport[] {
    return forkIds.map((forkId) => this.#fork(forkId).report());
  }

  forkSigns(): ForkSigns[] {
    return this.forks.map((fork) => fork.signs());
  }

  #obey<T>(order: () => T): Promise<T> {
    const { clock } = this.#options;
    const times = this.#options.orderMs?.();
    if (times === undefined && this.#answersAt <= clock.now()) {
      return new Promise((resolve) => {
        resolve(order());
      });
    }
    const [takesMs, answerMs] = times ?? [0, 0];
    this.#obeysAt = Math.max(this.#obeysAt, clock.now() + takesMs);
    this.#answersAt = Math.max(this.#answersAt, this.#obeysAt + answerMs);
    const answerAfterMs = this.#answersAt - this.#obeysAt;
    const { promise, resolve } = Promise.withResolvers<T>();
    clock.quietly(this.#obeysAt - clock.now(), () => {
      // What it throws is the answer, too.
      const done = new Promise<T>((settle) => {
        settle(order());
      });
      done.catch(() => undefined);
      clock.setTimeout(() => {
        resolve(done);
      }, answerAfterMs);
    });
    return promise;
  }

  #legAddress(streamIndex: number): { rtp: SocketAddress; rtcp: SocketAddress } {
    const ip = this.#options.host;
    const port = legPortFirst + 2 * streamIndex;
    return { rtp: { ip, port }, rtcp: { ip, port: port + 1 } };
  }

  #listen(streamIndex: number): void {
    const { network } = this.#options;
    const { rtp, rtcp } = this.#legAddress(streamIndex);
    network.bind(rtp, {
      receive: () => undefined,
      unreachable: (to, message, quotes) => {
        if (message.kind !== 'rtp') return;
        this.#forkTo(streamIndex, 'rtp', to)?.onRefused(quotes ? message.extended : undefined);
      },
    });
    network.bind(rtcp, {
      receive: (message, from) => {
        if (message.kind === 'rr') this.#forkTo(streamIndex, 'rtcp', from)?.onReport(message);
      },
    });
  }

  #forkTo(
    streamIndex: number,
    kind: 'rtp' | 'rtcp',
    { ip, port }: SocketAddress,
  ): SimFork | undefined {
    for (const fork of this.#forks.values()) {
      const to = fork[kind];
      if (fork.streamIndex === streamIndex && to.port === port && to.ip === ip) return fork;
    }
    return undefined;
  }

  #tickSoon(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    this.#options.clock.quietly(tickMs, () => {
      this.#ticking = false;
      for (const fork of this.#forks.values()) fork.tick();
      if (this.#forks.size > 0) this.#tickSoon();
    });
  }

  #emit(event: EdgeEvent): void {
    // Told to the other thread, as it were: never from within what brought it about.
    const { clock, onEvent } = this.#options;
    clock.setTimeout(() => {
      onEvent(event);
    }, 0);
  }

  #port(portId: number): SimPort {
    const port = this.#ports.get(portId);
    if (port === undefined) throw new TandemError('EDGE_FAILED', `no port ${portId}`);
    return port;
  }

  #fork(forkId: number): SimFork {
    const fork = this.#forks.get(forkId);
    if (fork === undefined) throw new TandemError('EDGE_FAILED', `no fork ${forkId}`);
    return fork;
  }
}
