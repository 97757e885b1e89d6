import { randomUUID } from 'node:crypto';
import type { Timer } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { failureReason, isOfRecorder } from './evidence.ts';
import type {
  Allocation,
  CommunicationSession,
  FailureReason,
  RecorderMedia,
} from './interfaces.ts';
import type { LegServices } from './leg.ts';
import type { SessionStart } from './session-starts.ts';

export interface Place {
  readonly recorder: string;
  readonly zone: string;
}

export interface RecorderSearchOptions {
  readonly leg: 1 | 2;
  readonly callId: string;
  readonly tenant?: string;
  readonly site?: string;
  readonly communicationSession: () => CommunicationSession;
  /** Where the call's other leg is or is about to be: never the same recorder, and another zone if there is one. */
  readonly others: () => readonly Place[];
  readonly logger: Logger;
}

/** What becomes of a search. When `exhausted`, or `begun` of what `answered` gave, is called it is over: each may begin another. */
export interface SearchOutcome {
  /** This recorder is asked now. */
  selected(allocation: Allocation): void;
  /** That one will not have the session. */
  refused(): void;
  /** It takes the session: what is to be sent there. */
  answered(allocation: Allocation, media: () => RecorderMedia): SessionStart;
  /** Nobody takes it. */
  exhausted(): void;
}

interface Attempt {
  readonly allocation: Allocation;
  readonly abort: AbortController;
  /** What the recorder said in between its answer and our taking note of it. */
  ended?: FailureReason;
  media?: RecorderMedia;
}

/** A recorder that failed this leg is passed over for this long, except where everything else has been tried. */
const recentFailureMs = 30_000;

/**
 * Finds a recorder for one leg: asks one after the other, each at most once, and begins again later, with backoff, when
 * asked to. One search at a time.
 */
export class RecorderSearch {
  readonly #services: LegServices;
  readonly #options: RecorderSearchOptions;
  readonly #outcome: SearchOutcome;
  readonly #recentFailures = new Map<string, number>();
  #reserved: Allocation | undefined;
  #attempt: Attempt | undefined;
  #running: Promise<void> | undefined;
  #busy = false;
  #closed = false;
  #givenUp = false;
  #retryTimer: Timer | undefined;
  #retryDelayMs: number;

  constructor(services: LegServices, options: RecorderSearchOptions, outcome: SearchOutcome) {
    this.#services = services;
    this.#options = options;
    this.#outcome = outcome;
    this.#retryDelayMs = services.settings.retry.initialMs;
  }

  /** The recorder that is being asked, or held for when the call is answered. */
  get allocation(): Allocation | undefined {
    return this.#attempt?.allocation ?? this.#reserved;
  }

  /** Holds a recorder for the call before it is answered. @throws TandemError NO_RECORDER */
  reserve(): void {
    this.#reserved = this.#allocate(new Set(), false);
  }

  /** Lets go of what `reserve` holds. */
  cancel(): void {
    if (this.#reserved !== undefined) this.#services.allocator.release(this.#reserved.recordId);
    this.#reserved = undefined;
  }

  /** @param lastResort also recorders that failed this leg a short while ago, if there is no other */
  start(excluded: readonly string[], lastResort = false): void {
    if (this.#busy || this.#closed) return;
    this.#dropRetry();
    this.#busy = true;
    this.#running = this.#run(new Set(excluded), lastResort);
  }

  /** Calls back when it is time to try again: later each time. */
  retryLater(again: () => void): void {
    if (this.#closed) return;
    const { clock, settings } = this.#services;
    this.#dropRetry();
    this.#retryTimer = clock.setTimeout(again, this.#retryDelayMs);
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, settings.retry.maxMs);
  }

  /** The recorder failed this leg, after having recorded it for `recordedMs`. */
  noteFailure(recorder: string, recordedMs: number): void {
    const { clock, settings } = this.#services;
    this.#recentFailures.set(recorder, clock.now());
    // Recorders that take a session and drop it at once must not make us go round among them without a pause.
    if (recordedMs >= settings.retry.maxMs) this.#retryDelayMs = settings.retry.initialMs;
  }

  /** The recorder takes nothing now: what waits for it goes to another. */
  leave(recorder: string): void {
    if (this.#reserved?.recorder === recorder) {
      this.cancel();
      try {
        this.#reserved = this.#allocate(new Set([recorder]), false);
      } catch (error) {
        // Then it is looked for when the call is answered.
        if (!isNoRecorder(error)) throw error;
      }
    }
  }

  /** The recorder is gone: its answer is not waited for. */
  recorderDown(recorder: string, reason: FailureReason): void {
    this.leave(recorder);
    if (this.#attempt?.allocation.recorder !== recorder) return;
    this.#attempt.ended ??= reason;
    this.#attempt.abort.abort();
  }

  /** True if the session is one that is being established. */
  sessionEnded(recordId: string, reason: FailureReason): boolean {
    if (this.#attempt?.allocation.recordId !== recordId) return false;
    this.#attempt.ended = reason;
    return true;
  }

  /** True if the session is one that is being established. */
  mediaChanged(recordId: string, media: RecorderMedia): boolean {
    if (this.#attempt?.allocation.recordId !== recordId) return false;
    this.#attempt.media = media;
    return true;
  }

  /** No new search begins. Resolves when the one under way is over; after `waitMs` it is given up. Idempotent. */
  async close(waitMs: number): Promise<void> {
    this.#closed = true;
    this.#dropRetry();
    this.cancel();
    if (!this.#busy) return;
    if (waitMs === 0) this.#giveUp();
    const { clock } = this.#services;
    const timer = clock.setTimeout(() => {
      this.#giveUp();
    }, waitMs);
    await this.#running;
    clock.clearTimeout(timer);
  }

  #giveUp(): void {
    this.#givenUp = true;
    this.#attempt?.abort.abort();
  }

  async #run(excluded: Set<string>, lastResort: boolean): Promise<void> {
    let isDone = false;
    try {
      while (!isDone && !this.#givenUp) {
        const allocation = this.#next(excluded, lastResort);
        if (allocation === undefined) break;
        isDone = await this.#ask(allocation);
        excluded.add(allocation.recorder);
      }
    } catch (error) {
      // Ours, not a recorder's: nobody else would do better.
      this.#options.logger.error({ error: messageOf(error) }, 'could not record anywhere');
    }
    if (isDone) return;
    this.#busy = false;
    if (!this.#givenUp) this.#outcome.exhausted();
  }

  /** True when the recorder has the session. Throws what is not the recorder's doing. */
  async #ask(allocation: Allocation): Promise<boolean> {
    const { allocator, clock, observer, pacer, starts } = this.#services;
    const { recordId, recorder } = allocation;
    const askedAt = clock.now();
    const attempt: Attempt = { allocation, abort: new AbortController() };
    this.#attempt = attempt;
    try {
      this.#outcome.selected(allocation);
      const media = await this.#establish(attempt);
      const start = this.#outcome.answered(allocation, () => attempt.media ?? media);
      await starts.add({
        ...start,
        // Nothing is retired for a session that is over before it began.
        retired: () => (attempt.ended === undefined ? start.retired() : undefined),
        plan: (stock) => {
          if (attempt.ended !== undefined) throw endedAtOnce(attempt.ended);
          return start.plan(stock);
        },
        begun: () => {
          this.#attempt = undefined;
          this.#busy = false;
          start.begun();
        },
      });
    } catch (error) {
      this.#attempt = undefined;
      this.#busy = true;
      this.#abandon(allocation);
      if (!isOfRecorder(error)) throw error;
      this.#refused(allocation, attempt.ended ?? failureReason(error), error);
      return false;
    }
    const setupMs = clock.now() - askedAt;
    pacer.afterMoves(() => {
      allocator.reportSuccess(recorder);
      observer.sessionEstablished(setupMs);
      this.#options.logger.info({ recordId, recorder }, 'recording session established');
    });
    return true;
  }

  async #establish({ allocation, abort }: Attempt): Promise<RecorderMedia> {
    const { bridge, client, settings } = this.#services;
    const { callId, communicationSession } = this.#options;
    const { recordId, uri } = allocation;
    const { media } = await client.establish(
      {
        recordId,
        uri,
        communicationSession: communicationSession(),
        streams: bridge.recordedStreams(callId),
        local: bridge.legAddresses(callId, familyOf(uri)),
        timeoutMs: settings.inviteTimeoutMs,
      },
      abort.signal,
    );
    return media;
  }

  #refused(allocation: Allocation, reason: FailureReason, error: unknown): void {
    const { allocator, observer } = this.#services;
    const { recordId, recorder } = allocation;
    this.#options.logger.warn(
      { recordId, recorder, reason, error: messageOf(error) },
      'not recorded there',
    );
    if (!this.#givenUp) {
      observer.sessionRefused(reason);
      allocator.reportFailure(recorder, reason);
    }
    this.#outcome.refused();
  }

  #abandon({ recordId }: Allocation): void {
    const { allocator, client, directory } = this.#services;
    directory.remove(recordId);
    allocator.release(recordId);
    client.end(recordId, 'not used').catch((error: unknown) => {
      this.#options.logger.debug({ recordId, error: messageOf(error) }, 'session not ended');
    });
  }

  #next(excluded: ReadonlySet<string>, lastResort: boolean): Allocation | undefined {
    const reserved = this.#reserved;
    this.#reserved = undefined;
    if (reserved !== undefined) return reserved;
    try {
      return this.#allocate(excluded, lastResort);
    } catch (error) {
      if (isNoRecorder(error)) return undefined;
      throw error;
    }
  }

  #allocate(excluded: ReadonlySet<string>, lastResort: boolean): Allocation {
    const { allocator } = this.#services;
    const { callId, leg, tenant, site, others } = this.#options;
    const places = others();
    const fixed = [...excluded, ...places.map(({ recorder }) => recorder)];
    const request = {
      recordId: randomUUID(),
      callId,
      leg,
      ...(tenant === undefined ? {} : { tenant }),
      ...(site === undefined ? {} : { site }),
      avoidZones: places.map(({ zone }) => zone),
    };
    try {
      const excludeRecorders = [...fixed, ...this.#failedRecently()];
      return allocator.allocate({ ...request, excludeRecorders });
    } catch (error) {
      if (!lastResort || !isNoRecorder(error)) throw error;
    }
    return allocator.allocate({ ...request, excludeRecorders: fixed });
  }

  #failedRecently(): string[] {
    const since = this.#services.clock.now() - recentFailureMs;
    for (const [recorder, at] of this.#recentFailures) {
      if (at <= since) this.#recentFailures.delete(recorder);
    }
    return [...this.#recentFailures.keys()];
  }

  #dropRetry(): void {
    if (this.#retryTimer !== undefined) this.#services.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
  }
}

function endedAtOnce(reason: FailureReason): TandemError {
  return new TandemError('SESSION_CANCELLED', 'the recorder ended the session at once', {
    details: { reason },
  });
}

function isNoRecorder(error: unknown): boolean {
  return error instanceof TandemError && error.code === 'NO_RECORDER';
}

/** Host names are taken for IPv4; recorders over IPv6 are named by address. */
function familyOf(uri: string): 4 | 6 {
  return /@?\[[0-9a-fA-F:.]+\]/.test(uri) ? 6 : 4;
}
