import type {
  AddForkOptions,
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

/** What a call's media needs of the edge. */
export interface MediaEdge {
  pickShard(): number;
  relayAddress(shard: number): SocketAddress;
  legAddress(
    shard: number,
    streamIndex: number,
    family: 4 | 6,
  ): { readonly rtp: SocketAddress; readonly rtcp: SocketAddress };
  openPort(options: OpenPortOptions): OpenedPort;
  setRemote(portId: number, remote: PortRemote): void;
  /** Together: no packet comes between them. */
  setRoutes(routes: readonly RoutedPort[]): void;
  /** Ports that go around mediasoup without having been told to. */
  relayStalls(): readonly RelayStall[];
  closePort(portId: number): StreamReport;
  streamReports(portIds: readonly number[]): readonly StreamReport[];
  /** By port, when its newest packet came: Unix ms, 0 before there is one. */
  lastHeard(): ReadonlyMap<number, number>;
  /** Of each port, the oldest packet in its ring that arrived at or after `at`; one past the newest when none did. */
  sequencesAt(portIds: readonly number[], at: number): readonly (number | undefined)[];
  takeStock(portIds: readonly number[], forkIds: readonly number[]): Stock;
  addForks(options: readonly AddForkOptions[]): readonly number[];
  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): void;
  pauseFork(forkId: number, from?: number): void;
  resumeFork(forkId: number): void;
  endForks(forkIds: readonly number[]): readonly ForkReport[];
  removeForks(forkIds: readonly number[]): readonly ForkReport[];
  forkReports(forkIds: readonly number[]): readonly ForkReport[];
  forkSigns(): readonly ForkSigns[];
}
