import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../clock.ts';
import type { StreamReport } from '../edge/types.ts';
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
import { isCertain, weigh } from './evidence.ts';
import type { Verdict } from './evidence.ts';
import { Failover } from './failover.ts';
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
import { isRecording, newLegLife, transition } from './leg-state.ts';
import type { LegEvent, LegLife } from './leg-state.ts';
import type { RecordingObserver } from './observer.ts';
import { RecordingSession } from './recording-session.ts';
import type { RecordingWindow } from './recording-window.ts';
import { Suspicion } from './suspicion.ts';

export interface RecordingSettings {
  readonly replay: boolean;
  readonly replayOverlapMs: number;
  readonly drainMs: number;
  readonly suspicionMs: number;
  readonly inviteTimeoutMs: number;
  readonly retry: { readonly initialMs: number; readonly maxMs: number };
}

/** What every leg shares. */
export interface LegServices {
  readonly bridge: Bridge;
  readonly allocator: RecorderAllocator;
  readonly client: SessionClient;
  readonly clock: Clock;
  readonly observer: RecordingObserver;
  readonly settings: RecordingSettings;
}

export interface LegOptions {
  readonly leg: LegNumber;
  readonly callId: string;
  readonly tenant?: string;
  readonly site?: string;
  readonly window: RecordingWindow;
  readonly communicationSession: () => CommunicationSession;
  /** Where the call's other leg is: never the same recorder, and another zone if there is one. */
  readonly other: () => { recorder: string; zone: string } | undefined;
  readonly logger: Logger;
}

/** A recorder that failed this leg is passed over for this long while another can take it. */
const recentFailureMs = 30_000;

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
  readonly #suspicion: Suspicion;
  readonly #failovers: Failover[] = [];
  readonly #recentFailures = new Map<string, number>();
  readonly #abort = new AbortController();
  #life: LegLife = newLegLife;
  #reserved: Allocation | undefined;
  #inviting: Allocation | undefined;
  #acquiring: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #retryTimer: Timer | undefined;
  #retryDelayMs: number;
  #caughtUp: (() => void) | undefined;

  constructor(services: LegServices, options: LegOptions) {
    this.leg = options.leg;
    this.#services = services;
    this.#options = options;
    this.#logger = options.logger.child({ leg: options.leg });
    this.#account = new LegAccount(services.bridge, options.callId, options.window);
    this.#retryDelayMs = services.settings.retry.initialMs;
    this.#suspicion = new Suspicion(
      services.clock,
      (since) => this.#weigh(since),
      (verdict, reason, since) => {
        this.#settle(verdict, reason, since);
      },
    );
  }

  get failovers(): readonly FailoverState[] {
    return this.#failovers.map((failover) => failover.state);
  }

  /** Where it is or is about to be. */
  get place(): { recorder: string; zone: string } | undefined {
    return this.#inviting ?? this.#reserved ?? this.#account.current;
  }

  owns(recordId: string): boolean {
    return this.#account.current?.recordId === recordId || this.#inviting?.recordId === recordId;
  }

  /** Holds a recorder for the call before it is answered. @throws TandemError NO_RECORDER */
  reserve(): void {
    this.#reserved = this.#allocate(new Set());
  }

  /** Lets go of what `reserve` holds. */
  cancel(): void {
    if (this.#reserved !== undefined) this.#services.allocator.release(this.#reserved.recordId);
    this.#reserved = undefined;
  }

  begin(): void {
    this.#acquire(new Set());
  }

  /** The edge stops at once; resolves when the recorder has been told. */
  async pause(): Promise<void> {
    this.#apply('pause');
    const session = this.#account.current;
    if (session === undefined) return;
    this.#services.bridge.pauseForks(session.recordId);
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
    if (this.#account.current?.recordId !== recordId) return;
    this.#logger.warn({ recordId, reason, detail }, 'recorder ended the recording session');
    this.#doubt(reason, this.#services.clock.now());
  }

  forkRefused(recordId: string, at: number): void {
    if (this.#account.current?.recordId === recordId) this.#fail('icmp', at);
  }

  forkLive(recordId: string): void {
    if (this.#account.current?.recordId === recordId) this.#caughtUp?.();
  }

  mediaChanged(recordId: string, media: RecorderMedia): void {
    const session = this.#account.current;
    if (session?.recordId !== recordId) return;
    this.#services.bridge.retargetForks(recordId, media, session.from);
  }

  /** `since`: when the recorder was last known to answer. */
  recorderDown(recorder: string, reason: FailureReason, since: number): void {
    if (this.#account.current?.recorder === recorder) this.#doubt(reason, since);
  }

  recorderAvailable(): void {
    if (this.#life.state !== 'failed') return;
    this.#retry();
  }

  /** Moves to another recorder without a gap: the new session receives before the old one ends. */
  handOver(): void {
    const session = this.#account.current;
    if (session === undefined || this.#acquiring !== undefined || !isRecording(this.#life)) return;
    const now = this.#services.clock.now();
    this.#failovers.push(new Failover(this.leg, session.recorder, 'operator', now, now));
    this.#acquire(new Set([session.recorder]));
  }

  state(streams: Readonly<Record<Party, StreamReport>>): LegState {
    const newest = this.#account.sessions.at(-1);
    const place = this.place;
    return {
      leg: this.leg,
      recordId: (this.#inviting ?? this.#reserved ?? newest)?.recordId ?? '',
      recorder: place?.recorder ?? null,
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

  #allocate(excluded: ReadonlySet<string>): Allocation {
    const { allocator, clock } = this.#services;
    const other = this.#options.other();
    const fixed = [...excluded, ...(other === undefined ? [] : [other.recorder])];
    const request = {
      recordId: randomUUID(),
      callId: this.#options.callId,
      leg: this.leg,
      ...(this.#options.tenant === undefined ? {} : { tenant: this.#options.tenant }),
      ...(this.#options.site === undefined ? {} : { site: this.#options.site }),
      avoidZones: other === undefined ? [] : [other.zone],
    };
    const recent = [...this.#recentFailures]
      .filter(([, at]) => clock.now() - at < recentFailureMs)
      .map(([recorder]) => recorder);
    if (recent.length > 0) {
      try {
        return allocator.allocate({ ...request, excludeRecorders: [...fixed, ...recent] });
      } catch (error) {
        if (!(error instanceof TandemError) || error.code !== 'NO_RECORDER') throw error;
      }
    }
    return allocator.allocate({ ...request, excludeRecorders: fixed });
  }

  #acquire(excluded: Set<string>): void {
    if (this.#acquiring !== undefined || this.#stopping !== undefined) return;
    this.#acquiring = this.#establishSomewhere(excluded).finally(() => {
      this.#acquiring = undefined;
    });
  }

  /** Asks one recorder after the other; each at most once, so their number bounds it. */
  async #establishSomewhere(excluded: Set<string>): Promise<void> {
    const { allocator, client, bridge, observer, settings } = this.#services;
    for (;;) {
      const allocation = this.#next(excluded);
      if (allocation === undefined) {
        this.#withoutRecorder();
        return;
      }
      this.#inviting = allocation;
      this.#apply('selected');
      const { recordId, recorder, uri } = allocation;
      try {
        const { media } = await client.establish(
          {
            recordId,
            uri,
            communicationSession: this.#options.communicationSession(),
            streams: bridge.recordedStreams(this.#options.callId),
            local: bridge.legAddresses(this.#options.callId, familyOf(uri)),
            timeoutMs: settings.inviteTimeoutMs,
          },
          this.#abort.signal,
        );
        this.#switchTo(allocation, media);
        allocator.reportSuccess(recorder);
        observer.sessionEstablished();
        return;
      } catch (error) {
        allocator.release(recordId);
        void client.end(recordId, 'not used');
        if (this.#abort.signal.aborted) return;
        const reason = failureReason(error);
        this.#logger.warn(
          { recordId, recorder, reason, error: messageOf(error) },
          'not recorded there',
        );
        observer.sessionRefused(reason);
        allocator.reportFailure(recorder, reason);
        excluded.add(recorder);
        this.#apply('refused');
      } finally {
        this.#inviting = undefined;
      }
    }
  }

  #next(excluded: Set<string>): Allocation | undefined {
    const reserved = this.#reserved;
    this.#reserved = undefined;
    if (reserved !== undefined) return reserved;
    try {
      return this.#allocate(excluded);
    } catch (error) {
      if (error instanceof TandemError && error.code === 'NO_RECORDER') return undefined;
      throw error;
    }
  }

  /** The new session receives first; then the old one, if there still is one, ends. */
  #switchTo(allocation: Allocation, media: RecorderMedia): void {
    const { bridge, clock, settings } = this.#services;
    const old = this.#account.current;
    const handedOver = old !== undefined && old.failure === undefined;
    if (old !== undefined && !handedOver) this.#retire(old, old.failure?.reason ?? 'failed');
    const first = this.#account.sessions.length === 0;
    const replays = first || (settings.replay && !handedOver && !this.#life.paused);
    const from = replays
      ? this.#account.replayPoints(settings.replayOverlapMs)
      : this.#account.livePoints();
    const session = new RecordingSession(allocation, clock.now(), from);
    bridge.startForks({
      callId: this.#options.callId,
      recordId: allocation.recordId,
      to: media,
      from,
      paused: this.#life.paused,
    });
    if (old !== undefined && handedOver) this.#retire(old, 'operator');
    this.#account.add(session);
    this.#apply('established');
    this.#retryDelayMs = this.#services.settings.retry.initialMs;
    this.#finishFailover(old, session);
    this.#logger.info(
      { recordId: session.recordId, recorder: session.recorder, from },
      'recording session established',
    );
  }

  #retire(session: RecordingSession, reason: string): void {
    const { allocator, bridge, client, clock, observer } = this.#services;
    const forks = bridge.stopForks(session.recordId) ?? {};
    session.end(clock.now(), reason, forks, this.#account.streams());
    allocator.release(session.recordId);
    observer.sessionEnded(reason);
    void client.end(session.recordId, reason).catch((error: unknown) => {
      this.#logger.debug({ recordId: session.recordId, error: messageOf(error) }, 'BYE unanswered');
    });
  }

  #doubt(reason: FailureReason, since: number): void {
    if (isCertain(reason)) {
      this.#fail(reason, this.#services.clock.now());
      return;
    }
    if (isRecording(this.#life)) this.#suspicion.raise(reason, since);
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

  #settle(verdict: 'alive' | 'dead', reason: FailureReason, since: number): void {
    const session = this.#account.current;
    if (verdict === 'dead') {
      this.#fail(reason, since);
    } else if (session !== undefined && isRecording(this.#life)) {
      this.#logger.warn(
        { recordId: session.recordId, recorder: session.recorder, reason },
        'signalling of the recorder failed, its media goes on: not moved',
      );
    }
  }

  #fail(reason: FailureReason, deadAt: number): void {
    const session = this.#account.current;
    if (session === undefined || session.failure !== undefined || !isRecording(this.#life)) return;
    const { allocator, clock, observer } = this.#services;
    const detectedAt = clock.now();
    session.fail({ reason, deadAt, detectedAt });
    this.#suspicion.drop();
    this.#recentFailures.set(session.recorder, detectedAt);
    this.#apply('recorder-lost');
    const failover = new Failover(this.leg, session.recorder, reason, detectedAt, deadAt);
    this.#failovers.push(failover);
    this.#logger.warn(
      { recordId: session.recordId, recorder: session.recorder, reason },
      'recorder lost',
    );
    observer.failoverStarted(this.#options.callId, failover.state);
    allocator.reportFailure(session.recorder, reason);
    this.#acquire(new Set([session.recorder]));
  }

  #finishFailover(old: RecordingSession | undefined, session: RecordingSession): void {
    const failover = this.#failovers.at(-1);
    if (failover === undefined || failover.done) return;
    const failed = old ?? this.#account.sessions.at(-2);
    const none = { lostPackets: 0, lostMs: 0, replayedPackets: 0 };
    const cost = failed === undefined ? none : this.#account.cost(failed, session);
    const { clock, observer } = this.#services;
    failover.finish(session.recorder, clock.now(), cost);
    observer.failoverDone(this.#options.callId, failover.state);
  }

  #withoutRecorder(): void {
    const { clock, observer, settings } = this.#services;
    const failed = this.#account.current;
    if (failed?.failure !== undefined) this.#retire(failed, failed.failure.reason);
    this.#apply('no-recorder');
    if (this.#life.state !== 'failed') return;
    this.#logger.error({}, 'leg has no recorder');
    observer.legUnrecorded(this.#options.callId, this.leg);
    this.#retryTimer = clock.setTimeout(() => {
      this.#retry();
    }, this.#retryDelayMs);
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, settings.retry.maxMs);
  }

  #retry(): void {
    this.#dropRetry();
    this.#apply('retry');
    this.#acquire(new Set());
  }

  async #update(session: RecordingSession, paused: boolean): Promise<void> {
    try {
      const streams = this.#services.bridge.recordedStreams(this.#options.callId);
      const { media } = await this.#services.client.update(session.recordId, { streams, paused });
      if (!paused) this.mediaChanged(session.recordId, media);
    } catch (error) {
      this.#logger.warn(
        { recordId: session.recordId, error: messageOf(error) },
        'recorder did not take the change',
      );
      this.#doubt(failureReason(error), this.#services.clock.now());
    }
  }

  async #stop(reason: string): Promise<void> {
    this.#dropRetry();
    await this.#settled();
    this.#dropRetry();
    this.#suspicion.drop();
    this.cancel();
    const session = this.#account.current;
    if (session !== undefined) {
      await this.#drained(session);
      if (!session.ended) this.#retire(session, session.failure?.reason ?? reason);
      await this.#services.client.end(session.recordId, reason).catch(() => undefined);
    }
    this.#apply('end');
  }

  /** A short call ends before its recorder has answered: what is in the ring still wants to go there. */
  async #settled(): Promise<void> {
    if (this.#acquiring === undefined) return;
    const { clock, settings } = this.#services;
    const timer = clock.setTimeout(() => {
      this.#abort.abort();
    }, settings.inviteTimeoutMs + settings.drainMs);
    await this.#acquiring;
    clock.clearTimeout(timer);
  }

  /** Resolves when the session's copies have caught up with the ring, or after `drainMs`. */
  async #drained(session: RecordingSession): Promise<void> {
    const behind = Object.values(this.#services.bridge.forkReports(session.recordId)).some(
      ({ state }) => state === 'catching-up',
    );
    if (!behind) return;
    const { clock, settings } = this.#services;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, settings.drainMs);
      this.#caughtUp = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
    this.#caughtUp = undefined;
  }

  #dropRetry(): void {
    if (this.#retryTimer !== undefined) this.#services.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
  }
}

function streamState({ sentPackets, lostPackets, lostMs }: LegDelivery): LegStreamState {
  return { sentPackets, lostPackets, lostMs };
}

function failureReason(error: unknown): FailureReason {
  if (!(error instanceof TandemError)) return 'sip_error';
  if (error.code === 'SESSION_TIMEOUT') return 'sip_timeout';
  return error.code === 'SESSION_TRANSPORT' ? 'sip_closed' : 'sip_error';
}

/** Host names are taken for IPv4; recorders over IPv6 are named by address. */
function familyOf(uri: string): 4 | 6 {
  return /@?\[[0-9a-fA-F:.]+\]/.test(uri) ? 6 : 4;
}
