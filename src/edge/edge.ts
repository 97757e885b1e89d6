import { messageOf, TandemError } from '../errors.ts';
import { loadAddon } from './addon.ts';
import { clockOffset } from './clock-offset.ts';
import type { NativeEdge } from './addon.ts';
import { unpack } from './packed-ranges.ts';
import type {
  AddForkOptions,
  CaptureRemote,
  CaptureReport,
  EdgeCounters,
  EdgeEvent,
  EdgeOptions,
  ForkReport,
  ForkSigns,
  OpenCaptureOptions,
  OpenedCapture,
  OpenedPort,
  OpenPortOptions,
  PortRemote,
  PortRoute,
  RelayStall,
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
  checkTime,
} from './validate.ts';

export interface AddressPair {
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
}

/**
 * Sockets, rings and threads of the native addon. What is asked of it runs on the thread of the object that it names, between two
 * wake-ups, while the caller waits: an order that is answered by a promise has taken effect, or failed, when the promise is
 * there. Each such visit costs a change of threads, so what belongs together is asked for together: lists are of 1 to 64 ids,
 * the threads that they concern are visited at the same time, and what comes back is in their order. What takes long, reports
 * of many ranges, takes several visits.
 * All throw, or reject with, TandemError: `EDGE_FAILED` for what does not fit, does not exist or the system refuses, `NO_PORT`
 * when the range of ports is used up.
 */
export class Edge {
  readonly #native: NativeEdge;

  private constructor(native: NativeEdge) {
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

  /** Of all threads, what `takePrecedence` (precedence.ts) does of one. */
  takePrecedence(niceness: number): boolean {
    return guard(() => this.#native.takePrecedence(niceness));
  }

  /** The least loaded thread. */
  pickShard(): number {
    return guard(() => this.#native.pickShard());
  }

  /** The thread's shared loopback socket, which mediasoup transports connect to. */
  relayAddress(shard: number): SocketAddress {
    return guard(() => this.#native.relayAddress(shard));
  }

  /** Where a thread's packets of one stream index come from: what the SIPREC offer announces for that stream. */
  legAddress(shard: number, streamIndex: number, family: 4 | 6): AddressPair {
    return guard(() => this.#native.legAddress(shard, streamIndex, family));
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

  /** By port, when its newest packet came: Unix ms, 0 before there is one. Of all ports, and cheap. */
  lastHeard(): Map<number, number> {
    const numbers = guard(() => this.#native.lastHeard());
    const heard = new Map<number, number>();
    for (let at = 0; at + 1 < numbers.length; at += 2) {
      heard.set(numbers[at] as number, numbers[at + 1] as number);
    }
    return heard;
  }

  /** Of all threads: see `PortRoute`. */
  relayStalls(): RelayStall[] {
    return guard(() => this.#native.relayStalls());
  }

  /** Its forks end with it, with RTCP BYE; routes that led to it lead nowhere. */
  closePort(portId: number): Promise<StreamReport> {
    return answered(() => unpack<StreamReport>(this.#native.closePort(portId)));
  }

  streamReports(portIds: readonly number[]): StreamReport[] {
    return guard(() => this.#native.streamReports(portIds)).map(unpack<StreamReport>);
  }

  /**
   * Of each port, the oldest packet in its ring that arrived at or after `at` (Unix ms); one past the newest when none did;
   * undefined before the first packet.
   */
  sequencesAt(portIds: readonly number[], at: number): (number | undefined)[] {
    checkTime('at', at);
    return guard(() => this.#native.sequencesAt(portIds, at));
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

  forkReports(forkIds: readonly number[]): ForkReport[] {
    return guard(() => this.#native.forkReports(forkIds)).map(unpack<ForkReport>);
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

  /** Of all forks, in one call. */
  forkSigns(): ForkSigns[] {
    const numbers = guard(() => this.#native.forkSigns());
    const all: ForkSigns[] = [];
    for (let at = 0; at < numbers.length; at += forkSignsNumbers) {
      all.push(readSigns(numbers.subarray(at, at + forkSignsNumbers)));
    }
    return all;
  }

  /** The file is whole and closed when this returns. */
  closeCapture(captureId: number): CaptureReport {
    return guard(() => this.#native.closeCapture(captureId));
  }

  captureReport(captureId: number): CaptureReport {
    return guard(() => this.#native.captureReport(captureId));
  }

  counters(): EdgeCounters {
    return guard(() => this.#native.counters());
  }

  /** Ends the threads and closes every socket and file. Idempotent. */
  close(): void {
    this.#native.close();
  }
}

const forkSignsNumbers = 11;

function readSigns(numbers: Float64Array): ForkSigns {
  const at = (index: number): number => numbers[index] ?? 0;
  return {
    forkId: at(0),
    reportedAt: at(1),
    receiverReports: at(2),
    fractionLost: at(3),
    sentSinceReport: at(4),
    sendingSince: at(5),
    refusedAt: at(6),
    doubtedAt: at(7),
    unsendableAt: at(8),
    live: at(9) === 1,
    settled: at(10) === 1,
  };
}

/** Done at once; what it throws is the answer, too. */
function answered<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(guard(run));
  });
}

function guard<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof TandemError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    throw new TandemError(code === 'NO_PORT' ? 'NO_PORT' : 'EDGE_FAILED', messageOf(cause), {
      cause,
    });
  }
}
