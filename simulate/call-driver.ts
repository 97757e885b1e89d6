import type { SocketAddress } from '../src/edge/types.ts';
import type { RecordingAction } from '../src/recording/call-state.ts';
import type { Calls } from '../src/recording/calls.ts';
import { parties } from '../src/recording/interfaces.ts';
import type { Party } from '../src/recording/interfaces.ts';
import { TandemError } from '../src/errors.ts';
import type { SimClock } from './clock.ts';
import { takesHoldMsMax } from './edge/order-times.ts';
import type { SimEdge } from './edge/sim-edge.ts';
import type { ActionPlan, CallPlan } from './plan.ts';
import type { Random } from './random.ts';
import { Speaker } from './speaker.ts';
import { CallTruth } from './truth.ts';
import type { Wish } from './truth.ts';

export type DrivenCalls = Pick<
  Calls,
  'create' | 'answer' | 'reoffer' | 'rejectReoffer' | 'recording' | 'delete' | 'get'
>;

export interface CallDriverOptions {
  readonly plan: CallPlan;
  readonly calls: DrivenCalls;
  readonly edge: SimEdge;
  readonly clock: SimClock;
  readonly random: Random;
  readonly startedAt: number;
  /** Which process decides now; undefined: none. */
  readonly control: () => number | undefined;
  readonly tell: (text: string) => void;
}

/** `unknown`: an order failed half-way. */
type Recording = 'on' | 'paused' | 'stopped' | 'unknown';

const wishOf: Readonly<Record<Recording, Wish>> = {
  on: 'on',
  paused: 'off',
  stopped: 'off',
  unknown: 'unsure',
};

function afterOrder(before: Recording, kind: RecordingAction): Recording {
  switch (kind) {
    case 'stop':
      return 'stopped';
    case 'start':
      return before === 'stopped' ? 'on' : before;
    case 'pause':
      return 'paused';
    case 'resume':
      return 'on';
    default:
      return kind satisfies never;
  }
}

const addresses: Readonly<Record<Party, SocketAddress>> = {
  a: { ip: '192.0.2.1', port: 4_000 },
  b: { ip: '192.0.2.2', port: 5_000 },
};

/** Places one call, lets its parties speak, does to it what is planned, and notes what was to be recorded. */
export class CallDriver {
  readonly truth: CallTruth;
  readonly #options: CallDriverOptions;
  readonly #speakers: Partial<Record<Party, Speaker>> = {};
  #recording: Recording = 'stopped';
  /** Orders on their way. */
  #ordered = 0;
  /** How many there have been. */
  #orders = 0;
  /** What the last of them wants. */
  #meanwhile: Wish = 'unsure';

  constructor(options: CallDriverOptions) {
    this.#options = options;
    this.truth = new CallTruth(options.plan.id);
  }

  begin(): void {
    const { plan } = this.#options;
    this.#at(plan.at, () => this.#place());
    for (const action of plan.actions) this.#at(plan.at + action.at, () => this.#act(action));
    this.#at(plan.endAt, () => this.end());
  }

  async end(): Promise<void> {
    const { truth } = this;
    const { calls, clock, plan, tell } = this.#options;
    if (truth.deleted !== 'no') return;
    truth.deleted = 'asked';
    truth.deletedAt = clock.now();
    if (truth.wish === 'on') truth.wishes('unsure', clock.now());
    tell(`${plan.id} delete`);
    const outcome = await outcomeOf(calls.delete(plan.id));
    for (const party of parties) this.#speakers[party]?.stop();
    truth.wishes('off', clock.now());
    truth.deleted = 'done';
    tell(`${plan.id} deleted${outcome}`);
  }

  #at(at: number, act: () => Promise<void>): void {
    const { clock, startedAt } = this.#options;
    clock.quietly(startedAt + at - clock.now(), () => {
      clock.disturb();
      void act();
    });
  }

  async #place(): Promise<void> {
    const { calls, clock, plan, tell } = this.#options;
    tell(`${plan.id} create`);
    const outcome = await outcomeOf(calls.create({ id: plan.id, offer: sdpOf('a', 1) }));
    if (outcome !== '') {
      tell(`${plan.id} not created${outcome}`);
      this.truth.deleted = 'done';
      return;
    }
    clock.quietly(plan.answerAfterMs, () => {
      clock.disturb();
      void this.#answer();
    });
  }

  async #answer(): Promise<void> {
    const { calls, clock, plan, tell } = this.#options;
    const { truth } = this;
    if (truth.deleted !== 'no') return;
    truth.wishes('unsure', clock.now());
    const outcome = await outcomeOf(calls.answer(plan.id, sdpOf('b', 1)));
    tell(`${plan.id} answered${outcome}`);
    if (outcome !== '') return;
    truth.answered = true;
    this.#recording = 'on';
    truth.begunAt = clock.now();
    // Its end may have been asked for meanwhile.
    truth.wishes(this.#isOver() ? 'unsure' : 'on', clock.now());
    for (const party of parties) this.#speak(party);
  }

  #speak(party: Party): void {
    const { calls, clock, edge, plan, random, startedAt } = this.#options;
    const portId = edge.portAt(calls.get(plan.id).parties[party].local);
    this.truth.ssrcs[party] = edge.ssrcOf(portId);
    const speaker = new Speaker({
      plan: plan.speech[party],
      clock,
      random: random.stream(party),
      startedAt: startedAt + plan.at,
      send: (packet, dropped) => {
        if (dropped) {
          edge.drop(portId);
          this.truth.drop(party);
          return;
        }
        const extended = edge.receive(portId, packet);
        if (extended === undefined) return;
        this.truth.hear(party, { extended, id: packet.id, at: clock.now() });
      },
    });
    this.#speakers[party] = speaker;
    speaker.start();
  }

  async #act({ kind }: ActionPlan): Promise<void> {
    const { truth } = this;
    const { plan, tell } = this.#options;
    if (truth.deleted !== 'no' || !truth.answered) return;
    tell(`${plan.id} ${kind}`);
    truth.busy += 1;
    const outcome = await this.#do(kind);
    truth.busy -= 1;
    tell(`${plan.id} ${kind} done${outcome}`);
  }

  #do(kind: ActionPlan['kind']): Promise<string> {
    switch (kind) {
      case 'pause':
      case 'stop':
      case 'resume':
      case 'start':
        return this.#order(kind);
      case 'reoffer':
      case 'hold':
      case 'unhold':
        return this.#reoffer(kind);
      case 'rejectReoffer':
        return this.#rejectReoffer();
      default:
        return kind satisfies never;
    }
  }

  async #order(kind: RecordingAction): Promise<string> {
    const { truth } = this;
    const { calls, clock, plan } = this.#options;
    this.#ordered += 1;
    this.#orders += 1;
    this.#meanwhile = 'unsure';
    truth.wishes(this.#meanwhile, clock.now());
    if (kind === 'pause' || kind === 'stop') this.#takesHold(this.#orders);
    const outcome = await outcomeOf(calls.recording(plan.id, kind));
    this.#ordered -= 1;
    if (truth.deleted !== 'no') return outcome;
    const before = this.#recording;
    // Orders are carried out one after the other. What one that was refused has done, if anything, nobody knows.
    if (outcome === '') this.#recording = afterOrder(before, kind);
    else if (before !== 'stopped') this.#recording = 'unknown';
    truth.wishes(this.#ordered > 0 ? this.#meanwhile : wishOf[this.#recording], clock.now());
    return outcome;
  }

  /** As soon as the edge has done it, whatever its answer has to wait for. */
  #takesHold(order: number): void {
    const { truth } = this;
    const { clock, control } = this.#options;
    const asked = control();
    clock.quietly(takesHoldMsMax, () => {
      // Who died may not have told the edge.
      if (asked === undefined || control() !== asked) return;
      if (truth.deleted !== 'no' || this.#ordered === 0 || this.#orders !== order) return;
      this.#meanwhile = 'off';
      truth.wishes('off', clock.now());
    });
  }

  async #reoffer(kind: 'reoffer' | 'hold' | 'unhold'): Promise<string> {
    const { calls, plan, clock } = this.#options;
    const version = Math.floor(clock.now() / 10) % 1_000_000;
    const direction = kind === 'hold' ? 'sendonly' : 'sendrecv';
    const offered = await outcomeOf(calls.reoffer(plan.id, 'a', sdpOf('a', version, direction)));
    if (offered !== '') return offered;
    await new Promise<void>((resolve) => {
      clock.quietly(50, () => {
        clock.disturb();
        resolve();
      });
    });
    if (this.#isOver()) return ' not answered';
    const answers = kind === 'hold' ? 'recvonly' : 'sendrecv';
    const answered = await outcomeOf(calls.answer(plan.id, sdpOf('b', version, answers)));
    const { b } = this.#speakers;
    if (b !== undefined && answered === '') b.held = kind === 'hold';
    if (kind === 'hold') this.truth.everHeld = true;
    return answered;
  }

  #isOver(): boolean {
    return this.truth.deleted !== 'no';
  }

  async #rejectReoffer(): Promise<string> {
    const { calls, plan } = this.#options;
    const offered = await outcomeOf(calls.reoffer(plan.id, 'b', sdpOf('b', 77)));
    if (offered !== '') return offered;
    return outcomeOf(calls.rejectReoffer(plan.id));
  }
}

/** What is added to a line of the story: nothing when all is well. */
async function outcomeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return '';
  } catch (error) {
    if (error instanceof TandemError) return `: ${error.code}`;
    throw error;
  }
}

function sdpOf(party: Party, version: number, direction = 'sendrecv'): string {
  const { ip, port } = addresses[party];
  return [
    'v=0',
    `o=- 1 ${version} IN IP4 ${ip}`,
    's=-',
    `c=IN IP4 ${ip}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    `a=${direction}`,
    '',
  ].join('\r\n');
}
