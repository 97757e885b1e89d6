import { parseConfig } from '../src/config.ts';
import type { Config } from '../src/config.ts';
import type { EdgeEvent } from '../src/edge/types.ts';
import type { Logger } from '../src/logger.ts';
import { MediaBridge } from '../src/media/bridge.ts';
import type { MediaEdge } from '../src/media/media-edge.ts';
import { Calls } from '../src/recording/calls.ts';
import type { Bridge, RecorderAllocator, SessionClient } from '../src/recording/interfaces.ts';
import type { Ledger } from '../src/recording/account/ledger.ts';
import { ResourceManager } from '../src/resource/resource-manager.ts';
import { SipUserAgent } from '../src/sip/ua/user-agent.ts';
import { SiprecClient } from '../src/siprec/client.ts';
import { CallDriver } from './call-driver.ts';
import type { DrivenCalls } from './call-driver.ts';
import { realTurn, SimClock } from './clock.ts';
import { orderTimes } from './edge/order-times.ts';
import { SimEdge } from './edge/sim-edge.ts';
import { Marks } from './marks.ts';
import { SimNetwork } from './network/sim-network.ts';
import { simulatedTransports } from './network/sip-transports.ts';
import { SimStreams } from './network/streams.ts';
import { observerOf } from './observer.ts';
import { Places } from './places.ts';
import type { Plan } from './plan.ts';
import { ProcessClock } from './process-clock.ts';
import { Random } from './random.ts';
import { SimRecorder, tokens } from './recorder/sim-recorder.ts';
import { Story } from './story.ts';
import { Troubles } from './troubles.ts';

/** Faults that are put into the code on purpose, to see that they are found. */
export interface Sabotage {
  readonly edge?: (edge: MediaEdge, clock: SimClock) => MediaEdge;
  readonly bridge?: (bridge: Bridge, clock: SimClock) => Bridge;
  readonly allocator?: (allocator: RecorderAllocator, clock: SimClock) => RecorderAllocator;
  readonly client?: (client: SessionClient) => SessionClient;
  readonly ledger?: (ledger: Ledger) => Ledger;
  readonly calls?: (calls: DrivenCalls) => DrivenCalls;
}

/** More than the longest of ways adds at once. */
const straggleMsMax = 2_000;

export const tandemIp = '10.0.0.1';

/** What one seed is made of: the code as it ships, on simulated time, network, edge and recorders. */
export class World {
  readonly plan: Plan;
  readonly clock: SimClock;
  readonly startedAt: number;
  readonly story: Story;
  readonly marks: Marks;
  readonly troubles = new Troubles();
  readonly network: SimNetwork;
  readonly edge: SimEdge;
  readonly recorders: ReadonlyMap<string, SimRecorder>;
  readonly resources: ResourceManager;
  readonly client: SiprecClient;
  readonly userAgent: SipUserAgent;
  readonly calls: Calls;
  /** What a recorder took, and whose it is. */
  readonly places: Places;
  readonly drivers: readonly CallDriver[];
  /** Timers of Tandem's own process. */
  readonly tandemClock: ProcessClock;
  /** Of recording alone. */
  readonly recordingClock: ProcessClock;
  readonly #sabotage: Sabotage;

  private constructor(parts: {
    base: Base;
    edge: SimEdge;
    recorders: ReadonlyMap<string, SimRecorder>;
    resources: ResourceManager;
    client: SiprecClient;
    userAgent: SipUserAgent;
    calls: Calls;
    recordingClock: ProcessClock;
    sabotage: Sabotage;
  }) {
    const { plan, clock, story, marks, network, tandemClock, random } = parts.base;
    this.marks = marks;
    this.plan = plan;
    this.clock = clock;
    this.startedAt = clock.now();
    this.story = story;
    this.network = network;
    this.tandemClock = tandemClock;
    this.recordingClock = parts.recordingClock;
    this.edge = parts.edge;
    this.recorders = parts.recorders;
    this.resources = parts.resources;
    this.client = parts.client;
    this.userAgent = parts.userAgent;
    this.calls = parts.calls;
    this.places = parts.base.places;
    this.#sabotage = parts.sabotage;
    const driven = this.#sabotage.calls?.(this.calls) ?? this.calls;
    this.drivers = plan.calls.map(
      (call) =>
        new CallDriver({
          plan: call,
          calls: driven,
          edge: this.edge,
          clock,
          random: random.stream(call.id),
          startedAt: this.startedAt,
          tell: (text) => {
            story.tell(text);
          },
        }),
    );
  }

  static async create(plan: Plan, logger: Logger, sabotage: Sabotage = {}): Promise<World> {
    const clock = new SimClock();
    current = clock;
    const random = new Random(`world ${plan.seed}`);
    const network = new SimNetwork(clock, random.stream('network'));
    const streams = new SimStreams(network);
    const tandemClock = new ProcessClock(clock);
    const story = new Story(clock);
    const marks = new Marks();
    const places = new Places();
    const base: Base = {
      plan,
      clock,
      story,
      marks,
      network,
      streams,
      places,
      tandemClock,
      random,
      logger,
    };
    const recorders = await startRecorders(base);
    const config = configOf(plan, recorders);
    const bridges: MediaBridge[] = [];
    const edge = new SimEdge({
      clock,
      network,
      host: tandemIp,
      ringMs: config.media.ring.seconds * 1_000,
      catchUpRate: config.media.catchUpRate,
      rtcpIntervalMs: config.media.rtcpIntervalMs,
      straggleMs: straggleMsMax,
      orderMs: orderTimes(random.stream('edge'), (name) => {
        marks.hit(name);
      }),
      onEvent: (event: EdgeEvent) => {
        for (const bridge of bridges) bridge.handleEdgeEvent(event);
      },
    });
    const bridge = await MediaBridge.create({
      edge: sabotage.edge?.(edge, clock) ?? edge,
      config: config.media,
      workerBin: undefined,
      clock: tandemClock,
      logger,
    });
    bridges.push(bridge);
    const userAgent = await SipUserAgent.create({
      host: tandemIp,
      port: 5_060,
      transports: ['udp', 'tcp'],
      userAgent: 'Tandem',
      logger,
      extensions: ['siprec'],
      timers: { tcpConnectMs: config.sip.connectTimeoutMs },
      clock: tandemClock,
      random: tokens(random.stream('sip')),
      openTransport: simulatedTransports(network, streams),
      handlers: {},
    });
    const client = new SiprecClient({
      userAgent,
      logger,
      clock: tandemClock,
      random: tokens(random.stream('siprec')),
    });
    const creation = ResourceManager.create({
      settings: config.resource,
      recorders: config.recorders.list,
      probe: async (uri, timeoutMs) => {
        const { status, headers } = await userAgent.options({ uri, timeoutMs });
        return { status, leaving: /\(draining\)/i.test(headers.get('Retry-After') ?? '') };
      },
      logger,
      clock: tandemClock,
      random: () => random.next(),
    });
    // It reads a file of this machine first, for which no simulated time passes; then it asks every recorder once.
    while (tandemClock.waiting === 0) await realTurn();
    await clock.runUntil(clock.now() + 1_000);
    const resources = await creation;
    const recordingClock = new ProcessClock(clock);
    const calls = new Calls(
      {
        bridge: sabotage.bridge?.(bridge, clock) ?? bridge,
        allocator: places.noted(sabotage.allocator?.(resources, clock) ?? resources),
        client: sabotage.client?.(client) ?? client,
        clock: recordingClock,
        observer: observerOf((text) => {
          story.tell(text);
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
    places.look = (callId) => calls.get(callId).recordings;
    calls.start();
    return new World({
      base,
      edge,
      recorders,
      resources,
      client,
      userAgent,
      calls,
      recordingClock,
      sabotage,
    });
  }

  ledger(callId: string): Ledger {
    const ledger = this.calls.ledger(callId);
    return this.#sabotage.ledger?.(ledger) ?? ledger;
  }

  recorder(id: string): SimRecorder {
    const recorder = this.recorders.get(id);
    if (recorder === undefined) throw new Error(`no recorder ${id}`);
    return recorder;
  }

  async close(): Promise<void> {
    await this.calls.close();
    this.resources.close();
    await this.userAgent.close();
  }
}

interface Base {
  readonly plan: Plan;
  readonly clock: SimClock;
  readonly story: Story;
  readonly marks: Marks;
  readonly network: SimNetwork;
  readonly streams: SimStreams;
  readonly places: Places;
  readonly tandemClock: ProcessClock;
  readonly random: Random;
  readonly logger: Logger;
}

let current: SimClock | undefined;

export function clockIfAny(): SimClock | undefined {
  return current;
}

/** The clock that this thread's simulation runs on now. */
export function currentClock(): SimClock {
  if (current === undefined) throw new Error('nothing is being simulated');
  return current;
}

async function startRecorders(base: Base): Promise<Map<string, SimRecorder>> {
  const { plan, clock, marks, network, streams, places, random, logger } = base;
  const { delayMs, jitterMs, sipLoss } = plan;
  const recorders = new Map<string, SimRecorder>();
  for (const options of plan.recorders) {
    const recorder = new SimRecorder(options, {
      clock,
      network,
      streams,
      random: random.stream(options.id),
      logger,
      mark: (name) => {
        marks.hit(name);
      },
      taken: (recordId) => {
        places.taken(recordId, options.id);
      },
    });
    recorders.set(options.id, recorder);
    const loss = { media: 0, reports: 0, sip: sipLoss };
    network.setPath(tandemIp, options.ip, { delayMs, jitterMs, loss });
    network.setPath(options.ip, tandemIp, { delayMs, jitterMs, loss });
    await recorder.start();
  }
  return recorders;
}

function configOf(plan: Plan, recorders: ReadonlyMap<string, SimRecorder>): Config {
  return parseConfig({
    sip: { host: tandemIp },
    media: {
      host: tandemIp,
      path: 'direct',
      ring: { seconds: plan.ringSeconds },
    },
    recording: { replayOverlapMs: plan.replayOverlapMs },
    resource: {
      policy: 'round-robin',
      health: { intervalMs: plan.probeEveryMs, timeoutMs: Math.min(400, plan.probeEveryMs) },
    },
    recorders: {
      list: [...recorders.values()].map(({ uri, options: { id, zone } }) => ({ id, uri, zone })),
    },
  });
}
