import { loadAddon } from './addon.ts';
import { clockOffset } from './clock-offset.ts';
import type { NativeEdge } from './addon.ts';
import { EdgeReads, guard } from './edge-reads.ts';
import { unpack } from './packed-ranges.ts';
import type {
  AddForkOptions,
  AdoptEdgeOptions,
  CaptureRemote,
  CaptureReport,
  EdgeEvent,
  EdgeOptions,
  ForkReport,
  OpenCaptureOptions,
  OpenedCapture,
  OpenedPort,
  OpenPortOptions,
  PortRemote,
  PortRoute,
  RoutedPort,
  SocketAddress,
  Stock,
  StreamReport,
} from './types.ts';
import {
  checkAddFork,
  checkAddress,
  checkCapture,
  checkEdgeOptions,
  checkOpenPort,
  checkRemote,
  checkRoute,
  checkSequence,
} from './validate.ts';

export type { AddressPair } from './edge-reads.ts';

/**
 * Sockets, rings and threads of the native addon. What is asked of it runs on the thread of the object that it names, between two
 * wake-ups, while the caller waits: an order that is answered by a promise has taken effect, or failed, when the promise is
 * there. Each such visit costs a change of threads, so what belongs together is asked for together: lists are of 1 to 64 ids,
 * the threads that they concern are visited at the same time, and what comes back is in their order. What takes long, reports
 * of many ranges, takes several visits. What is only looked at (`EdgeReads`) is read out of shared memory and visits nobody.
 * All throw, or reject with, TandemError: `EDGE_FAILED` for what does not fit, does not exist or the system refuses, `NO_PORT`
 * when the range of ports is used up.
 */
export class Edge extends EdgeReads {
  readonly #native: NativeEdge;

  private constructor(native: NativeEdge) {
    super(native);
    this.#native = native;
  }

  /**
   * Starts the threads and binds their leg sockets. Events come on the JavaScript thread; they do not keep the process
   * alive, and beyond 4,096 waiting ones they are dropped and counted (`droppedEvents`).
   *
   * @param addonPath another build of the addon, e.g. the sanitized one
   */
  static create(
    options: EdgeOptions,
    onEvent: (event: EdgeEvent) => void,
    addonPath?: string,
  ): Edge {
    checkEdgeOptions(options);
    const addon = loadAddon(addonPath);
    return new Edge(guard(() => new addon.Edge(options, onEvent, clockOffset())));
  }

  /**
   * Goes on where the edge of another process was when it was killed: the same ids, SSRCs, numbers, cursors and accounts, and
   * the packets that it had in its hands. The first edge of its process. What cannot be read is left out; its sockets close.
   *
   * @param addonPath another build of the addon, e.g. the sanitized one
   */
  static adopt(
    left: AdoptEdgeOptions,
    onEvent: (event: EdgeEvent) => void,
    addonPath?: string,
  ): Edge {
    const addon = loadAddon(addonPath);
    return new Edge(guard(() => new addon.Edge(left, onEvent, clockOffset())));
  }

  /** Of all threads, what `takePrecedence` (precedence.ts) does of one. */
  takePrecedence(niceness: number): boolean {
    return guard(() => this.#native.takePrecedence(niceness));
  }

  /** Where another process of this user opens a view of it, while this one lives: see `EdgeView`. */
  memoryPath(): string {
    return guard(() => this.#native.memoryPath());
  }

  /** The least loaded thread. */
  pickShard(): number {
    return guard(() => this.#native.pickShard());
  }

  openPort(options: OpenPortOptions): Promise<OpenedPort> {
    return answered(() => {
      checkOpenPort(options);
      return this.#native.openPort(options);
    });
  }

  setRemote(portId: number, remote: PortRemote): Promise<void> {
    return answered(() => {
      checkRemote(remote);
      this.#native.setRemote(portId, remote);
    });
  }

  setRoute(portId: number, route: PortRoute): Promise<void> {
    return this.setRoutes([{ portId, route }]);
  }

  /** Together: no packet comes between them. */
  setRoutes(routes: readonly RoutedPort[]): Promise<void> {
    return answered(() => {
      for (const { route } of routes) checkRoute(route);
      this.#native.setRoutes(routes);
    });
  }

  /** Its forks end with it, with RTCP BYE; routes that led to it lead nowhere. */
  closePort(portId: number): Promise<StreamReport> {
    return answered(() => unpack<StreamReport>(this.#native.closePort(portId)));
  }

  /** Reports on ports and removes forks, in one visit; either list may be empty, not both. */
  takeStock(portIds: readonly number[], forkIds: readonly number[]): Promise<Stock> {
    return answered(() => {
      const { streams, forks } = this.#native.takeStock(portIds, forkIds);
      return { streams: streams.map(unpack<StreamReport>), forks: forks.map(unpack<ForkReport>) };
    });
  }

  /**
   * Answers with the forks' ids: all are added, or none. Two forks of one stream index never share a destination. A fork that
   * does not start `live` raises `fork-live` when it is level with the stream, even if it is so at once.
   */
  addForks(forks: readonly AddForkOptions[]): Promise<number[]> {
    return answered(() => {
      forks.forEach(checkAddFork);
      return this.#native.addForks(forks);
    });
  }

  /** The recorder moved its media address. */
  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): Promise<void> {
    return answered(() => {
      checkAddress('rtp', rtp);
      checkAddress('rtcp', rtcp);
      this.#native.setForkTarget(forkId, rtp, rtcp);
    });
  }

  /**
   * When this resolves, nothing from the extended sequence number `from` on is sent any more. A fork that is behind still
   * sends what comes before, and is `paused` then; without `from` that is withheld, too.
   */
  pauseFork(forkId: number, from = 0): Promise<void> {
    return answered(() => {
      checkSequence('from', from);
      this.#native.pauseFork(forkId, from);
    });
  }

  /** Goes on with the next live packet. */
  resumeFork(forkId: number): Promise<void> {
    return answered(() => {
      this.#native.resumeFork(forkId);
    });
  }

  /**
   * Sends RTCP BYE and nothing more. The fork goes on listening, and repeats the BYE up to three times in 200 ms, until its
   * recorder has reported all that it received, which raises `fork-ended`. One that sent no packet says nothing.
   */
  endForks(forkIds: readonly number[]): Promise<ForkReport[]> {
    return answered(() => this.#native.endForks(forkIds).map(unpack<ForkReport>));
  }

  /** Sends RTCP BYE, unless they were ended before. */
  removeForks(forkIds: readonly number[]): Promise<ForkReport[]> {
    return answered(() => this.#native.removeForks(forkIds).map(unpack<ForkReport>));
  }

  /** The file is created exclusively. The one method that does not wait for the thread: what comes is written from then on. */
  openCapture(options: OpenCaptureOptions): OpenedCapture {
    checkCapture(options);
    return guard(() => this.#native.openCapture(options));
  }

  setCaptureRemote(captureId: number, streamIndex: number, remote: CaptureRemote): void {
    checkAddress('remote.rtp', remote.rtp);
    checkAddress('remote.rtcp', remote.rtcp);
    guard(() => {
      this.#native.setCaptureRemote(captureId, streamIndex, remote);
    });
  }

  /** The file is whole and closed when this returns. */
  closeCapture(captureId: number): CaptureReport {
    return guard(() => this.#native.closeCapture(captureId));
  }

  captureReport(captureId: number): CaptureReport {
    return guard(() => this.#native.captureReport(captureId));
  }

  /** Ends the threads and closes every socket and file. Idempotent. */
  close(): void {
    this.#native.close();
  }
}

/** Done at once; what it throws is the answer, too. */
function answered<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(guard(run));
  });
}
