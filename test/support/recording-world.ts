import { pino } from 'pino';
import { expect } from 'vitest';
import { ProcessClock } from '../../simulate/process-clock.ts';
import type { CallRequest, LegState } from '../../src/recording/call-state.ts';
import { Calls } from '../../src/recording/calls.ts';
import type { CallsOptions } from '../../src/recording/calls.ts';
import type { Party } from '../../src/recording/interfaces.ts';
import type { Journal } from '../../src/recording/journal.ts';
import type { RecordingSettings } from '../../src/recording/leg/leg-settings.ts';
import type { Ledger } from '../../src/recording/account/ledger.ts';
import type { RecordingObserver } from '../../src/recording/observer.ts';
import { subtract, union } from '../../src/rtp/ranges.ts';
import type { Range } from '../../src/rtp/ranges.ts';
import { ResourceManager } from '../../src/resource/resource-manager.ts';
import { BridgeStub, packetMs } from './bridge-stub.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { RecorderStub } from './recorder-stub.ts';
import { SessionClientStub } from './session-client-stub.ts';

export interface WorldOptions {
  /** Zone by recorder id. */
  readonly recorders?: Readonly<Record<string, string>>;
  readonly capacity?: number;
  readonly ringMs?: number;
  readonly settings?: Partial<RecordingSettings>;
  readonly calls?: Partial<CallsOptions>;
  readonly journal?: Journal;
}

export const recordingSettings: RecordingSettings = {
  replay: true,
  replayOverlapMs: 200,
  drainMs: 5_000,
  finalReportMs: 250,
  suspicionMs: 200,
  inviteTimeoutMs: 4_000,
  mediaTimeoutMs: 3_000,
  retry: { initialMs: 200, maxMs: 5_000 },
};

const fourRecorders = { r1: 'east', r2: 'east', r3: 'west', r4: 'west' };

/** Calls with the real resource manager, on media and recorders that do as they are told, in time that is told to pass. */
export class RecordingWorld {
  readonly clock: ManualClock;
  /** Of recording alone, so that a timer left behind is seen. */
  readonly recordingClock: ProcessClock;
  readonly log: string[] = [];
  readonly observed: string[] = [];
  readonly recorders: ReadonlyMap<string, RecorderStub>;
  readonly bridge: BridgeStub;
  readonly client: SessionClientStub;
  readonly allocator: ResourceManager;
  readonly calls: Calls;

  private constructor(
    options: WorldOptions,
    recorders: readonly RecorderStub[],
    clock: ManualClock,
    allocator: ResourceManager,
  ) {
    this.clock = clock;
    this.recordingClock = new ProcessClock(clock);
    this.recorders = new Map(recorders.map((recorder) => [recorder.id, recorder]));
    const byIp = new Map(recorders.map((recorder) => [recorder.ip, recorder]));
    this.bridge = new BridgeStub(this.clock, byIp, options.ringMs ?? 10_000, this.log);
    this.client = new SessionClientStub(this.clock, recorders, this.log);
    this.allocator = allocator;
    this.calls = new Calls(
      {
        bridge: this.bridge,
        client: this.client,
        allocator: this.allocator,
        clock: this.recordingClock,
        observer: observerOf(this.observed),
        ...(options.journal && { journal: options.journal }),
        settings: { ...recordingSettings, ...options.settings },
      },
      {
        mode: 'duplicate',
        scarce: 'single',
        path: 'direct',
        latch: 'announced',
        failoversKept: 1_000,
        endedKept: 1_000,
        unansweredMs: 300_000,
        idleMs: 7_200_000,
        noMediaMs: 10_000,
        probeWindowMs: 1_000,
        detection: {
          watchMs: 250,
          silenceReports: 10,
          silenceMsMax: 6_000,
          lossFraction: 0.5,
          lossReports: 4,
        },
        ...options.calls,
      },
      pino({ level: 'silent' }),
    );
    this.calls.start();
  }

  static async create(options: WorldOptions = {}): Promise<RecordingWorld> {
    const recorders = Object.entries(options.recorders ?? fourRecorders).map(
      ([id, zone], index) => new RecorderStub(id, zone, `198.51.100.${index + 1}`),
    );
    const clock = new ManualClock();
    const allocator = await ResourceManager.create({
      settings: {
        policy: 'round-robin',
        promotion: 'manual',
        health: { intervalMs: 500, timeoutMs: 400, failures: 2, successes: 1 },
      },
      recorders: recorders.map(({ id, uri, zone }) => ({
        id,
        uri,
        zone,
        capacity: options.capacity ?? 500,
        weight: 1,
        state: 'up',
        tenants: [],
        sites: [],
      })),
      probe: (uri) => {
        const recorder = recorders.find((candidate) => candidate.uri === uri);
        return recorder?.health === 'well' && recorder.answersOptions
          ? Promise.resolve({ status: 200 })
          : new Promise(() => undefined);
      },
      clock,
      random: () => 0.5,
      logger: pino({ level: 'silent' }),
    });
    await settle();
    return new RecordingWorld(options, recorders, clock, allocator);
  }

  recorder(id: string): RecorderStub {
    const recorder = this.recorders.get(id);
    if (recorder === undefined) throw new Error(`no recorder ${id}`);
    return recorder;
  }

  /** A call that is offered, answered, and recorded as far as recorders answer at once. */
  async place(id: string, request: Partial<CallRequest> = {}): Promise<void> {
    await this.calls.create({ id, offer: 'offer', ...request });
    await this.calls.answer(id, 'answer');
    await settle();
  }

  /** Both parties of all calls speak: a packet each every 20 ms. */
  async talk(durationMs: number): Promise<void> {
    for (let passedMs = 0; passedMs < durationMs; passedMs += packetMs) {
      await this.clock.advance(packetMs);
      this.bridge.tick();
      await settle();
    }
  }

  leg(callId: string, leg: 1 | 2): LegState {
    const found = this.calls.get(callId).recordings.find((state) => state.leg === leg);
    if (found === undefined) throw new Error(`no leg ${leg}`);
    return found;
  }

  recorderOf(callId: string, leg: 1 | 2): RecorderStub {
    return this.recorder(this.leg(callId, leg).recorder ?? 'none');
  }

  ledger(callId: string): Ledger {
    return this.calls.ledger(callId);
  }

  /** What the recorders of this leg really have of the party's stream: each number once, in order. */
  has(callId: string, leg: 1 | 2, party: Party): number[] {
    const numbers = this.leg(callId, leg).sessions.flatMap(({ recordId, recorder }) => [
      ...(this.recorder(recorder).received.get(`${recordId} ${party}`) ?? []),
    ]);
    return [...new Set(numbers)].sort((x, y) => x - y);
  }

  /** What of `first` to `last` no recorder of the leg has. */
  lacks(callId: string, leg: 1 | 2, party: Party, first: number, last: number): Range[] {
    const has = this.has(callId, leg, party).map((sequence) => ({
      first: sequence,
      last: sequence,
    }));
    return subtract([{ first, last }], union(has));
  }

  /** The number that the party's next packet will have. */
  next(callId: string, party: Party): number {
    return this.bridge.calls.get(callId)?.[party].next ?? 0;
  }

  /** Runs `action` to its end while time passes and media flows. */
  async during<T>(action: Promise<T>, mostMs = 60_000): Promise<T> {
    const progress = { isOver: false };
    const over = (): void => {
      progress.isOver = true;
    };
    action.then(over, over);
    await settle();
    for (let passedMs = 0; !progress.isOver; passedMs += packetMs) {
      if (passedMs > mostMs) throw new Error(`not over within ${mostMs} ms`);
      await this.talk(packetMs);
    }
    return action;
  }

  /** Ends all calls, and holds that nothing at all is left of them. */
  async finish(): Promise<void> {
    const { calls } = await this.calls.list({ limit: 10_000 });
    const ids = calls.map(({ id }) => id);
    await Promise.all(ids.map((id) => this.during(this.calls.delete(id))));
    await this.clock.advance(40_000);
    expect(this.left()).toEqual({
      calls: 0,
      ports: 0,
      forks: 0,
      inviting: 0,
      dialogs: 0,
      allocations: 0,
      routes: 0,
    });
    await this.calls.close();
    // Without the sweep there is none left.
    expect(this.recordingClock.waiting).toBe(0);
    this.allocator.close();
  }

  left(): Record<string, number> {
    const views = this.allocator.list();
    return {
      calls: this.calls.count,
      ports: this.bridge.calls.size,
      forks: this.bridge.forkSets.size,
      inviting: this.client.inviting.size,
      dialogs: this.client.established.size,
      allocations: views.reduce((sum, { sessions }) => sum + sessions, 0),
      routes: this.calls.routed,
    };
  }
}

function observerOf(observed: string[]): RecordingObserver {
  return {
    callCreated: () => undefined,
    callRejected: (code) => observed.push(`rejected ${code}`),
    callEnded: () => observed.push('call ended'),
    sessionEstablished: () => undefined,
    sessionRefused: (reason) => observed.push(`refused ${reason}`),
    sessionEnded: () => undefined,
    failoverStarted: (_callId, { leg, reason }) => observed.push(`leg ${leg} lost ${reason}`),
    failoverDone: (_callId, { leg, to }) => observed.push(`leg ${leg} moved to ${to}`),
    legEnded: (_callId, leg, { lostPackets, unreported }) =>
      observed.push(`leg ${leg} ended -${lostPackets}${unreported ? ', unreported' : ''}`),
    legUnrecorded: (_callId, leg, other) =>
      observed.push(`leg ${leg} unrecorded, other ${other ? 'is' : 'is not'}`),
    legRecorded: () => undefined,
    callWithoutMedia: (callId, silent) =>
      observed.push(`${callId} without media of ${silent.join(' and ') || 'nobody'}`),
  };
}
