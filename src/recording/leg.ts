import type { Clock } from '../clock.ts';
import type { ForkStart, StreamReport } from '../edge/types.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type {
  FailoverState,
  Leg as LegNumber,
  LegState,
  LegStreamState,
  RecordingSessionStateName,
} from './call-state.ts';
import type { LegDelivery } from './delivery.ts';
import { failureReason, isCertain, isOfRecorder, weigh } from './evidence.ts';
import type { Verdict } from './evidence.ts';
import { Failover } from './failover.ts';
import { parties } from './interfaces.ts';
import type {
  Allocation,
  Bridge,
  CommunicationSession,
  FailureReason,
  Party,
  RecorderAllocator,
  RecorderMedia,
  SessionClient,
} from './interfaces.ts';
import { LegAccount } from './leg-account.ts';
import type { ByParty, Streams } from './leg-account.ts';
import type { LegDirectory } from './leg-directory.ts';
import { isRecording, newLegLife, transition } from './leg-state.ts';
import type { LegEvent, LegLife } from './leg-state.ts';
import type { RecordingObserver } from './observer.ts';
import { RecorderSearch } from './recorder-search.ts';
import type { Place } from './recorder-search.ts';
import type { Pacer } from './pacer.ts';
import { RecordingSession } from './recording-session.ts';
import { SessionEndings } from './session-endings.ts';
import type { SessionStart, SessionStarts } from './session-starts.ts';
import type { RecordingWindow } from './recording-window.ts';
import { Suspicion } from './suspicion.ts';
import type { DoubtTimes } from './suspicion.ts';
import { within } from './within.ts';

export interface RecordingSettings {
  readonly replay: boolean;
  readonly replayOverlapMs: number;
  readonly drainMs: number;
  readonly finalReportMs: number;
  readonly suspicionMs: number;
  readonly inviteTimeoutMs: number;
  readonly retry: { readonly initialMs: number; readonly maxMs: number };
}

/** What all recording needs of the world. */
export interface RecordingServices {
  readonly bridge: Bridge;
  readonly allocator: RecorderAllocator;
  readonly client: SessionClient;
  readonly clock: Clock;
  readonly observer: RecordingObserver;
  readonly settings: RecordingSettings;
}

/** What every leg shares. */
export interface LegServices extends RecordingServices {
  readonly directory: LegDirectory;
  readonly pacer: Pacer;
  readonly starts: SessionStarts;
}

export interface LegOptions {
  readonly leg: LegNumber;
  readonly callId: string;
  readonly tenant?: string;
  readonly site?: string;
  readonly window: RecordingWindow;
  /** The call's streams as they are now, or last were. */
  readonly streams: () => Readonly<Record<Party, StreamReport>>;
  readonly communicationSession: () => CommunicationSession;
  /** Where the call's other leg is: never the same recorder, and another zone if there is one. */
  readonly others: () => readonly Place[];
  readonly logger: Logger;
}

/** Of one leg; the oldest are forgotten. */
const failoversMax = 100;
const drainPollMs = 20;

/**
 * One of a call's recordings: the recorder it is on, the sessions it had, and the way to the next recorder when one fails.
 * Nothing that happens to it concerns the other leg.
 */
export class Leg {
  readonly leg: LegNumber;
  readonly #services: LegServices;
  readonly #options: LegOptions;
  readonly #logger: Logger;
  readonly #account: LegAccount;
  readonly #search: RecorderSearch;
  readonly #suspicion: Suspicion;
  readonly #endings: SessionEndings;
  readonly #failovers: Failover[] = [];
  #life: LegLife = newLegLife;
  /** A recorder that is to be emptied while this leg is on it, or about to be. */
  #leaving: string | undefined;
  /** The way to another recorder, when its turn comes. */
  #nextSearch: (() => void) | undefined;
  /** To be called when this leg, which is on its way to another recorder, is not any more. */
  #moved: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  #unrecordedTold = false;

  constructor(services: LegServices, options: LegOptions) {
    this.leg = options.leg;
    this.#services = services;
    this.#options = options;
    this.#logger = options.logger.child({ leg: options.leg });
    this.#endings = new SessionEndings(services, this.#logger);
    this.#account = new LegAccount(services.bridge, options.streams, options.window);
    this.#search = new RecorderSearch(
      services,
      { ...options, logger: this.#logger },
      {
        selected: (allocation) => {
          this.#apply('selected');
          services.directory.add(allocation.recordId, this);
        },
        refused: () => {
          this.#apply('refused');
        },
        answered: (allocation, media) => this.#startOf(allocation, media),
        exhausted: () => {
          this.#withoutRecorder();
        },
      },
    );
    this.#suspicion = new Suspicion(
      services.clock,
      (since) => this.#weigh(since),
      (verdict, reason, times) => {
        this.#settle(verdict, reason, times);
      },
    );
  }

  get failovers(): readonly FailoverState[] {
    return this.#failovers.map((failover) => failover.state);
  }

  /** Where it is and where it is about to be. */
  get places(): readonly Place[] {
    return [this.#search.allocation, this.#account.current].filter((place) => place !== undefined);
  }

  /** Holds a recorder for the call before it is answered. @throws TandemError NO_RECORDER */
  reserve(): void {
    this.#search.reserve();
  }

  /** Lets go of what `reserve` holds. */
  cancel(): void {
    this.#search.cancel();
  }

  begin(): void {
    this.#search.start([]);
  }

  /**
   * The edge stops at once. Resolves when what came before is sent (else it would be lost, as nothing goes back behind a
   * pause) and the recorder has been told, or does not answer.
   */
  async pause(): Promise<void> {
    this.#apply('pause');
    const session = this.#account.current;
    if (session === undefined) return;
    const { bridge } = this.#services;
    bridge.pauseForks(session.recordId, this.#options.window.pausedFrom());
    await this.#drained();
    if (this.#account.isBehind) bridge.pauseForks(session.recordId);
    await this.#update(session, true);
  }

  async resume(): Promise<void> {
    this.#apply('resume');
    const session = this.#account.current;
    if (session === undefined) return;
    await this.#update(session, false);
    if (!this.#life.paused && !session.ended) this.#services.bridge.resumeForks(session.recordId);
  }

  /** The call's streams have changed (codec, hold): the recorder gets the new description. */
  async refresh(): Promise<void> {
    const session = this.#account.current;
    if (session !== undefined) await this.#update(session, this.#life.paused);
  }

  /** What is in the ring still goes out first. Idempotent. */
  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  sessionEnded(recordId: string, reason: FailureReason, detail?: string): void {
    if (this.#search.sessionEnded(recordId, reason)) return;
    const session = this.#account.current;
    if (session?.recordId !== recordId || session.failure !== undefined) return;
    this.#logger.warn({ recordId, reason, detail }, 'recorder ended the recording session');
    const now = this.#services.clock.now();
    this.#doubt(reason, { since: now, deadAt: now, safeAt: now });
  }

  forkRefused(recordId: string, at: number): void {
    if (this.#account.current?.recordId !== recordId) return;
    // A connection that ended just before was the same death.
    this.#fail('icmp', Math.min(at, this.#suspicion.deadAt ?? at));
  }

  /** Receiver reports are late: the recorder is to be asked at once. */
  reportsLate(recordId: string): void {
    const session = this.#account.current;
    if (session?.recordId !== recordId) return;
    this.#services.allocator.reportFailure(session.recorder, 'rtcp_silence');
  }

  /** @param since until when the recorder is known to have received, Unix ms */
  mediaLost(recordId: string, reason: 'rtcp_silence' | 'rtcp_loss', since: number): void {
    if (this.#account.current?.recordId === recordId) this.#fail(reason, since);
  }

  mediaChanged(recordId: string, media: RecorderMedia): void {
    if (this.#search.mediaChanged(recordId, media)) return;
    const session = this.#account.current;
    if (session?.recordId !== recordId) return;
    const { bridge } = this.#services;
    const forks = bridge.forkReports(recordId);
    const from: ByParty<ForkStart> = {};
    for (const party of parties) {
      if (forks[party] === undefined) from[party] = this.#account.lateStart(party, session);
    }
    bridge.retargetForks(recordId, media, from, this.#options.window.keptOut());
  }

  /**
   * @param at when it was found out, Unix ms
   * @param probeWindowMs how long before that it stopped to answer, if it is that which tells
   */
  recorderDown(recorder: string, reason: FailureReason, at: number, probeWindowMs: number): void {
    this.#search.recorderDown(recorder, reason);
    if (this.#account.current?.recorder !== recorder) return;
    if (reason !== 'options_timeout' && reason !== 'rtcp_silence') {
      this.#doubt(reason, { since: at, deadAt: at, safeAt: at });
      return;
    }
    // It has been asked more than once already: it had its time, and what it reported before the last question is no answer.
    const since = at - this.#services.settings.suspicionMs - 1;
    // It may have gone right after it had answered the question before.
    const safeAt = at - 2 * probeWindowMs;
    if (!isRecording(this.#life)) return;
    this.#suspicion.raise(reason, { since, deadAt: at - probeWindowMs, safeAt });
  }

  recorderAvailable(recorder: string): void {
    if (this.#leaving === recorder) this.#leaving = undefined;
    if (this.#life.state === 'failed') this.#retry();
    else this.#handOver();
  }

  /** Moves off this recorder without a gap: the new session receives before the old one ends. */
  recorderDraining(recorder: string): void {
    if (!this.places.some((place) => place.recorder === recorder)) return;
    this.#leaving = recorder;
    this.#search.leave(recorder);
    this.#handOver();
  }

  state(streams: Readonly<Record<Party, StreamReport>>): LegState {
    const newest = this.#account.sessions.at(-1);
    return {
      leg: this.leg,
      recordId: (this.#search.allocation ?? newest)?.recordId ?? '',
      recorder: this.places[0]?.recorder ?? null,
      state: this.#life.state,
      sessions: this.#account.sessions.map((session) => session.state()),
      streams: {
        a: streamState(this.delivery('a', streams.a)),
        b: streamState(this.delivery('b', streams.b)),
      },
    };
  }

  get lifeState(): RecordingSessionStateName {
    return this.#life.state;
  }

  get account(): LegAccount {
    return this.#account;
  }

  delivery(party: Party, stream: StreamReport): LegDelivery {
    const waits = this.#account.sessions.length === 0 || this.#services.settings.replay;
    return this.#account.delivery(party, stream, waits && this.#life.state !== 'ended');
  }

  #apply(event: LegEvent): void {
    this.#life = transition(this.#life, event);
  }

  /** The new session receives first; then the old one, if there still is one, ends. */
  #startOf(allocation: Allocation, media: () => RecorderMedia): SessionStart {
    const failed = (): RecordingSession | undefined => {
      const { current } = this.#account;
      return current?.failure === undefined ? undefined : current;
    };
    let streams: Streams;
    let from: ByParty<ForkStart>;
    return {
      callId: this.#options.callId,
      retired: () => failed()?.recordId,
      plan: (stock) => {
        streams = stock?.streams ?? this.#account.streams();
        const retired = failed();
        if (retired !== undefined) {
          const reason = retired.failure?.reason ?? 'failed';
          void this.#endings.retired(retired, reason, stock?.forks, streams);
        }
        from = this.#beginnings(streams);
        return {
          callId: this.#options.callId,
          recordId: allocation.recordId,
          to: media(),
          from,
          paused: this.#life.paused,
          pausedFrom: this.#options.window.pausedFrom(),
          keptOut: this.#options.window.keptOut(),
        };
      },
      begun: () => {
        this.#switchTo(new RecordingSession(allocation, this.#services.clock.now(), from), streams);
      },
    };
  }

  #switchTo(session: RecordingSession, streams: Streams): void {
    this.#moveEnded();
    const now = this.#services.clock.now();
    const running = this.#account.current;
    if (running !== undefined) {
      void this.#endings.release(running, 'operator', streams);
      this.#begun(new Failover(this.leg, running.recorder, 'operator', now, now));
    }
    const before = this.#account.sessions.at(-1);
    this.#account.add(session);
    // It was about the recorder that the leg was on.
    this.#suspicion.drop();
    if (session.recorder !== this.#leaving) this.#leaving = undefined;
    this.#apply('established');
    this.#unrecordedTold = false;
    this.#finishFailover(streams, before, session);
    this.#handOver();
  }

  /** Where the new session begins. */
  #beginnings(streams: Streams): ByParty<ForkStart> {
    const { replay, replayOverlapMs } = this.#services.settings;
    const running = this.#account.current;
    if (running !== undefined) return this.#account.handOverPoints(streams, running);
    const first = this.#account.sessions.length === 0;
    return first || replay
      ? this.#account.replayPoints(streams, replayOverlapMs)
      : this.#account.livePoints(streams);
  }

  #doubt(reason: FailureReason, times: DoubtTimes): void {
    if (isCertain(reason)) this.#fail(reason, this.#services.clock.now());
    else if (isRecording(this.#life)) this.#suspicion.raise(reason, times);
  }

  #weigh(since: number): Verdict {
    const session = this.#account.current;
    if (session === undefined || !isRecording(this.#life)) return 'alive';
    const { clock, settings } = this.#services;
    return weigh(
      Object.values(this.#account.liveForks()),
      since,
      clock.now(),
      session.startedAt,
      settings.suspicionMs,
    );
  }

  #settle(verdict: 'alive' | 'dead', reason: FailureReason, times: DoubtTimes): void {
    const session = this.#account.current;
    if (verdict === 'dead') {
      const forks = Object.values(this.#account.liveForks());
      const refusedAt = forks.flatMap(({ refused }) => refused?.at ?? []);
      if (refusedAt.length > 0) {
        this.#fail('icmp', Math.min(times.deadAt, ...refusedAt));
        return;
      }
      const heardAt = Math.max(...forks.map(({ receiverReport }) => receiverReport?.at ?? 0));
      this.#fail(reason, Math.max(times.deadAt, heardAt), times.safeAt);
    } else if (session !== undefined && isRecording(this.#life)) {
      this.#logger.warn(
        { recordId: session.recordId, recorder: session.recorder, reason },
        'signalling of the recorder failed, its media goes on: not moved',
      );
    }
  }

  #fail(reason: FailureReason, deadAt: number, safeAt = deadAt): void {
    const session = this.#account.current;
    if (session === undefined || session.failure !== undefined || !isRecording(this.#life)) return;
    const { allocator, clock, pacer } = this.#services;
    const { recordId, recorder } = session;
    const detectedAt = clock.now();
    session.fail({ reason, deadAt, safeAt, detectedAt });
    this.#suspicion.drop();
    this.#search.noteFailure(recorder, detectedAt - session.startedAt);
    this.#apply('recorder-lost');
    if (this.#stopping === undefined) {
      this.#begun(new Failover(this.leg, recorder, reason, detectedAt, deadAt));
    }
    allocator.reportFailure(recorder, reason);
    this.#moveBegins();
    pacer.afterMoves(() => {
      this.#logger.warn({ recordId, recorder, reason }, 'recorder lost');
    });
    this.#nextSearch = () => {
      this.#nextSearch = undefined;
      this.#search.start([recorder]);
    };
    pacer.run(() => this.#nextSearch?.());
  }

  #begun(failover: Failover): void {
    this.#failovers.push(failover);
    if (this.#failovers.length > failoversMax) this.#failovers.shift();
    this.#services.observer.failoverStarted(this.#options.callId, failover.state);
  }

  #finishFailover(
    streams: Streams,
    old: RecordingSession | undefined,
    session: RecordingSession,
  ): void {
    const failover = this.#failovers.at(-1);
    if (failover === undefined || failover.done || old === undefined) return;
    const { clock, observer, pacer } = this.#services;
    failover.finish(session.recorder, clock.now(), this.#account.cost(streams, old, session));
    pacer.afterMoves(() => {
      observer.failoverDone(this.#options.callId, failover.state);
    });
  }

  #moveBegins(): void {
    this.#moved ??= this.#services.pacer.move();
  }

  #moveEnded(): void {
    this.#moved?.();
    this.#moved = undefined;
  }

  #handOver(): void {
    const session = this.#account.current;
    const wanted = session !== undefined && session.recorder === this.#leaving;
    if (!wanted || !isRecording(this.#life)) return;
    this.#moveBegins();
    this.#search.start([session.recorder]);
  }

  #withoutRecorder(): void {
    this.#moveEnded();
    const current = this.#account.current;
    if (current?.failure !== undefined) {
      void this.#endings.retire(current, current.failure.reason, this.#account.streams());
    }
    this.#apply('no-recorder');
    if (this.#life.state !== 'failed') return;
    this.#tellUnrecorded();
    this.#search.retryLater(() => {
      this.#retry();
    });
  }

  #tellUnrecorded(): void {
    if (this.#unrecordedTold) return;
    this.#unrecordedTold = true;
    this.#logger.error({}, 'leg has no recorder');
    const { callId, others } = this.#options;
    this.#services.observer.legUnrecorded(callId, this.leg, others().length > 0);
  }

  #retry(): void {
    if (this.#stopping !== undefined) return;
    this.#apply('retry');
    this.#search.start([], true);
  }

  /** Never rejects, and never waits for long: what is told to a recorder must not hold up the call. */
  async #update(session: RecordingSession, paused: boolean): Promise<void> {
    if (session.failure !== undefined) return;
    const { bridge, client, clock, settings } = this.#services;
    const { recordId } = session;
    const askedAt = clock.now();
    try {
      const streams = bridge.recordedStreams(this.#options.callId);
      const told = client.update(recordId, { streams, paused });
      const { media } = await within(clock, settings.inviteTimeoutMs, told);
      if (!paused) this.mediaChanged(recordId, media);
    } catch (error) {
      this.#logger.warn({ recordId, error: messageOf(error) }, 'recorder did not take the change');
      // One that says no is alive, and goes on with what it has; should the dialog be gone, we are told of that by itself.
      const said = error instanceof TandemError && error.code === 'SESSION_REFUSED';
      if (said || !isOfRecorder(error) || this.#account.current !== session) return;
      this.#doubt(failureReason(error), { since: clock.now(), deadAt: askedAt, safeAt: askedAt });
    }
  }

  async #stop(reason: string): Promise<void> {
    const { clock, settings } = this.#services;
    const { drainMs, inviteTimeoutMs } = settings;
    // Without a recorder that is well, what is in the ring waits for the one that is being asked.
    const isWell =
      this.#account.current?.failure === undefined && this.#account.current !== undefined;
    this.#nextSearch?.();
    await this.#search.close(isWell ? 0 : inviteTimeoutMs + drainMs);
    this.#moveEnded();
    const session = this.#account.current;
    if (session !== undefined) {
      if (session.failure === undefined) await this.#drained();
      const streams = this.#account.streams();
      if (session.failure !== undefined) {
        // A recorder that is gone answers nothing.
        void this.#endings.retire(session, session.failure.reason, streams);
      } else {
        const ended = this.#endings.release(session, reason, streams);
        await within(clock, inviteTimeoutMs, ended).catch(() => undefined);
      }
    }
    this.#suspicion.drop();
    this.#apply('end');
  }

  /** Resolves when all that was to be recorded is sent, or after `drainMs`. */
  async #drained(): Promise<void> {
    const { clock, settings } = this.#services;
    const until = clock.now() + settings.drainMs;
    while (this.#account.isBehind && clock.now() < until && isRecording(this.#life)) {
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, drainPollMs);
      });
    }
  }
}

function streamState({ sentPackets, lostPackets, lostMs }: LegDelivery): LegStreamState {
  return { sentPackets, lostPackets, lostMs };
}
