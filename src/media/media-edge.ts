import type {
  AddForkOptions,
  EdgeCounters,
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
} from '../edge/types.ts';

/** What the edge knows, read without asking it. An order that is under way may show already, or not yet. Errors: EDGE_FAILED. */
export interface EdgeReads {
  pickShard(): number;
  relayAddress(shard: number): SocketAddress;
  legAddress(
    shard: number,
    streamIndex: number,
    family: 4 | 6,
  ): { readonly rtp: SocketAddress; readonly rtcp: SocketAddress };
  /** Ports that go around mediasoup without having been told to. */
  relayStalls(): readonly RelayStall[];
  streamReports(portIds: readonly number[]): readonly StreamReport[];
  /** By port, when its newest packet came: Unix ms, 0 before there is one. */
  lastHeard(): ReadonlyMap<number, number>;
  /** Of each port, the oldest packet in its ring that arrived at or after `at`; one past the newest when none did. */
  sequencesAt(portIds: readonly number[], at: number): readonly (number | undefined)[];
  forkReports(forkIds: readonly number[]): readonly ForkReport[];
  forkSigns(): readonly ForkSigns[];
  counters(): EdgeCounters;
}

/**
 * What the edge is told. Orders take effect, and are answered, in the order in which they are given, whoever waits for them: each
 * promise resolves when its order has taken effect, or rejects with why it has none (TandemError: EDGE_FAILED, NO_PORT).
 */
export interface EdgeOrders {
  openPort(options: OpenPortOptions): Promise<OpenedPort>;
  setRemote(portId: number, remote: PortRemote): Promise<void>;
  /** Together: no packet comes between them. */
  setRoutes(routes: readonly RoutedPort[]): Promise<void>;
  closePort(portId: number): Promise<StreamReport>;
  takeStock(portIds: readonly number[], forkIds: readonly number[]): Promise<Stock>;
  addForks(options: readonly AddForkOptions[]): Promise<readonly number[]>;
  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): Promise<void>;
  pauseFork(forkId: number, from?: number): Promise<void>;
  resumeFork(forkId: number): Promise<void>;
  endForks(forkIds: readonly number[]): Promise<readonly ForkReport[]>;
  removeForks(forkIds: readonly number[]): Promise<readonly ForkReport[]>;
}

/** What a call's media needs of the edge. */
export interface MediaEdge extends EdgeReads, EdgeOrders {}
