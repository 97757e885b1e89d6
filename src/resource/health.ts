import type { FailureReason } from '../recording/interfaces.ts';
import type { RecorderEvent, RecorderStateName } from './recorder.ts';

/**
 * `willing`: it answered OPTIONS. `unwilling`: it lives but says that it takes nothing (5xx, 6xx): no reason to move what it
 * has. `leaving`: it says that it is about to go, and what it has should be moved. `silent`: no answer in time. `unresolved`: it
 * could not be asked, because nobody tells what address its name has.
 */
export type ProbeOutcome = 'willing' | 'unwilling' | 'leaving' | 'silent' | 'unresolved';

export interface HealthSettings {
  /** Silent probes in a row before it is down. */
  readonly failures: number;
  /** Answers in a row before it is up again. */
  readonly successes: number;
}

/** A recorder that fails again within this time is let back later and later. */
const relapseWindowMs = 60_000;
const holdMsFirst = 1_000;
const holdMsMax = 30_000;

export interface ProbeAnswer {
  readonly status: number;
  /** It said so itself. */
  readonly leaving?: boolean;
}

/** 501 is an answer: some recorders do not do OPTIONS. */
export function outcomeOf({ status, leaving = false }: ProbeAnswer): ProbeOutcome {
  if (status === 503 && leaving) return 'leaving';
  return status < 500 || status === 501 ? 'willing' : 'unwilling';
}

/** Whether it is a name that could not be looked up: what Node says of `getaddrinfo`, at any depth of `cause`. */
export function isLookupFailure(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; depth += 1) {
    if ('syscall' in cause && cause.syscall === 'getaddrinfo') return true;
    cause = cause.cause;
  }
  return false;
}

/**
 * Weighs what speaks for and against one recorder. An episode begins with the first evidence against it and ends when it
 * is cleared; everything reported in between is the same episode, so a hundred sessions that fail at once count as one.
 */
export class HealthRecord {
  readonly #settings: HealthSettings;
  /** It has answered. */
  #known = false;
  #silent = 0;
  #answers = 0;
  #reason: FailureReason | undefined;
  /** Why it is being asked whether it lives, with nothing held against it. */
  #doubt: FailureReason | undefined;
  #open = false;
  #episodes = 0;
  #episodeAt = -Infinity;
  /** The call that began it. */
  #episodeBy: string | undefined;
  #holdUntil = 0;

  constructor(settings: HealthSettings) {
    this.#settings = settings;
  }

  /** Why it is down or suspected. */
  get reason(): FailureReason {
    return this.#reason ?? 'options_timeout';
  }

  /**
   * True when this is the first evidence of an episode: time to ask the recorder itself. A call begins one at most in a row: whatever
   * it meets with everywhere, it keeps no recorder out of service.
   */
  accuse(reason: FailureReason, now: number, callId?: string): boolean {
    if (!this.#open && this.hasAccused(callId, now)) return false;
    if (this.#reason === undefined || (isStrong(reason) && !isStrong(this.#reason))) {
      this.#reason = reason;
    }
    return this.#openEpisode(now, callId);
  }

  /** Whether this call began the last episode, a short while ago. */
  hasAccused(callId: string | undefined, now: number): boolean {
    const isLate = now - this.#episodeAt > relapseWindowMs;
    return callId !== undefined && callId === this.#episodeBy && !isLate;
  }

  /**
   * Asking is no accusation: its state stays as it is until it has answered, or not. True: time to ask it. While it is being asked
   * already, nothing is to be added.
   */
  doubt(reason: FailureReason): boolean {
    if (this.#doubt !== undefined) return false;
    this.#doubt = reason;
    return !this.#open;
  }

  observe(
    outcome: ProbeOutcome,
    state: RecorderStateName,
    now: number,
  ): Exclude<RecorderEvent, 'assigned'> | undefined {
    // One that never answered is nobody as long as its name is.
    const isNobody = outcome === 'unresolved' && !this.#known;
    if (outcome !== 'silent' && outcome !== 'unresolved') this.#known = true;
    switch (isNobody ? 'silent' : outcome) {
      case 'silent': {
        this.#answers = 0;
        this.#silent += 1;
        const isEvidence = isStrong(this.#reason) || isStrong(this.#doubt);
        if (this.#silent < (isEvidence ? 1 : this.#settings.failures)) return undefined;
        if (this.#doubt !== undefined) this.accuse(this.#doubt, now);
        this.#openEpisode(now);
        return 'died';
      }
      case 'unresolved':
        // It says something of the resolver, and nothing of the recorder: what was known holds.
        return undefined;
      case 'unwilling':
      case 'leaving':
        this.#silent = 0;
        this.#answers = 0;
        this.#doubt = undefined;
        return 'accused';
      case 'willing':
        this.#silent = 0;
        this.#answers += 1;
        this.#doubt = undefined;
        if (this.#open && now < this.#holdUntil) return undefined;
        if (state === 'down' && this.#answers < this.#settings.successes) return undefined;
        this.#open = false;
        this.#reason = undefined;
        return 'answered';
    }
  }

  /** A session was established on it. */
  heard(): void {
    this.#silent = 0;
    this.#known = true;
  }

  #openEpisode(now: number, callId?: string): boolean {
    if (this.#open) return false;
    this.#open = true;
    this.#episodeBy = callId;
    this.#episodes = now - this.#episodeAt > relapseWindowMs ? 1 : this.#episodes + 1;
    this.#episodeAt = now;
    const holdMs = this.#episodes === 1 ? 0 : holdMsFirst * 2 ** Math.min(this.#episodes - 2, 16);
    this.#holdUntil = now + Math.min(holdMs, holdMsMax);
    return true;
  }
}

/**
 * Whether this and one silent probe together mean that it is dead. A BYE or an error response came from a living process,
 * and where reports show loss the probe may be lost too: there it takes as many probes as without evidence.
 */
function isStrong(reason: FailureReason | undefined): boolean {
  switch (reason) {
    case 'icmp':
    case 'unsendable':
    case 'sip_closed':
    case 'sip_timeout':
    case 'options_timeout':
    case 'rtcp_silence':
      return true;
    case 'media_refused':
    case 'sip_error':
    case 'srs_bye':
    case 'rtcp_loss':
    case 'operator':
    case undefined:
      return false;
  }
}
