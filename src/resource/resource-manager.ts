import { EventEmitter } from 'node:events';
import { systemClock, type Clock } from '../clock.ts';
import { TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { sipDestination } from '../networks.ts';
import type {
  Allocation,
  AllocationRequest,
  AllocatorEvents,
  FailureReason,
  RecorderAllocator,
  RecorderStanding,
  ReportingHabit,
  SessionNotTaken,
  SessionRefusal,
} from '../recording/interfaces.ts';
import { HealthRecord, type HealthSettings, type ProbeOutcome } from './health.ts';
import {
  allocationOf,
  reportsEveryMs,
  takesSessions,
  viewOf,
  withoutPid,
  type KnownRecorder,
} from './known-recorder.ts';
import { choose, chooseStandby, noRecorder, type Placement } from './placement.ts';
import { Prober, type Probe } from './prober.ts';
import {
  transition,
  type AssignedState,
  type RecorderDefinition,
  type RecorderEvent,
  type RecorderStateName,
  type RecorderView,
} from './recorder.ts';
import { ReportingRecord } from './reporting.ts';
import type { PolicyName } from './selector.ts';
import { Willingness } from './willingness.ts';

const byNumber = new Intl.Collator('en', { numeric: true });
/** Also what the configuration allows. */
const recordersMax = 1_000;

export interface ResourceSettings {
  readonly policy: PolicyName;
  readonly promotion: 'auto' | 'manual';
  readonly health: HealthSettings & { readonly intervalMs: number; readonly timeoutMs: number };
}

export interface ResourceManagerOptions {
  readonly settings: ResourceSettings;
  readonly recorders: readonly RecorderDefinition[];
  /** Of recorders that come with a process id, and are nobody else's. */
  readonly embeddedIds?: readonly string[];
  readonly probe: Probe;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** [0, 1) */
  readonly random?: () => number;
}

/** A recorder to be added or changed. */
export type RecorderChange = Omit<RecorderDefinition, 'state'> & {
  readonly state?: AssignedState | undefined;
};

/**
 * Knows the recorders, what they carry and how they are, and puts each recording session on one of them. Recording
 * sessions are named by record id, recorders by id.
 */
export class ResourceManager extends EventEmitter<AllocatorEvents> implements RecorderAllocator {
  readonly #settings: ResourceSettings;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #prober: Prober;
  readonly #embeddedIds: ReadonlySet<string>;
  readonly #recorders = new Map<string, KnownRecorder>();
  /** KnownRecorder of every session that is on now. */
  readonly #live = new Map<string, KnownRecorder>();
  #choices = 0;

  private constructor(options: Required<ResourceManagerOptions>) {
    super();
    this.#settings = options.settings;
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#embeddedIds = new Set(options.embeddedIds);
    this.#prober = new Prober({
      probe: options.probe,
      intervalMs: options.settings.health.intervalMs,
      timeoutMs: options.settings.health.timeoutMs,
      clock: options.clock,
      random: options.random,
      onOutcome: (id, outcome) => {
        this.#observe(id, outcome);
      },
    });
  }

  /** Resolves when every configured recorder was asked once: who does not answer is down. */
  static async create(options: ResourceManagerOptions): Promise<ResourceManager> {
    const { clock = systemClock, random = Math.random, embeddedIds = [] } = options;
    const manager = new ResourceManager({ ...options, embeddedIds, clock, random });
    const outcomes = await Promise.all(
      options.recorders.map((definition) => manager.#prober.ask(definition.uri)),
    );
    options.recorders.forEach((definition, index) => {
      const answered = outcomes[index] !== 'silent' && outcomes[index] !== 'unresolved';
      const recorder = manager.#add(definition, answered ? definition.state : 'down');
      if (answered) recorder.health.heard();
    });
    return manager;
  }

  /** For a session that is new. Throws NO_RECORDER, with what stands against each recorder. */
  allocate(request: AllocationRequest): Allocation {
    const { recordId } = request;
    const now = this.#clock.now();
    const placement = { policy: this.#settings.policy, now, random: this.#random };
    const able = choose(this.#recorders, request, placement);
    const recorder = able ?? this.#promote(request, placement);
    if (recorder === undefined) throw noRecorder(this.#recorders, request, now);
    this.#choices += 1;
    recorder.lastChosen = this.#choices;
    recorder.sessions.add(recordId);
    this.#live.set(recordId, recorder);
    // Not before it has what it was promoted for: whoever listens may allocate at once.
    if (able === undefined) {
      const { callId, leg } = request;
      this.emit('recorderPromoted', { recorder: recorder.definition.id, recordId, callId, leg });
      this.#announce(recorder);
    }
    return allocationOf(recordId, recorder);
  }

  adopt({ recordId, recorder: id }: Pick<Allocation, 'recordId' | 'recorder'>): RecorderStanding {
    const recorder = this.#recorders.get(id);
    if (recorder === undefined) return 'unknown';
    recorder.sessions.add(recordId);
    this.#live.set(recordId, recorder);
    if (recorder.state === 'down') {
      // Asked once, it did not answer: that is no reason to leave it. It takes nothing new, and is down when it is silent again.
      recorder.state = 'suspect';
      this.#prober.check(id);
    }
    return recorder.state === 'draining' || recorder.leaving ? 'draining' : 'well';
  }

  release(recordId: string): void {
    const recorder = this.#live.get(recordId);
    if (recorder === undefined) return;
    const wasFull = recorder.sessions.size >= recorder.definition.capacity;
    this.#live.delete(recordId);
    recorder.sessions.delete(recordId);
    if (wasFull) this.#announce(recorder);
  }

  reportFailure(recorderId: string, reason: FailureReason, callId?: string): void {
    const recorder = this.#recorders.get(recorderId);
    // What the operator does is no evidence; and there is nothing worse than down.
    if (recorder === undefined || reason === 'operator' || recorder.state === 'down') return;
    const now = this.#clock.now();
    if (reason === 'media_refused') {
      // As with a refusal of the session, it may be this call's media that it would not have.
      recorder.willingness.tookNoMedia(now);
      return;
    }
    if (reason === 'srs_bye' && !recorder.willingness.ended(now, callId)) return;
    if (!recorder.health.accuse(reason, now, callId)) {
      if (recorder.health.hasAccused(callId, now)) this.doubt(recorderId, reason);
      return;
    }
    this.#logger.warn({ recorder: recorderId, reason }, 'recorder is suspected');
    this.#move(recorder, 'accused');
    this.#prober.check(recorderId);
  }

  doubt(recorderId: string, reason: FailureReason): void {
    const recorder = this.#recorders.get(recorderId);
    if (recorder === undefined || recorder.state === 'down') return;
    if (recorder.health.doubt(reason)) this.#prober.check(recorderId);
  }

  reportNotTaken(recorderId: string, why: SessionNotTaken, callId?: string): void {
    const recorder = this.#recorders.get(recorderId);
    if (recorder === undefined) return;
    const { reason, refusal } = why;
    if (refusal !== undefined) {
      this.#refused(recorder, refusal, callId);
    } else if (reason === 'sip_error' || reason === 'srs_bye') {
      // It lives. That its answer cannot be used, or that it thought better of it, is about this call's session.
      recorder.health.heard();
      recorder.willingness.tookNoMedia(this.#clock.now());
    } else {
      this.reportFailure(recorderId, reason, callId);
    }
  }

  reportSuccess(recorderId: string): void {
    const recorder = this.#recorders.get(recorderId);
    recorder?.health.heard();
    recorder?.willingness.accepted(this.#clock.now());
  }

  noteReports(recorderId: string, habit: ReportingHabit): void {
    const recorder = this.#recorders.get(recorderId);
    if (recorder === undefined) return;
    const before = reportsEveryMs(recorder);
    recorder.reporting.note(habit);
    recorder.willingness.tookMedia(habit.sentMs);
    this.#tellReports(recorder, before);
  }

  zoneOf(recorderId: string): string | undefined {
    return this.#recorders.get(recorderId)?.definition.zone;
  }

  /** By id. */
  list(): readonly RecorderView[] {
    return Array.from(this.#recorders.values(), (recorder) => this.#viewOf(recorder)).sort((x, y) =>
      byNumber.compare(x.id, y.id),
    );
  }

  /**
   * Adds a recorder or replaces what is configured of one; its sessions stay, and so does what an operator assigned when
   * `state` is absent. A new address or process starts with a clean slate. Throws INVALID_REQUEST when there are too many, RECORDER_STATE
   * when the id is that of an embedded recorder, which is elsewhere, or the URI leads where another one is.
   */
  put(change: RecorderChange): RecorderView {
    const at = this.#recorders.get(change.id)?.definition.uri;
    const moves = at === undefined || sipDestination(at) !== sipDestination(change.uri);
    if (this.#embeddedIds.has(change.id) && change.pid === undefined && moves) {
      // Its process would take the place back when it starts again.
      throw new TandemError('RECORDER_STATE', `${change.id} is an embedded recorder`, {
        details: { recorder: change.id, field: 'id', value: change.id },
      });
    }
    const other = change.pid === undefined ? this.#otherAt(change) : undefined;
    if (other !== undefined) {
      throw new TandemError('RECORDER_STATE', `${change.uri} leads where ${other} is`, {
        details: { recorder: other, field: 'uri', value: change.uri },
      });
    }
    const known = this.#recorders.get(change.id);
    const state = change.state ?? known?.definition.state ?? 'up';
    const definition: RecorderDefinition = { ...change, state };
    if (known === undefined) {
      if (this.#recorders.size >= recordersMax) {
        throw new TandemError('INVALID_REQUEST', `there are ${recordersMax} recorders already`, {
          details: { field: 'id', value: definition.id, recordersMax },
        });
      }
      return this.#viewOf(this.#add(definition, definition.state));
    }
    const before = known.definition;
    const reportedEveryMs = reportsEveryMs(known);
    const pid = definition.pid ?? before.pid;
    known.definition = pid === undefined ? definition : { ...definition, pid };
    const isAnother = before.uri !== definition.uri || before.pid !== pid;
    if (isAnother) Object.assign(known, this.#cleanSlate());
    if (change.reports !== before.reports) {
      known.reporting = new ReportingRecord();
      if (!isAnother) this.#tellReports(known, reportedEveryMs);
    }
    this.#move(known, isAnother ? 'answered' : 'assigned');
    this.#prober.watch(definition.id, definition.uri);
    return this.#viewOf(known);
  }

  /** Throws RECORDER_NOT_FOUND. */
  patch(recorderId: string, change: { readonly state: AssignedState }): RecorderView {
    const recorder = this.#recorders.get(recorderId);
    if (recorder === undefined) {
      throw new TandemError('RECORDER_NOT_FOUND', `no recorder ${recorderId}`, {
        details: { recorder: recorderId },
      });
    }
    const from = recorder.definition.state;
    recorder.definition = { ...recorder.definition, state: change.state };
    this.#logger.info({ recorder: recorderId, from, to: change.state }, 'recorder was assigned');
    // Whoever puts it to work knows better than what it said before.
    if (change.state === 'up') recorder.willingness = new Willingness();
    this.#move(recorder, 'assigned');
    return this.#viewOf(recorder);
  }

  /** Its process is known to be gone. */
  markDown(recorderId: string, reason: FailureReason): void {
    const recorder = this.#recorders.get(recorderId);
    if (recorder === undefined) return;
    recorder.health.accuse(reason, this.#clock.now());
    recorder.definition = withoutPid(recorder.definition);
    this.#move(recorder, 'died');
    // An answer to a probe that is under way would be the dead process's.
    this.#prober.check(recorderId);
  }

  /** Idempotent. */
  close(): void {
    this.#prober.close();
    for (const recorder of this.#recorders.values()) this.#stopWaiting(recorder);
    this.removeAllListeners();
  }

  #add(definition: RecorderDefinition, state: RecorderStateName): KnownRecorder {
    const recorder: KnownRecorder = {
      definition,
      state,
      ...this.#cleanSlate(),
      sessions: new Set(),
      lastChosen: 0,
      leaving: false,
      busyTimer: undefined,
    };
    this.#recorders.set(definition.id, recorder);
    this.#logger.info({ recorder: definition.id, uri: definition.uri, state }, 'recorder is known');
    this.#prober.watch(definition.id, definition.uri);
    this.#announce(recorder);
    return recorder;
  }

  /** Two legs of a call must not be on one recorder that has two names. */
  #otherAt({ id, uri }: RecorderChange): string | undefined {
    const destination = sipDestination(uri);
    const all = [...this.#recorders.values()].map(({ definition }) => definition);
    return all.find((one) => one.id !== id && sipDestination(one.uri) === destination)?.id;
  }

  #cleanSlate(): Pick<KnownRecorder, 'health' | 'willingness' | 'reporting'> {
    return {
      health: new HealthRecord(this.#settings.health),
      willingness: new Willingness(),
      reporting: new ReportingRecord(),
    };
  }

  #refused(recorder: KnownRecorder, refusal: SessionRefusal, callId: string | undefined): void {
    const meaning = recorder.willingness.refused(refusal, this.#clock.now(), callId);
    if (meaning.about === 'recorder') {
      this.reportFailure(recorder.definition.id, meaning.reason, callId);
      return;
    }
    recorder.health.heard();
    if (meaning.about === 'load') this.#waitFor(recorder, refusal.status);
  }

  /** A busy recorder is announced when its time is over. */
  #waitFor(recorder: KnownRecorder, status: number): void {
    const now = this.#clock.now();
    const waitMs = (recorder.willingness.busyUntil(now) ?? now) - now;
    const { id } = recorder.definition;
    this.#logger.info({ recorder: id, status, waitMs }, 'recorder takes no sessions for a time');
    this.#stopWaiting(recorder);
    recorder.busyTimer = this.#clock.setTimeout(() => {
      recorder.busyTimer = undefined;
      this.#announce(recorder);
    }, waitMs);
  }

  #stopWaiting(recorder: KnownRecorder): void {
    if (recorder.busyTimer !== undefined) this.#clock.clearTimeout(recorder.busyTimer);
    recorder.busyTimer = undefined;
  }

  /** Whether it reports, when that is found out: sessions that run learn the distance by themselves. */
  #tellReports(recorder: KnownRecorder, beforeMs: number | undefined): void {
    const everyMs = reportsEveryMs(recorder);
    if (everyMs === undefined || (beforeMs !== undefined && everyMs > 0 === beforeMs > 0)) return;
    this.emit('recorderReports', { recorder: recorder.definition.id, everyMs });
  }

  #observe(recorderId: string, outcome: ProbeOutcome): void {
    const recorder = this.#recorders.get(recorderId);
    if (recorder === undefined) return;
    const event = recorder.health.observe(outcome, recorder.state, this.#clock.now());
    if (event !== undefined) this.#move(recorder, event);
    const leaving = outcome === 'leaving';
    if (leaving && !recorder.leaving) {
      this.#logger.info({ recorder: recorderId }, 'recorder is about to go: it is emptied');
      this.emit('recorderDraining', { recorder: recorderId });
    }
    recorder.leaving = leaving;
  }

  #move(recorder: KnownRecorder, event: RecorderEvent): void {
    const { id, state: assigned } = recorder.definition;
    const from = recorder.state;
    const to = transition(from, event, assigned);
    if (from === to) return;
    recorder.state = to;
    const { reason } = recorder.health;
    const because = to === 'down' || to === 'suspect' ? { reason } : {};
    const level = to === 'down' ? 'error' : 'info';
    this.#logger[level](
      { recorder: id, from, to, sessions: recorder.sessions.size, ...because },
      'recorder changed state',
    );
    if (to === 'down') this.emit('recorderDown', { recorder: id, reason, at: this.#clock.now() });
    if (from === 'down') this.emit('recorderUp', { recorder: id, at: this.#clock.now() });
    if (to === 'draining') this.emit('recorderDraining', { recorder: id });
    this.#announce(recorder);
  }

  #announce(recorder: KnownRecorder): void {
    if (!takesSessions(recorder, this.#clock.now())) return;
    this.emit('recorderAvailable', { recorder: recorder.definition.id });
  }

  /** Nobody else is able: the best of those that stand by, if that is left to us. */
  #promote(request: AllocationRequest, placement: Placement): KnownRecorder | undefined {
    if (this.#settings.promotion !== 'auto') return undefined;
    const recorder = chooseStandby(this.#recorders, request, placement);
    if (recorder === undefined) return undefined;
    recorder.definition = { ...recorder.definition, state: 'up' };
    this.#logger.warn(
      { recorder: recorder.definition.id, recordId: request.recordId },
      'standby recorder was promoted: no other could take a session',
    );
    recorder.state = transition(recorder.state, 'assigned', 'up');
    return recorder;
  }

  #viewOf(recorder: KnownRecorder): RecorderView {
    return viewOf(recorder, this.#clock);
  }
}
