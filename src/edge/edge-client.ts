import { EventEmitter } from 'node:events';
import { TandemError } from '../errors.ts';
import { EdgeChannel } from './edge-channel.ts';
import type { EdgeInventory, EdgeStatus, HelloAnswer } from './edge-process-types.ts';
import type { AddressPair } from './edge-reads.ts';
import { EdgeView } from './edge-view.ts';
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
} from './types.ts';
import {
  checkAddFork,
  checkAddress,
  checkId,
  checkIds,
  checkNiceness,
  checkOpenPort,
  checkRemote,
  checkRoute,
  checkSequence,
} from './validate.ts';
import {
  readForkReport,
  readHello,
  readInventory,
  readOpenedPort,
  readStatus,
  readStock,
  readStreamReport,
} from './wire-reports.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';
import { writeFork, writeRemote, writeRoute } from './wire-options.ts';
import { type WireCommand, wireLatches, wireMagic, wireVersion } from './wire.ts';

/** Ids say which thread they live on. */
const threadsMax = 64;

const nothing = (): void => undefined;

function refusalOf(check: () => void): TandemError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof TandemError) return error;
    throw error;
  }
}

/** Another edge's in its place would tell of other ports by the same ids. */
function openMemory({ memory, startedAt }: HelloAnswer): EdgeView {
  const view = EdgeView.open(memory);
  if (view.startedAt() === startedAt) return view;
  view.close();
  throw new TandemError('EDGE_FAILED', `${memory} is the memory of another edge`, {
    details: { memory },
  });
}

const portIdsOf = (items: readonly { readonly portId: number }[]): number[] =>
  items.map(({ portId }) => portId);

/** Far more than an edge needs that is starved of CPU. */
const defaultHelloMs = 15_000;

export interface ConnectOptions {
  readonly version?: number;
  /** How long an edge may take to say what it has. */
  readonly helloMs?: number;
}

export interface EdgeClientEvents {
  event: [EdgeEvent];
  /** The edge was killed and goes on, in another process: `hello` is that one's. What was asked is answered. */
  back: [HelloAnswer];
  /** The edge is gone, or has another control. */
  closed: [TandemError];
}

/**
 * The edge in another process, as its control has it. What it is told takes effect in the order of the calls, and resolves when it has;
 * each may be refused as in `Edge`, with EDGE_LOST when the edge is gone, or with EDGE_ORDER_REFUSED when it kills the edge. An edge that
 * is killed goes on: that is waited for, and nothing is done twice. Who becomes its control ends the connection of the one
 * before.
 */
export class EdgeClient extends EventEmitter<EdgeClientEvents> {
  /** What was there when this control came. */
  readonly found: EdgeInventory;
  readonly #channel: EdgeChannel;
  readonly #view: EdgeView;
  /** Ports by thread. */
  readonly #load: number[];
  #hello: HelloAnswer;

  private constructor(
    channel: EdgeChannel,
    view: EdgeView,
    hello: HelloAnswer,
    found: EdgeInventory,
  ) {
    super();
    this.#channel = channel;
    this.#view = view;
    this.#hello = hello;
    this.found = found;
    this.#load = Array<number>(hello.threads).fill(0);
    for (const { portId } of found.ports) this.#count(portId % threadsMax, 1);
  }

  /**
   * Throws what `connect` does where no edge listens; EDGE_VERSION for one that speaks another version; EDGE_LOST for one that dies
   * or has another control in the same moment; EDGE_FAILED for one that hangs, or whose memory cannot be read.
   */
  static async connect(
    socketPath: string,
    { version = wireVersion, helloMs = defaultHelloMs }: ConnectOptions = {},
  ): Promise<EdgeClient> {
    let client: EdgeClient | undefined;
    let view: EdgeView | undefined;
    const early: EdgeEvent[] = [];
    const channel = await EdgeChannel.open(socketPath, {
      onEvent: (event) => {
        if (client === undefined) early.push(event);
        else client.emit('event', event);
      },
      onBack: (hello) => {
        if (client === undefined) return;
        client.#hello = hello;
        client.emit('back', hello);
      },
      onLost: (cause) => client?.emit('closed', cause),
    });
    const late = setTimeout(() => {
      channel.giveUp();
    }, helloMs);
    try {
      const hello = await channel.ask(
        'hello',
        (writer) => {
          writer.u32(wireMagic);
          writer.u16(version);
        },
        readHello,
      );
      view = openMemory(hello);
      channel.mayComeBack(hello);
      const found = await channel.ask('inventory', nothing, readInventory);
      client = new EdgeClient(channel, view, hello, found);
    } catch (error) {
      channel.close();
      view?.close();
      throw error;
    } finally {
      clearTimeout(late);
    }
    const connected = client;
    // Whoever connects listens from the next turn on.
    setImmediate(() => {
      for (const event of early) connected.emit('event', event);
    });
    return connected;
  }

  /** What the edge has said of itself last. */
  get hello(): HelloAnswer {
    return this.#hello;
  }

  /** The least loaded thread. */
  pickShard(): number {
    return this.#load.indexOf(Math.min(...this.#load));
  }

  // What is only looked at: see `EdgeReads`. As it was last, when the edge is gone.

  relayAddress(shard: number): SocketAddress {
    return this.#view.relayAddress(shard);
  }

  legAddress(shard: number, streamIndex: number, family: 4 | 6): AddressPair {
    return this.#view.legAddress(shard, streamIndex, family);
  }

  streamReports(portIds: readonly number[]): StreamReport[] {
    return this.#view.streamReports(portIds);
  }

  forkReports(forkIds: readonly number[]): ForkReport[] {
    return this.#view.forkReports(forkIds);
  }

  forkSigns(): ForkSigns[] {
    return this.#view.forkSigns();
  }

  lastHeard(): Map<number, number> {
    return this.#view.lastHeard();
  }

  relayStalls(): RelayStall[] {
    return this.#view.relayStalls();
  }

  sequencesAt(portIds: readonly number[], at: number): (number | undefined)[] {
    return this.#view.sequencesAt(portIds, at);
  }

  counters(): EdgeCounters {
    return this.#view.counters();
  }

  openPort(options: OpenPortOptions): Promise<OpenedPort> {
    const { shard, host, latch } = options;
    const opened = this.#ask(
      () => {
        checkOpenPort(options);
      },
      'openPort',
      (writer) => {
        writer.u32(shard);
        writer.address({ ip: host, port: 0 });
        writer.choice(wireLatches, latch);
      },
      readOpenedPort,
    );
    // Counted before it is there, so that those that are opened together are spread.
    this.#count(shard, 1);
    opened.catch(() => {
      this.#count(shard, -1);
    });
    return opened;
  }

  setRemote(portId: number, remote: PortRemote): Promise<void> {
    return this.#tell(
      () => {
        checkId('portId', portId);
        checkRemote(remote);
      },
      'setRemote',
      (writer) => {
        writer.u32(portId);
        writeRemote(writer, remote);
      },
    );
  }

  /** Together: no packet comes between them. */
  setRoutes(routes: readonly RoutedPort[]): Promise<void> {
    return this.#tell(
      () => {
        checkIds('routes', portIdsOf(routes));
        for (const { route } of routes) checkRoute(route);
      },
      'setRoutes',
      (writer) => {
        writer.list(routes, (routed) => {
          writeRoute(writer, routed);
        });
      },
    );
  }

  /** See `Edge.closePort`. */
  closePort(portId: number): Promise<StreamReport> {
    return this.#ask(
      () => {
        checkId('portId', portId);
      },
      'closePort',
      idOf(portId),
      (reader) => {
        this.#count(portId % threadsMax, -1);
        return readStreamReport(reader);
      },
    );
  }

  /** See `Edge.takeStock`. */
  takeStock(portIds: readonly number[], forkIds: readonly number[]): Promise<Stock> {
    return this.#ask(
      () => {
        checkIds('portIds', portIds);
        checkIds('forkIds', forkIds);
      },
      'takeStock',
      (writer) => {
        writer.ids(portIds);
        writer.ids(forkIds);
      },
      readStock,
    );
  }

  /** See `Edge.addForks`. */
  addForks(forks: readonly AddForkOptions[]): Promise<number[]> {
    return this.#ask(
      () => {
        checkIds('forks', portIdsOf(forks));
        forks.forEach(checkAddFork);
      },
      'addForks',
      (writer) => {
        writer.list(forks, (fork) => {
          writeFork(writer, fork);
        });
      },
      (reader) => reader.list(() => reader.u32()),
    );
  }

  /** The recorder moved its media address. */
  setForkTarget(forkId: number, rtp: SocketAddress, rtcp: SocketAddress): Promise<void> {
    return this.#tell(
      () => {
        checkId('forkId', forkId);
        checkAddress('rtp', rtp);
        checkAddress('rtcp', rtcp);
      },
      'setForkTarget',
      (writer) => {
        writer.u32(forkId);
        writer.address(rtp);
        writer.address(rtcp);
      },
    );
  }

  /** When this has resolved, nothing from `from` on is sent any more: see `Edge.pauseFork`. */
  pauseFork(forkId: number, from = 0): Promise<void> {
    return this.#tell(
      () => {
        checkId('forkId', forkId);
        checkSequence('from', from);
      },
      'pauseFork',
      (writer) => {
        writer.u32(forkId);
        writer.f64(from);
      },
    );
  }

  /** Goes on with the next live packet. */
  resumeFork(forkId: number): Promise<void> {
    return this.#tell(
      () => {
        checkId('forkId', forkId);
      },
      'resumeFork',
      idOf(forkId),
    );
  }

  /** See `Edge.endForks`. */
  endForks(forkIds: readonly number[]): Promise<ForkReport[]> {
    return this.#forkReports('endForks', forkIds);
  }

  /** Sends RTCP BYE, unless they were ended before. */
  removeForks(forkIds: readonly number[]): Promise<ForkReport[]> {
    return this.#forkReports('removeForks', forkIds);
  }

  /** Of all threads. Rights that it would take, the edge gave up when it started: see `EdgeProcessOptions.nice`. */
  takePrecedence(niceness: number): Promise<boolean> {
    return this.#ask(
      () => {
        checkNiceness('niceness', niceness);
      },
      'takePrecedence',
      (writer) => {
        writer.f64(niceness);
      },
      (reader) => reader.flag(),
    );
  }

  inventory(): Promise<EdgeInventory> {
    return this.#channel.ask('inventory', nothing, readInventory);
  }

  status(): Promise<EdgeStatus> {
    return this.#channel.ask('status', nothing, readStatus);
  }

  /** Its calls end, with RTCP BYE, and then the edge. Resolves when they have. */
  shutdown(): Promise<void> {
    return this.#tell(nothing, 'shutdown', nothing);
  }

  /** Ends the connection, not the edge: what it has goes on. Idempotent. */
  close(): void {
    this.#channel.close();
    this.#view.close();
  }

  #tell(
    check: () => void,
    command: WireCommand,
    write: (writer: WireWriter) => void,
  ): Promise<void> {
    return this.#ask(check, command, write, nothing);
  }

  /** Every answer passes through here and nothing behind it: so those that come together resolve in their order. */
  #ask<T>(
    check: () => void,
    command: WireCommand,
    write: (writer: WireWriter) => void,
    read: (reader: WireReader) => T,
  ): Promise<T> {
    const refusal = refusalOf(check);
    return refusal === undefined
      ? this.#channel.ask(command, write, read)
      : Promise.reject(refusal);
  }

  #forkReports(
    command: 'endForks' | 'removeForks',
    forkIds: readonly number[],
  ): Promise<ForkReport[]> {
    return this.#ask(
      () => {
        checkIds('forkIds', forkIds);
      },
      command,
      idsOf(forkIds),
      (reader) => reader.list(() => readForkReport(reader)),
    );
  }

  #count(shard: number, by: number): void {
    const ports = this.#load[shard];
    if (ports !== undefined) this.#load[shard] = ports + by;
  }
}

const idOf =
  (id: number) =>
  (writer: WireWriter): void => {
    writer.u32(id);
  };

const idsOf =
  (ids: readonly number[]) =>
  (writer: WireWriter): void => {
    writer.ids(ids);
  };
