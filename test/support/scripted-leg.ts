import { Random } from '../../simulate/random.ts';
import type { ForkReport } from '../../src/edge/types.ts';
import type { RecordingSessionStateName } from '../../src/recording/call-state.ts';
import type { LegData } from '../../src/recording/leg/leg-data.ts';
import { newLeg } from '../../src/recording/leg/leg-data.ts';
import type {
  ForkOrder,
  LegEffect,
  LegEvent,
  TimerName,
} from '../../src/recording/leg/leg-events.ts';
import { retiredBy, step } from '../../src/recording/leg/leg-step.ts';
import { isSettled, isStopped, nameOf } from '../../src/recording/leg/leg-view.ts';
import type { CallStock, FailureReason, RecorderMedia } from '../../src/recording/interfaces.ts';
import { mediaAddress } from './bridge-stub.ts';
import { recordingSettings as settings } from './recording-world.ts';
import { forkReport, range, streamReport } from './reports.ts';

const recorders = ['r1', 'r2', 'r3', 'r4'];
const answerMsMax = settings.inviteTimeoutMs;
const signs: readonly FailureReason[] = ['srs_bye', 'sip_closed', 'sip_timeout', 'sip_error'];
const accusations: readonly FailureReason[] = [...signs, 'icmp', 'unsendable', 'options_timeout'];
const losses = ['rtcp_silence', 'rtcp_loss', 'unsendable'] as const;
const media = { a: mediaAddress('192.0.2.9'), b: mediaAddress('192.0.2.9') };
const medias: readonly RecorderMedia[] = [media, media, media, {}, { a: media.a }];
const streams = { a: streamReport([range(1, 100)]), b: streamReport([range(1, 100)]) };
const stock: CallStock = { streams, forks: undefined };

/** What became of one recording session, as its effects tell. */
interface Fate {
  readonly recorder: string;
  released: number;
  invited: boolean;
  /** Of its dialog: abandoned, or told goodbye. */
  over: number;
  forks: 'none' | 'starting' | 'sent' | 'paused' | 'stopped';
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly happen: () => void;
}

/** A leg among recorders, edge and clock that do anything at any time: late, twice, in any order. All of it follows from the seed. */
export class ScriptedLeg {
  leg: LegData = newLeg(1, settings.retry.initialMs);
  now = 10_000;
  readonly wrong: string[] = [];
  readonly fates = new Map<string, Fate>();
  readonly timers = new Map<TimerName, Due>();
  readonly told: string[] = [];
  /** What it showed of itself before and after each event. */
  readonly passed: (readonly [RecordingSessionStateName, RecordingSessionStateName])[] = [];
  readonly #random: Random;
  readonly #due: Due[] = [];
  #dues = 0;
  #obeysAt = 0;
  #answersAt = 0;
  #hasStreams = true;
  #planned: Extract<LegEffect, { do: 'start-forks' }>['start'] | undefined;

  constructor(seed: number) {
    this.#random = new Random(`leg ${seed}`);
  }

  /** The life of a leg up to its end, and what comes after. */
  run(): void {
    const random = this.#random;
    if (random.chance(0.7)) this.tell({ type: 'reserve' });
    if (random.chance(0.95))
      this.#later(1, 500, () => {
        this.tell({ type: 'begin' });
      });
    const livesMs = random.between(0, 60_000);
    const events = random.between(0, 40);
    for (let index = 0; index < events; index += 1) {
      this.#later(0, livesMs + 2_000, () => {
        this.tell(this.#anything());
      });
    }
    this.#later(livesMs, livesMs, () => {
      this.tell({ type: 'stop', reason: 'ended' });
    });
    // Long enough for what a leg may wait for, and for every answer to come.
    const until = this.now + livesMs + settings.drainMs + 8 * answerMsMax;
    while (this.#next(until));
  }

  tell(event: LegEvent): void {
    this.told.push(`${this.now} ${JSON.stringify(event)}`);
    if (this.told.length > 10_000) throw new Error('it never rests');
    const window = { from: { a: 1, b: 1 }, pauses: [] };
    if (event.type === 'describe') this.#hasStreams = this.#random.chance(0.8);
    const context = { settings, window, hasStreams: () => this.#hasStreams };
    const { state, effects } = step(this.leg, event, this.now, context);
    this.passed.push([nameOf(this.leg), nameOf(state)]);
    this.leg = state;
    for (const effect of effects) this.#carryOut(effect);
    this.#stopsOnBoth();
    this.#judge();
  }

  /** Sessions of which copies are being sent. */
  get sending(): string[] {
    const all = [...this.fates].filter(([, { forks }]) => forks === 'sent' || forks === 'paused');
    return all.map(([recordId]) => recordId);
  }

  #next(until: number): boolean {
    const [next] = this.#due.sort((x, y) => x.at - y.at || x.order - y.order);
    if (next === undefined || next.at > until) return false;
    this.#due.shift();
    this.now = next.at;
    next.happen();
    return true;
  }

  #at(at: number, happen: () => void): Due {
    const due = { at, order: (this.#dues += 1), happen };
    this.#due.push(due);
    return due;
  }

  #later(fromMs: number, toMs: number, happen: () => void): Due {
    return this.#at(this.now + this.#random.between(fromMs, toMs), happen);
  }

  /** An answer: at once, late, or twice. */
  #answer(mostMs: number, of: () => LegEvent | undefined): void {
    const tell = (): void => {
      this.#tellIf(of());
    };
    const mostNow = this.#random.chance(0.5) ? 0 : mostMs;
    this.#later(0, mostNow, tell);
    if (this.#random.chance(0.1)) this.#later(0, mostMs, tell);
  }

  #tellIf(event: LegEvent | undefined): void {
    if (event !== undefined) this.tell(event);
  }

  #anything(): LegEvent {
    const random = this.#random;
    const recorder = random.pick(recorders);
    const known = [...this.fates.keys()];
    const lately = random.chance(0.8) ? known.slice(-2) : known;
    const recordId = lately.length === 0 ? 'nobody' : random.pick(lately);
    const since = this.now - random.between(0, 3_000);
    const all: readonly LegEvent[] = [
      { type: 'pause' },
      { type: 'resume' },
      { type: 'describe' },
      { type: 'session-ended', recordId, reason: random.pick(signs) },
      { type: 'media-changed', recordId, media: random.pick(medias) },
      { type: 'fork-refused', recordId, at: since },
      { type: 'media-doubted', recordId },
      { type: 'media-lost', recordId, reason: random.pick(losses), since },
      { type: 'media-well', recordId },
      { type: 'recorder-draining', recorder },
      { type: 'recorder-available', recorder },
      { type: 'recorder-reports', recorder, everyMs: random.pick([0, 500, 5_000]) },
      {
        ...{ type: 'recorder-down', recorder, at: this.now, probeWindowMs: 1_000 },
        reason: random.pick(accusations),
      },
    ];
    return random.pick(all);
  }

  #carryOut(effect: LegEffect): void {
    const random = this.#random;
    switch (effect.do) {
      case 'allocate': {
        const able = recorders.filter((recorder) => !effect.exclude.includes(recorder));
        if (able.length === 0 || random.chance(0.2)) {
          this.#later(0, 5, () => {
            this.tell({ type: 'unallocated' });
          });
          return;
        }
        const recorder = random.pick(able);
        this.#later(0, 5, () => {
          this.#allocated(recorder);
        });
        return;
      }
      case 'release':
        this.#fateOf(effect.recordId).released += 1;
        return;
      case 'queue':
        this.#answer(20, () => ({ type: 'turn' }));
        return;
      case 'invite': {
        const { recordId } = effect.allocation;
        this.#fateOf(recordId).invited = true;
        if (random.chance(0.6)) this.#answer(answerMsMax, () => this.#taken(recordId));
        else this.#answer(answerMsMax, () => this.#notTaken(recordId));
        this.#at(this.now + answerMsMax, () => {
          this.#tellIf(this.#notTaken(recordId));
        });
        return;
      }
      case 'cancel-invite': {
        const { recordId } = effect;
        this.#check(this.#fateOf(recordId).invited, `${recordId} was not invited`);
        this.#answer(50, () => this.#notTaken(recordId));
        return;
      }
      case 'start-media':
        this.#startMedia(effect.recordId);
        return;
      case 'start-forks':
        this.#planned = effect.start;
        return;
      case 'retarget-forks':
      case 'pause-forks':
      case 'resume-forks':
        this.#order(effect);
        return;
      case 'drop-forks':
        this.#edge(
          () => {
            this.#stopForks(effect.recordId);
          },
          () => {
            const why = { reason: 'sip_error', message: 'not wanted any more' } as const;
            this.tell({ type: 'not-taken', recordId: effect.recordId, why });
          },
        );
        return;
      case 'look': {
        const { recordId } = effect;
        this.#fateOf(recordId);
        // One that is never answered must not hold up the end.
        if (random.chance(0.05)) return;
        this.#answer(5, () =>
          random.chance(0.1)
            ? { type: 'not-looked', recordId }
            : { type: 'looked', recordId, forks: this.#forks(), streams },
        );
        return;
      }
      case 'retire': {
        const { recordId } = effect;
        this.#edge(
          () => {
            this.#stopForks(recordId);
          },
          () => {
            this.#answer(5, () => ({ type: 'retired', recordId, stock }));
          },
        );
        return;
      }
      case 'finish':
        this.#finish(effect.recordId, effect.reason);
        return;
      case 'tell': {
        const { recordId } = effect;
        this.#fateOf(recordId);
        this.#answer(answerMsMax, () => this.#outcome(recordId));
        return;
      }
      case 'bye': {
        const { recordId } = effect;
        this.#fateOf(recordId).over += 1;
        this.#answer(answerMsMax, () => ({ type: 'gone', recordId }));
        return;
      }
      case 'abandon':
        this.#fateOf(effect.recordId).over += 1;
        return;
      case 'set-timer':
        this.#setTimer(effect);
        return;
      case 'clear-timer':
        this.#clearTimer(effect.name);
        return;
      case 'note-not-taken':
      case 'ask':
      case 'blame':
      case 'praise':
      case 'note-habit':
      case 'note-failover':
      case 'note-unrecorded':
      case 'note-recorded':
      case 'log':
        return;
      default:
        effect satisfies never;
    }
  }

  #allocated(recorder: string): void {
    const recordId = `rs-${this.fates.size + 1}`;
    const fate: Fate = { recorder, released: 0, invited: false, over: 0, forks: 'none' };
    this.fates.set(recordId, fate);
    const allocation = { recordId, recorder, uri: 'sip:r', zone: 'z' };
    this.tell({ type: 'allocated', allocation });
  }

  #taken(recordId: string): LegEvent {
    const taken = this.#random.pick(medias);
    return { type: 'answered', recordId, media: taken, offered: ['a', 'b'] };
  }

  /** Not where its copies run already. */
  #notTaken(recordId: string): LegEvent | undefined {
    if (this.#fateOf(recordId).forks !== 'none') return undefined;
    const ours = this.#random.chance(0.1);
    const why = { reason: 'sip_error', message: 'no', ours } as const;
    return { type: 'not-taken', recordId, why };
  }

  #outcome(recordId: string): LegEvent {
    const random = this.#random;
    if (random.chance(0.6)) {
      return { type: 'told', recordId, media: random.pick(medias), offered: ['a', 'b'] };
    }
    const kind = random.pick(['refused', 'silent', 'ours'] as const);
    return { type: 'not-told', recordId, kind, reason: 'sip_timeout', askedAt: this.now };
  }

  #startMedia(recordId: string): void {
    this.#later(0, 5, () => {
      this.tell({ type: 'stocking', recordId });
      const retired = retiredBy(this.leg);
      this.#edge(
        () => {
          if (retired !== undefined) this.#stopForks(retired.recordId);
        },
        () => {
          this.#stocked(recordId);
        },
      );
    });
  }

  #stocked(recordId: string): void {
    if (this.#random.chance(0.05)) {
      this.#tellIf(this.#notTaken(recordId));
      return;
    }
    this.#planned = undefined;
    this.tell({ type: 'stocked', recordId, stock, live: {} });
    const planned = this.#planned as { paused: boolean } | undefined;
    if (planned === undefined) return;
    const isRefused = this.#random.chance(0.1);
    const fate = this.#fateOf(recordId);
    fate.forks = 'starting';
    this.#edge(
      () => {
        fate.forks = isRefused ? 'none' : planned.paused ? 'paused' : 'sent';
      },
      () => {
        if (isRefused) this.#tellIf(this.#notTaken(recordId));
        else this.#answer(0, () => ({ type: 'begun', recordId }));
      },
    );
  }

  #finish(recordId: string, reason: string): void {
    this.#edge(
      () => {
        this.#stopForks(recordId);
      },
      () => {
        this.tell({ type: 'finishing', recordId, reason, forks: {}, streams });
        this.#later(0, settings.finalReportMs, () => {
          this.tell({ type: 'finished', recordId, forks: undefined });
        });
      },
    );
  }

  #order({ do: what, recordId, order }: ForkOrder): void {
    const fails = this.#random.chance(0.05);
    this.#edge(
      () => {
        if (fails || what === 'retarget-forks') return;
        const fate = this.#fateOf(recordId);
        if (fate.forks !== 'sent' && fate.forks !== 'paused') return;
        fate.forks = what === 'pause-forks' ? 'paused' : 'sent';
      },
      () => {
        if (fails) this.tell({ type: 'not-obeyed', recordId, order, what });
        else this.#answer(20, () => ({ type: 'obeyed', recordId, order }));
      },
    );
  }

  /** It obeys, and answers, in the order in which it is told. */
  #edge(obey: () => void, answer: () => void): void {
    const random = this.#random;
    const [takesMs, answerMs] = [random.pick([0, 0, 1, 60]), random.pick([0, 0, 5])];
    this.#obeysAt = Math.max(this.#obeysAt, this.now + takesMs);
    this.#answersAt = Math.max(this.#answersAt, this.#obeysAt + answerMs);
    const answersAt = this.#answersAt;
    this.#at(this.#obeysAt, () => {
      obey();
      this.#judge();
      this.#at(answersAt, answer);
    });
  }

  /** Of the call's other leg the edge stops at any time. */
  #stopsOnBoth(): void {
    const mayBe = (): boolean =>
      this.leg.phase !== 'ended' && this.leg.awaitsStop === true && isStopped(this.leg);
    if (!mayBe()) return;
    this.#later(0, 20, () => {
      if (mayBe()) this.tell({ type: 'stopped' });
    });
  }

  /** Idempotent in the edge; a leg that forgot would not do it at all. */
  #stopForks(recordId: string): void {
    this.#fateOf(recordId).forks = 'stopped';
  }

  #setTimer({ name, delayMs }: Extract<LegEffect, { do: 'set-timer' }>): void {
    this.#clearTimer(name);
    const timer = this.#later(delayMs, delayMs, () => {
      this.timers.delete(name);
      this.tell({ type: 'timer', name });
    });
    this.timers.set(name, timer);
  }

  #clearTimer(name: TimerName): void {
    const timer = this.timers.get(name);
    if (timer !== undefined && this.#due.includes(timer)) {
      this.#due.splice(this.#due.indexOf(timer), 1);
    }
    this.timers.delete(name);
  }

  #forks(): { a: ForkReport; b: ForkReport } {
    const random = this.#random;
    const fork = (): ForkReport =>
      forkReport([range(1, random.between(1, 100))], {
        state: random.pick(['live', 'catching-up', 'paused'] as const),
        ...(random.chance(0.5) && {
          receiverReports: random.between(1, 100),
          receiverReport: {
            at: this.now - random.between(0, 3_000),
            highestSequence: random.between(1, 100),
            fractionLost: 0,
            jitterMs: 0,
          },
        }),
      });
    return { a: fork(), b: fork() };
  }

  /** Holds at any time. */
  #judge(): void {
    const { desired, phase, sessions, failovers, recentFailures } = this.leg;
    const isSent = [...this.fates.values()].some(({ forks }) => forks === 'sent');
    this.#check(!(desired.paused && isStopped(this.leg) && isSent), 'it has not stopped');
    const isPaused = desired.paused && phase === 'running' && isSettled(this.leg);
    this.#check(!(isPaused && isSent), 'it is sent to in a pause');
    this.#check(phase !== 'ended' || this.sending.length === 0, 'it is sent to after the end');
    const open = sessions.filter(({ endedAt }) => endedAt === undefined);
    this.#check(open.length <= 2, `${open.length} sessions at a time`);
    this.#check(failovers.length <= 100 && recentFailures.length <= 64, 'lists grow');
  }

  #fateOf(recordId: string): Fate {
    const fate = this.fates.get(recordId);
    if (fate !== undefined) return fate;
    this.#check(false, `${recordId} was never allocated`);
    return { recorder: '', released: 0, invited: false, over: 0, forks: 'none' };
  }

  #check(holds: boolean, what: string): void {
    if (!holds) this.wrong.push(`${this.now}: ${what}`);
  }
}
