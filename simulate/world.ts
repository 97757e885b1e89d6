import { parseConfig } from '../src/config.ts';
import type { Config } from '../src/config.ts';
import type { EdgeEvent } from '../src/edge/types.ts';
import type { Logger } from '../src/logger.ts';
import type { Calls } from '../src/recording/calls.ts';
import type { Ledger } from '../src/recording/account/ledger.ts';
import type { ResourceManager } from '../src/resource/resource-manager.ts';
import type { SipUserAgent } from '../src/sip/ua/user-agent.ts';
import type { SiprecClient } from '../src/siprec/client.ts';
import { CallDriver } from './call-driver.ts';
import type { DrivenCalls } from './call-driver.ts';
import { SimClock } from './clock.ts';
import { Control, Life, tandemIp } from './control.ts';
import type { ControlSurroundings } from './control.ts';
import { orderTimes } from './edge/order-times.ts';
import { SimEdge } from './edge/sim-edge.ts';
import { Marks } from './marks.ts';
import { SimNetwork } from './network/sim-network.ts';
import { SimStreams } from './network/streams.ts';
import { PatientCalls } from './patient-calls.ts';
import { Places } from './places.ts';
import type { Plan } from './plan.ts';
import { Random } from './random.ts';
import { SimRecorder } from './recorder/sim-recorder.ts';
import type { Sabotage } from './sabotage.ts';
import { SimStore } from './sim-store.ts';
import { Story } from './story.ts';
import { Troubles } from './troubles.ts';

/** More than the longest of ways adds at once. */
const straggleMsMax = 2_000;

/** Until it is there for the first time. */
const startMs = 1_000;

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
  readonly store = new SimStore();
  /** What a recorder took, and whose it is. */
  readonly places: Places;
  readonly drivers: readonly CallDriver[];
  /** When the process that decides came up last. */
  controlSince: number;
  readonly #surroundings: ControlSurroundings;
  #lives = 0;
  #life: Life | undefined;
  #control: Control | undefined;
  /** Who waits for somebody to answer. */
  #waiting: (() => void)[] = [];

  private constructor(
    { plan, clock, story, marks, network, places, random, ...base }: Base,
    edge: SimEdge,
    recorders: ReadonlyMap<string, SimRecorder>,
  ) {
    this.marks = marks;
    this.plan = plan;
    this.clock = clock;
    this.startedAt = clock.now() + startMs;
    this.controlSince = this.startedAt;
    this.story = story;
    this.network = network;
    this.edge = edge;
    this.recorders = recorders;
    this.places = places;
    this.#surroundings = {
      ...{ clock, network, edge, places, story, random },
      ...{ streams: base.streams, logger: base.logger, sabotage: base.sabotage },
      store: this.store,
      config: base.config,
    };
    places.look = (callId) => this.calls.get(callId).recordings;
    const { sabotage } = base;
    const sabotaged = (calls: Calls): DrivenCalls => sabotage.calls?.(calls) ?? calls;
    const patient = new PatientCalls(
      async () => {
        while (this.#control === undefined) {
          await new Promise<void>((resolve) => this.#waiting.push(resolve));
        }
        return { calls: sabotaged(this.#control.calls), died: this.#control.life.died };
      },
      () => this.calls,
    );
    this.drivers = plan.calls.map(
      (call) =>
        new CallDriver({
          plan: call,
          calls: patient,
          edge,
          clock,
          random: random.stream(call.id),
          startedAt: this.startedAt,
          control: () => (this.#control === undefined ? undefined : this.#lives),
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
    const story = new Story(clock);
    const marks = new Marks();
    const places = new Places();
    const parts = { plan, clock, story, marks, network, streams, places, random, logger, sabotage };
    const recorders = await startRecorders(parts);
    const config = configOf(plan, recorders);
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
        world.#control?.bridge.handleEdgeEvent(event);
      },
    });
    const world = new World({ ...parts, config }, edge, recorders);
    const starting = world.#startControl();
    await clock.runUntil(clock.now() + startMs);
    await starting;
    return world;
  }

  /** Nobody decides just now. */
  get isWithoutControl(): boolean {
    return this.#control === undefined;
  }

  get calls(): Calls {
    return this.#present.calls;
  }

  get resources(): ResourceManager {
    return this.#present.resources;
  }

  get client(): SiprecClient {
    return this.#present.client;
  }

  get userAgent(): SipUserAgent {
    return this.#present.userAgent;
  }

  get life(): Life {
    return this.#present.life;
  }

  get #present(): Control {
    if (this.#control === undefined) throw new Error('there is no control now');
    return this.#control;
  }

  /** Whatever it is at. The next one is started after a while. */
  killControl(awayMs: number): void {
    const life = this.#life;
    if (life === undefined || life.isOver) return;
    this.story.tell(`control dies, for ${awayMs} ms`);
    this.#control = undefined;
    life.end();
    this.clock.quietly(awayMs, () => {
      this.clock.disturb();
      void this.#startControl();
    });
  }

  /** Now, or as soon as there is somebody who decides. */
  whenControlled(act: () => void): void {
    if (this.#control === undefined) this.#waiting.push(act);
    else act();
  }

  async #startControl(): Promise<void> {
    const life = new Life(this.#surroundings);
    this.#life = life;
    this.#lives += 1;
    const number = this.#lives;
    const control = await Control.start(this.#surroundings, life, number);
    if (life.isOver) return;
    this.#control = control;
    this.controlSince = this.clock.now();
    if (number > 1) {
      const found = Object.entries(control.adopted).map(([name, count]) => `${name} ${count}`);
      this.story.tell(`control is there again: ${found.join(', ')}`);
      this.marks.hit('control came back');
    }
    for (const answer of this.#waiting.splice(0)) answer();
  }

  ledger(callId: string): Ledger {
    const ledger = this.calls.ledger(callId);
    return this.#surroundings.sabotage.ledger?.(ledger) ?? ledger;
  }

  recorder(id: string): SimRecorder {
    const recorder = this.recorders.get(id);
    if (recorder === undefined) throw new Error(`no recorder ${id}`);
    return recorder;
  }

  close(): Promise<void> {
    return this.#present.close();
  }
}

interface Parts {
  readonly plan: Plan;
  readonly clock: SimClock;
  readonly story: Story;
  readonly marks: Marks;
  readonly network: SimNetwork;
  readonly streams: SimStreams;
  readonly places: Places;
  readonly random: Random;
  readonly logger: Logger;
  readonly sabotage: Sabotage;
}

interface Base extends Parts {
  readonly config: Config;
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

async function startRecorders(base: Parts): Promise<Map<string, SimRecorder>> {
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
