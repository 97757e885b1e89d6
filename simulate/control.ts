import type { Config } from '../src/config.ts';
import type { Logger } from '../src/logger.ts';
import type { AdoptionReport, StoredCalls } from '../src/recording/adoption/stored.ts';
import { MediaBridge } from '../src/media/bridge.ts';
import type { MediaEdge } from '../src/media/media-edge.ts';
import { Calls } from '../src/recording/calls.ts';
import { ResourceManager } from '../src/resource/resource-manager.ts';
import { SipUserAgent } from '../src/sip/ua/user-agent.ts';
import { SiprecClient } from '../src/siprec/client.ts';
import { StoreWriter } from '../src/store/store-writer.ts';
import type { RecordKind, Store } from '../src/store/store.ts';
import type { SimClock } from './clock.ts';
import type { SimEdge } from './edge/sim-edge.ts';
import type { SimNetwork } from './network/sim-network.ts';
import { simulatedTransports } from './network/sip-transports.ts';
import type { SimStreams } from './network/streams.ts';
import { observerOf } from './observer.ts';
import type { Places } from './places.ts';
import { ProcessClock } from './process-clock.ts';
import type { Random } from './random.ts';
import { tokens } from './recorder/sim-recorder.ts';
import type { Sabotage } from './sabotage.ts';
import type { Story } from './story.ts';

export const tandemIp = '10.0.0.1';
const sipPort = 5_060;

/** What outlives it. */
export interface ControlSurroundings {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly streams: SimStreams;
  readonly edge: SimEdge;
  readonly store: Store;
  readonly config: Config;
  readonly places: Places;
  readonly story: Story;
  readonly random: Random;
  readonly logger: Logger;
  readonly sabotage: Sabotage;
}

interface Parts {
  readonly life: Life;
  readonly bridge: MediaBridge;
  readonly resources: ResourceManager;
  readonly client: SiprecClient;
  readonly userAgent: SipUserAgent;
  readonly calls: Calls;
  readonly writer: StoreWriter;
  readonly adopted: AdoptionReport;
}

/** One process: what is left of it when it is killed reaches nobody any more. */
export class Life {
  /** Timers of the process. */
  readonly clock: ProcessClock;
  /** Those of recording alone. */
  readonly recordingClock: ProcessClock;
  readonly died: Promise<undefined>;
  readonly #surroundings: ControlSurroundings;
  readonly #die: (value: undefined) => void;
  #isOver = false;

  constructor(surroundings: ControlSurroundings) {
    this.#surroundings = surroundings;
    this.clock = new ProcessClock(surroundings.clock);
    this.recordingClock = new ProcessClock(surroundings.clock);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.died = promise;
    this.#die = resolve;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** SIGKILL: its kernel closes its connections, and nobody says goodbye. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.clock.end();
    this.recordingClock.end();
    const { network, streams } = this.#surroundings;
    streams.unlisten({ ip: tandemIp, port: sipPort });
    network.unbindDatagrams({ ip: tandemIp, port: sipPort });
    streams.closeOf(tandemIp);
    this.#die(undefined);
  }

  /** What is asked of `part` by this process; when it is dead, nothing is asked and nothing answered. */
  bound<T extends object>(part: T): T {
    return new Proxy(part, {
      get: (target, name) => {
        const own: unknown = Reflect.get(target, name, target);
        if (typeof own !== 'function') return own;
        return (...args: unknown[]): unknown => {
          if (this.#isOver) return new Promise(() => undefined);
          const answer: unknown = Reflect.apply(own, target, args);
          return answer instanceof Promise ? this.#whileAlive(answer) : answer;
        };
      },
    });
  }

  async #whileAlive<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await answer;
      if (!this.#isOver) return value;
    } catch (error) {
      if (!this.#isOver) throw error;
    }
    return new Promise(() => undefined);
  }
}

/** Tandem's process that decides, as it ships: made of what is stored and of what the edge has. */
export class Control {
  readonly life: Life;
  readonly bridge: MediaBridge;
  readonly resources: ResourceManager;
  readonly client: SiprecClient;
  readonly userAgent: SipUserAgent;
  readonly calls: Calls;
  /** What it found. */
  readonly adopted: AdoptionReport;
  readonly #writer: StoreWriter;

  private constructor(parts: Parts) {
    this.life = parts.life;
    this.bridge = parts.bridge;
    this.resources = parts.resources;
    this.client = parts.client;
    this.userAgent = parts.userAgent;
    this.calls = parts.calls;
    this.adopted = parts.adopted;
    this.#writer = parts.writer;
  }

  /** @param life which, from 1 */
  static async start(
    surroundings: ControlSurroundings,
    life: Life,
    number: number,
  ): Promise<Control> {
    const { network, streams, store, config, places, story, logger, sabotage } = surroundings;
    const random = surroundings.random.stream(`control ${number}`);
    const { clock } = life;
    const writer = new StoreWriter({ store: life.bound(store), clock, logger });
    const kept = sabotage.keeper?.(writer, surroundings.clock) ?? writer;
    const ownEdge = life.bound<MediaEdge>(surroundings.edge);
    const bridge = await MediaBridge.create({
      edge: sabotage.edge?.(ownEdge, surroundings.clock) ?? ownEdge,
      config: config.media,
      workerBin: undefined,
      clock,
      logger,
      keeper: kept,
    });
    const found = await life.bound(surroundings.edge).inventory();
    const stored = await storedIn(store);
    await bridge.adopt(stored.bridge, found);
    const userAgent = await SipUserAgent.create({
      host: tandemIp,
      port: sipPort,
      transports: ['udp', 'tcp'],
      userAgent: 'Tandem',
      logger,
      extensions: ['siprec'],
      timers: { tcpConnectMs: config.sip.connectTimeoutMs },
      clock,
      random: tokens(random.stream('sip')),
      openTransport: simulatedTransports(network, streams, () => !life.isOver),
      handlers: {},
    });
    const client = new SiprecClient({
      userAgent,
      logger,
      clock,
      random: tokens(random.stream('siprec')),
      keeper: {
        keep: (recordId, snapshot) => {
          kept.put('session', recordId, snapshot);
        },
        forget: (recordId) => {
          kept.remove('session', recordId);
        },
        flush: () => kept.flush(),
      },
    });
    const resources = await ResourceManager.create({
      settings: config.resource,
      recorders: config.recorders.list,
      probe: async (uri, timeoutMs) => {
        const { status, headers } = await userAgent.options({ uri, timeoutMs });
        return { status, leaving: /\(draining\)/i.test(headers.get('Retry-After') ?? '') };
      },
      logger,
      clock,
      random: () => random.next(),
    });
    const calls = new Calls(
      {
        bridge: sabotage.bridge?.(bridge, surroundings.clock) ?? bridge,
        allocator: places.noted(sabotage.allocator?.(resources, surroundings.clock) ?? resources),
        client: sabotage.client?.(client) ?? client,
        clock: life.recordingClock,
        journal: kept,
        observer: observerOf((text) => {
          if (!life.isOver) story.tell(text);
        }),
        settings: { ...config.recording, inviteTimeoutMs: config.sip.inviteTimeoutMs },
      },
      {
        ...config.recording,
        ...config.calls,
        path: 'direct',
        latch: config.media.latch,
        probeWindowMs: config.resource.health.intervalMs * config.resource.health.failures,
        detection: {
          ...config.recording.detection,
          silenceMsMax: config.media.ring.seconds * 600,
        },
      },
      logger,
    );
    calls.start();
    const adopted = calls.adopt(stored.calls);
    return new Control({ life, bridge, resources, client, userAgent, calls, writer, adopted });
  }

  async close(): Promise<void> {
    await this.calls.close();
    this.resources.close();
    await this.userAgent.close();
    await this.#writer.close();
  }
}

async function storedIn(
  store: Store,
): Promise<{ bridge: Parameters<MediaBridge['adopt']>[0]; calls: StoredCalls }> {
  const of = async (kind: RecordKind): Promise<readonly unknown[]> =>
    (await store.records(kind)).map(({ data }) => data);
  const sessions = await store.records('session');
  return {
    bridge: { media: (await of('media')) as never, forks: (await of('forks')) as never },
    calls: {
      calls: (await of('call')) as never,
      legs: (await of('leg')) as never,
      ended: (await of('ended')) as never,
      sessions: new Map(sessions.map(({ id, data }) => [id, data as object])),
    },
  };
}
