import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../../clock.ts';
import { messageOf, TandemError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { failoverState } from '../account/shown.ts';
import type { Forks, Streams, WindowRecord } from '../account/records.ts';
import { currentSession } from '../account/sessions.ts';
import type { Leg as LegNumber } from '../call-state.ts';
import type {
  Allocation,
  AllocationRequest,
  Bridge,
  CallStock,
  CommunicationSession,
  ForksStart,
  Place,
  RecorderAllocator,
  SessionClient,
} from '../interfaces.ts';
import { isSameState } from '../is-same-state.ts';
import type { Journal } from '../journal.ts';
import type { LegDirectory } from '../leg-directory.ts';
import type { RecordingObserver } from '../observer.ts';
import type { Pacer } from '../pacer.ts';
import type { SessionStarts } from '../session-starts.ts';
import { within } from '../within.ts';
import { failureReason, isOfRecorder, refusalOf } from './evidence.ts';
import { newLeg } from './leg-data.ts';
import type { LegData } from './leg-data.ts';
import type { ForkOrder, LegEffect, LegEvent, TimerName } from './leg-events.ts';
import type { RecordingSettings } from './leg-settings.ts';
import { retiredBy, step } from './leg-step.ts';
import { isMoving } from './leg-view.ts';

/** What all legs need of the world, and share. */
export interface LegServices {
  readonly bridge: Bridge;
  readonly allocator: RecorderAllocator;
  readonly client: SessionClient;
  readonly clock: Clock;
  readonly observer: RecordingObserver;
  readonly settings: RecordingSettings;
  readonly journal: Journal;
  readonly directory: LegDirectory;
  readonly pacer: Pacer;
  readonly starts: SessionStarts;
}

export interface LegOptions {
  readonly leg: LegNumber;
  readonly callId: string;
  readonly tenant?: string | undefined;
  readonly site?: string | undefined;
  readonly window: () => WindowRecord;
  /** The call's streams as they are now, or last were. */
  readonly streams: () => Streams;
  readonly communicationSession: () => CommunicationSession;
  /** Where the call's other leg is: never the same recorder, and another zone if there is one. */
  readonly others: () => readonly Place[];
  /** Its state is this now: said before anything is done about it. */
  readonly keep: (data: LegData) => void;
  /** Its state is another now, and what was to be done about it is done. */
  readonly changed: () => void;
  readonly logger: Logger;
}

type Effect<K extends LegEffect['do']> = Extract<LegEffect, { do: K }>;
type Adopted = Extract<LegEvent, { type: 'adopted' }>;

/** Carries out what `step` decides, and brings it the answers. It decides nothing itself. */
export class LegRunner {
  readonly #services: LegServices;
  readonly #options: LegOptions;
  readonly #logger: Logger;
  readonly #timers = new Map<TimerName, Timer>();
  readonly #invites = new Map<string, AbortController>();
  readonly #events: LegEvent[] = [];
  #data: LegData;
  #isRunning = false;
  /** What the last stock was answered with. */
  readonly #planned: Omit<ForksStart, 'callId'>[] = [];
  /** To be called when this leg, which is on its way to another recorder, is not any more. */
  #moved: (() => void) | undefined;

  /** @param stored as another process left it; absent: it is new */
  constructor(services: LegServices, options: LegOptions, stored?: LegData) {
    this.#services = services;
    this.#options = options;
    this.#logger = options.logger.child({ leg: options.leg });
    this.#data = stored ?? newLeg(options.leg, services.settings.retry.initialMs);
  }

  get data(): LegData {
    return this.#data;
  }

  /** Of the sessions that it is in, is about to be in, or says goodbye in. */
  get heldRecordIds(): readonly string[] {
    return [...heldBy(this.#data).map(({ recordId }) => recordId), ...this.#data.finishing];
  }

  get reportsEveryMs(): number | undefined {
    return this.#data.reportsEveryMs;
  }

  /**
   * Goes on with what another process left. First of all of these, so that each knows where the other is.
   * @param sessions as in the event
   */
  adopt(sessions: Adopted['sessions']): void {
    if (this.#data.phase === 'ended') return;
    const { allocator, bridge, directory } = this.#services;
    const places = heldBy(this.#data);
    for (const { recordId } of places) directory.add(recordId, this);
    const forks = this.heldRecordIds.flatMap((recordId) => {
      const reports = bridge.forkReports(recordId);
      return Object.keys(reports).length === 0 ? [] : [[recordId, reports] as const];
    });
    const left = places.filter((place) => allocator.adopt(place) === 'draining');
    this.post({ type: 'adopted', forks: Object.fromEntries(forks), sessions });
    for (const { recorder } of left) this.post({ type: 'recorder-draining', recorder });
  }

  /** Of the session that runs. */
  liveForks(): Forks {
    const { live } = this.#data;
    return live === undefined ? {} : this.#services.bridge.forkReports(live.recordId);
  }

  /** Events are taken one after the other: one that comes of an effect waits until the effects before it are carried out. */
  post(event: LegEvent): void {
    this.#events.push(event);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        this.#take(next);
      }
    } finally {
      this.#isRunning = false;
    }
    this.#options.changed();
  }

  #take(event: LegEvent): void {
    const { clock, settings } = this.#services;
    const context = { settings, window: this.#options.window(), hasStreams: this.#hasStreams };
    const { state, effects } = step(this.#data, event, clock.now(), context);
    const before = this.#data;
    this.#data = state;
    if (!isSameState(before, state)) this.#options.keep(state);
    this.#followMove();
    for (const effect of effects) {
      try {
        this.#carryOut(effect);
      } catch (error) {
        this.#logger.error({ effect: effect.do, error: messageOf(error) }, 'could not be done');
      }
    }
  }

  readonly #hasStreams = (): boolean => {
    try {
      return this.#services.bridge.recordedStreams(this.#options.callId).length > 0;
    } catch {
      // That there is no such call any more shows where something is to be done with it.
      return true;
    }
  };

  #followMove(): void {
    const moves = isMoving(this.#data);
    if (moves) this.#moved ??= this.#services.pacer.move();
    else this.#moved?.();
    if (!moves) this.#moved = undefined;
  }

  #carryOut(effect: LegEffect): void {
    const { allocator, bridge, client, directory, observer, pacer } = this.#services;
    const { callId, leg } = this.#options;
    switch (effect.do) {
      case 'allocate':
        this.#allocate(effect);
        return;
      case 'release':
        directory.remove(effect.recordId);
        allocator.release(effect.recordId);
        return;
      case 'queue':
        pacer.run(() => {
          this.post({ type: 'turn' });
        });
        return;
      case 'invite':
        void this.#invite(effect.allocation);
        return;
      case 'cancel-invite':
        this.#invites.get(effect.recordId)?.abort();
        return;
      case 'start-media':
        this.#startMedia(effect.recordId);
        return;
      case 'start-forks':
        this.#planned.push(effect.start);
        return;
      case 'retarget-forks':
        this.#order(effect, () =>
          bridge.retargetForks(effect.recordId, effect.to, effect.from, effect.keptOut),
        );
        return;
      case 'pause-forks':
        this.#order(effect, () => bridge.pauseForks(effect.recordId, effect.from));
        return;
      case 'resume-forks':
        this.#order(effect, () => bridge.resumeForks(effect.recordId));
        return;
      case 'drop-forks':
        void this.#drop(effect.recordId);
        return;
      case 'look':
        this.#look(effect.recordId);
        return;
      case 'retire':
        void this.#retire(effect);
        return;
      case 'finish':
        void this.#finish(effect);
        return;
      case 'tell':
        void this.#tell(effect);
        return;
      case 'bye':
        this.#sayBye(effect);
        return;
      case 'abandon':
        this.#settle(client.end(effect.recordId, 'not used'), 'session not ended');
        return;
      case 'set-timer':
        this.#setTimer(effect);
        return;
      case 'clear-timer':
        this.#clearTimer(effect.name);
        return;
      case 'note-not-taken':
        observer.sessionRefused(effect.why.reason);
        allocator.reportNotTaken(effect.recorder, effect.why, callId);
        return;
      case 'ask':
        allocator.doubt(effect.recorder, effect.reason);
        return;
      case 'blame':
        allocator.reportFailure(effect.recorder, effect.reason, callId);
        return;
      case 'praise':
        pacer.afterMoves(() => {
          this.#praise(effect);
        });
        return;
      case 'note-habit':
        allocator.noteReports(effect.recorder, effect.habit);
        return;
      case 'note-failover': {
        const { failover } = effect;
        const state = failoverState(failover, this.#wallOf);
        if (failover.done === undefined) observer.failoverStarted(callId, state);
        else {
          pacer.afterMoves(() => {
            observer.failoverDone(callId, state);
          });
        }
        return;
      }
      case 'note-unrecorded':
        observer.legUnrecorded(callId, leg, this.#options.others().length > 0);
        return;
      case 'note-recorded':
        observer.legRecorded(callId, leg);
        return;
      case 'log':
        pacer.afterMoves(() => {
          this.#logger[effect.level](effect.facts, effect.message);
        });
        return;
      default:
        effect satisfies never;
    }
  }

  readonly #wallOf = (at: number): number => this.#services.clock.wallOf(at);

  #allocate({ exclude, passOver, lastResort }: Effect<'allocate'>): void {
    const { allocator } = this.#services;
    const { callId, leg, tenant, site, others } = this.#options;
    const places = others();
    const fixed = [...exclude, ...places.map(({ recorder }) => recorder)];
    const request: AllocationRequest = {
      recordId: randomUUID(),
      callId,
      leg,
      ...(tenant === undefined ? {} : { tenant }),
      ...(site === undefined ? {} : { site }),
      excludeRecorders: fixed,
      avoidZones: places.map(({ zone }) => zone),
    };
    // As a last resort who failed longest ago comes first.
    const all = Array.from({ length: lastResort ? passOver.length + 1 : 1 }, (_, admitted) => ({
      ...request,
      excludeRecorders: [...fixed, ...passOver.slice(admitted)],
    }));
    for (const one of all) {
      try {
        this.post({ type: 'allocated', allocation: allocator.allocate(one) });
        return;
      } catch (error) {
        const none = error instanceof TandemError && error.code === 'NO_RECORDER';
        if (!none) this.#logger.error({ error: messageOf(error) }, 'no recorder could be chosen');
      }
    }
    this.post({ type: 'unallocated' });
  }

  async #invite(allocation: Allocation): Promise<void> {
    const { bridge, client, directory, settings } = this.#services;
    const { callId, communicationSession } = this.#options;
    const { recordId, uri } = allocation;
    const abort = new AbortController();
    this.#invites.set(recordId, abort);
    directory.add(recordId, this);
    try {
      const streams = bridge.recordedStreams(callId);
      const { media } = await client.establish(
        {
          recordId,
          uri,
          communicationSession: communicationSession(),
          streams,
          local: bridge.legAddresses(callId, familyOf(uri)),
          timeoutMs: settings.inviteTimeoutMs,
        },
        abort.signal,
      );
      const offered = streams.map(({ party }) => party);
      this.post({ type: 'answered', recordId, media, offered });
    } catch (error) {
      this.#notTaken(recordId, error);
    } finally {
      this.#invites.delete(recordId);
    }
  }

  #notTaken(recordId: string, error: unknown): void {
    const refusal = refusalOf(error);
    const why = {
      reason: failureReason(error),
      ...(refusal && { refusal }),
      ours: !isOfRecorder(error),
      message: messageOf(error),
    };
    this.post({ type: 'not-taken', recordId, why });
  }

  #startMedia(recordId: string): void {
    const { callId } = this.#options;
    const begin = this.#services.starts.add({
      callId,
      retired: () => {
        this.post({ type: 'stocking', recordId });
        const session = retiredBy(this.#data);
        return session && { recordId: session.recordId, at: session.failure?.deadAt ?? 0 };
      },
      plan: (stock) => {
        if (stock === undefined) throw new TandemError('CALL_NOT_FOUND', 'the call was closed');
        this.#planned.length = 0;
        const isKept = currentSession(this.#data.sessions)?.failure === undefined;
        this.post({ type: 'stocked', recordId, stock, live: isKept ? this.liveForks() : {} });
        const start = this.#planned.pop();
        return start && { callId, ...start };
      },
      begun: () => {
        this.post({ type: 'begun', recordId });
      },
    });
    begin.catch((error: unknown) => {
      this.#notTaken(recordId, error);
    });
  }

  #praise({ recorder, recordId, setupMs }: Effect<'praise'>): void {
    const { allocator, observer } = this.#services;
    allocator.reportSuccess(recorder);
    observer.sessionEstablished(setupMs);
    this.#logger.info({ recordId, recorder }, 'recording session established');
  }

  #look(recordId: string): void {
    try {
      const forks = this.#services.bridge.forkReports(recordId);
      this.post({ type: 'looked', recordId, forks, streams: this.#options.streams() });
    } catch (error) {
      this.#logger.error({ recordId, error: messageOf(error) }, 'its copies could not be seen');
      this.post({ type: 'not-looked', recordId });
    }
  }

  async #retire({ recordId, at }: Effect<'retire'>): Promise<void> {
    const { callId, streams } = this.#options;
    let stock: CallStock | undefined;
    try {
      [stock] = await this.#services.bridge.takeStock([{ callId, retired: recordId, at }]);
    } catch (error) {
      this.#logger.error({ recordId, error: messageOf(error) }, 'its last account is not known');
    }
    this.post({ type: 'retired', recordId, stock: stock ?? lastStock(streams()) });
  }

  #order({ do: what, recordId, order }: ForkOrder, give: () => Promise<void>): void {
    Promise.try(give).then(
      () => {
        this.post({ type: 'obeyed', recordId, order });
      },
      (error: unknown) => {
        this.#logger.error({ recordId, what, error: messageOf(error) }, 'the edge did not do it');
        this.post({ type: 'not-obeyed', recordId, order, what });
      },
    );
  }

  async #drop(recordId: string): Promise<void> {
    try {
      await this.#services.bridge.stopForks(recordId);
    } catch (error) {
      this.#logger.error({ recordId, error: messageOf(error) }, 'its copies could not be stopped');
    }
    const why = { reason: 'sip_error', message: 'not wanted any more' } as const;
    this.post({ type: 'not-taken', recordId, why });
  }

  async #finish({ recordId, reason }: Effect<'finish'>): Promise<void> {
    const { bridge, clock, journal, settings } = this.#services;
    let forks: Forks | undefined;
    try {
      const isSilent = this.#data.reportsEveryMs === 0;
      const last = await bridge.endForks(recordId);
      const streams = this.#options.streams();
      const reports = !isSilent || Object.values(last).some((fork) => fork.receiverReports > 0);
      this.post({ type: 'finishing', recordId, reason, forks: last, streams });
      if (settings.finalReportMs > 0 && reports) {
        const reported = bridge.finalReports(recordId);
        await within(clock, settings.finalReportMs, reported).catch(() => undefined);
      }
      // Nobody else can say it once they are gone.
      this.post({ type: 'reported', recordId, forks: bridge.forkReports(recordId) });
      await journal.flush().catch(() => undefined);
      forks = await bridge.stopForks(recordId);
    } catch (error) {
      this.#logger.error({ recordId, error: messageOf(error) }, 'its last account is not known');
      const streams = this.#options.streams();
      this.post({ type: 'finishing', recordId, reason, forks: {}, streams });
    }
    this.post({ type: 'finished', recordId, forks });
  }

  /** What is told to a recorder never waits for long. */
  async #tell({ recordId, paused }: Effect<'tell'>): Promise<void> {
    const { bridge, client, clock, settings } = this.#services;
    const askedAt = clock.now();
    try {
      const streams = bridge.recordedStreams(this.#options.callId);
      const told = client.update(recordId, { streams, paused });
      const { media } = await within(clock, settings.inviteTimeoutMs, told);
      const offered = streams.map(({ party }) => party);
      this.post({ type: 'told', recordId, media, offered });
    } catch (error) {
      const isRefused = error instanceof TandemError && error.code === 'SESSION_REFUSED';
      const kind = isRefused ? 'refused' : isOfRecorder(error) ? 'silent' : 'ours';
      const refusal = refusalOf(error);
      const why = { kind, reason: failureReason(error), ...(refusal && { refusal }) } as const;
      this.post({ type: 'not-told', recordId, ...why, askedAt });
    }
  }

  #sayBye({ recordId, reason }: Effect<'bye'>): void {
    const { client, clock, observer, pacer, settings } = this.#services;
    pacer.afterMoves(() => {
      observer.sessionEnded(reason);
      const ended = within(clock, settings.inviteTimeoutMs, client.end(recordId, reason));
      this.#settle(ended, 'BYE unanswered', () => {
        this.post({ type: 'gone', recordId });
      });
    });
  }

  #settle(ended: Promise<void>, message: string, then = (): void => undefined): void {
    ended
      .catch((error: unknown) => {
        this.#logger.debug({ error: messageOf(error) }, message);
      })
      .finally(then);
  }

  #setTimer({ name, delayMs }: Effect<'set-timer'>): void {
    this.#clearTimer(name);
    const timer = this.#services.clock.setTimeout(() => {
      this.#timers.delete(name);
      this.post({ type: 'timer', name });
    }, delayMs);
    this.#timers.set(name, timer);
  }

  #clearTimer(name: TimerName): void {
    const timer = this.#timers.get(name);
    if (timer !== undefined) this.#services.clock.clearTimeout(timer);
    this.#timers.delete(name);
  }
}

/** Its places on recorders. */
function heldBy({ search, sessions }: LegData): Allocation[] {
  const asked = 'allocation' in search ? [search.allocation] : [];
  const open = sessions.filter(({ endedAt }) => endedAt === undefined);
  return [
    ...open.map(({ recordId, recorder, zone }) => ({ recordId, recorder, zone, uri: '' })),
    ...asked,
  ];
}

/** The call is gone: what was seen of its streams last. */
function lastStock(streams: Streams): CallStock {
  return { streams, forks: undefined };
}

/** Host names are taken for IPv4; recorders over IPv6 are named by address. */
function familyOf(uri: string): 4 | 6 {
  return /@?\[[0-9a-fA-F:.]+\]/.test(uri) ? 6 : 4;
}
