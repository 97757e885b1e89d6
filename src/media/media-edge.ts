import type {
  AddForkOptions,
  ForkReport,
  ForkSigns,
  OpenedPort,
  OpenPortOptions,
  PortRemote,
  PortRoute,
  SocketAddress,
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
  setRoute(portId: number, route: PortRoute): void;
  closePort(portId: number): StreamReport;
  streamReport(portId: number): StreamReport;
  addFork(options: AddForkOptions): number;
  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): void;
  pauseFork(forkId: number, from?: number): void;
  resumeFork(forkId: number): void;
  removeFork(forkId: number): ForkReport;
  forkReport(forkId: number): ForkReport;
  forkSigns(): readonly ForkSigns[];
}
