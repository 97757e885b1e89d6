import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { count, gaps, subtract, union } from '../../rtp/ranges.ts';
import { legDelivery } from '../account/books.ts';
import type { LegBooks } from '../account/books.ts';
import { buildLedger } from '../account/ledger.ts';
import type { Ledger, LegInput } from '../account/ledger.ts';
import type { Forks, Marks, Streams, WindowRecord } from '../account/records.ts';
import { failoverState } from '../account/shown.ts';
import { joinWindows, marksOf } from '../account/window.ts';
import { legId } from '../adoption/stored.ts';
import type { StandingSession, StoredCall, StoredLeg } from '../adoption/stored.ts';
import type {
  CallRequest,
  CallState,
  FailoverState,
  Leg as LegNumber,
  PartyState,
  RecordingMode,
} from '../call-state.ts';
import { isSameState } from '../is-same-state.ts';
import { parties } from '../interfaces.ts';
import type { CallMedia, MediaPath, PartyMedia } from '../interfaces.ts';
import type { LegData } from '../leg/leg-data.ts';
import { LegRunner } from '../leg/leg-runner.ts';
import type { LegServices } from '../leg/leg-runner.ts';
import { reportHabitOf } from '../leg/leg-turn.ts';
import { booksOf, isSettled, isStopped, legState, placesOf } from '../leg/leg-view.ts';
import { newCall } from './call-data.ts';
import type { Ask, CallData, LegSummary } from './call-data.ts';
import type { CallEffect, CallEvent, Reply } from './call-events.ts';
import { running, step } from './call-step.ts';
import { newIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { wasToSend } from './to-send.ts';

export interface CallOptions {
  readonly id: string;
  readonly request: CallRequest;
  readonly mode: RecordingMode;
  readonly scarce: 'single' | 'refuse';
  readonly path: MediaPath;
  readonly latch: 'announced' | 'any';
  /** A party that was to send for so long and was not heard is a finding. */
  readonly noMediaMs: number;
  readonly logger: Logger;
}

/** The legs of one recording, and who they say is talking. */
interface Recording {
  readonly number: number;
  readonly identity: Identity;
  readonly legs: readonly LegRunner[];
}

/** A call and its legs as another process left them. */
export interface StoredParts {
  readonly call: StoredCall;
  readonly legs: readonly StoredLeg[];
}

interface LegParts {
  readonly leg: LegNumber;
  readonly stored: LegData | undefined;
}

/** Carries out what a call's `step` decides, with its legs and its media. It decides nothing itself. */
export class CallRunner {
  readonly id: string;
  readonly createdAt: number;
  readonly #services: LegServices;
  readonly #options: CallOptions;
  readonly #logger: Logger;
  readonly #recordings: Recording[] = [];
  readonly #events: CallEvent[] = [];
  readonly #asked = new Map<number, PromiseWithResolvers<Reply>>();
  #data: CallData;
  #isRunning = false;
  #legsToSee = false;
  #lastAsked: number;
  #isForgotten = false;
  /** As last seen: it is still needed when the bridge has let go of the call. */
  #media: CallMedia | undefined;
  #ending: Promise<Reply> | undefined;

  /** @param stored as another process left it; absent: it is new */
  constructor(services: LegServices, options: CallOptions, stored?: StoredParts) {
    this.id = options.id;
    this.createdAt = stored?.call.createdAt ?? services.clock.now();
    this.#services = services;
    this.#options = options;
    this.#logger = options.logger.child({ callId: options.id });
    this.#data = stored?.call.data ?? newCall(options.mode, options.scarce);
    this.#media = stored?.call.media;
    const { doing, queue } = this.#data;
    this.#lastAsked = Math.max(0, doing?.id ?? 0, ...queue.map(({ id }) => id));
    const end = [doing, ...queue].find((asked) => asked?.ask.what === 'end');
    if (end !== undefined) this.#ending = this.#answerOf(end.id);
    for (const { number, legs } of stored === undefined ? [] : recordingsOf(stored)) {
      const identity = stored?.call.identities[number];
      this.#addRecording(number, identity ?? newIdentity(this.id, options.request.parties), legs);
    }
  }

  /**
   * Goes on where another process stopped.
   * @param sessions by recordId, whose dialogs stand
   */
  adopt(sessions: Readonly<Record<string, StandingSession>>): void {
    for (const { legs } of this.#recordings) for (const leg of legs) leg.adopt(sessions);
    this.#post({ type: 'adopted' });
  }

  /** Nothing of it outlives the process any more. Idempotent. */
  forget(): void {
    if (this.#isForgotten) return;
    this.#isForgotten = true;
    const { journal } = this.#services;
    journal.remove('call', this.id);
    for (const { number, legs } of this.#recordings)
      for (const { data } of legs) journal.remove('leg', legId(this.id, number, data.leg));
  }

  get data(): CallData {
    return this.#data;
  }

  /** That it was to take. */
  get path(): MediaPath {
    return this.#media?.path ?? this.#options.path;
  }

  /** Of the sessions that run. */
  get recordIds(): readonly string[] {
    return this.legs.flatMap(({ data }) => data.live?.recordId ?? []);
  }

  /** Of the sessions that its legs are in, or about to be in. */
  get heldRecordIds(): readonly string[] {
    return this.#recordings.flatMap(({ legs }) => legs.flatMap((leg) => leg.heldRecordIds));
  }

  /** It was asked to end. */
  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  get isRecorded(): boolean {
    return running(this.#data) !== undefined;
  }

  /** Of the newest recording. */
  get legs(): readonly LegRunner[] {
    return this.#recordings.at(-1)?.legs ?? [];
  }

  /** @throws TandemError what the bridge throws; CALL_NOT_FOUND, CALL_STATE, ANSWER_*, RECORDING_OFF, NO_RECORDER */
  ask(ask: Ask): Promise<Reply> {
    if (ask.what === 'end') return (this.#ending ??= this.#ask(ask));
    return this.#ask(ask);
  }

  #ask(ask: Ask): Promise<Reply> {
    const id = (this.#lastAsked += 1);
    const answer = this.#answerOf(id);
    this.#post({ type: 'asked', id, ask, at: this.#services.clock.now(), marks: this.#marks() });
    return answer;
  }

  #answerOf(id: number): Promise<Reply> {
    const answer = Promise.withResolvers<Reply>();
    this.#asked.set(id, answer);
    return answer.promise;
  }

  #post(event: CallEvent): void {
    this.#events.push(event);
    this.#run();
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        const { state, effects } = step(this.#data, next, this.#services.clock.now());
        const before = this.#data;
        this.#data = state;
        if (!isSameState(before, state)) this.#keep();
        for (const effect of effects) this.#try(effect);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** What one effect runs into does not keep the others from being carried out: somebody waits for the reply. */
  #try(effect: CallEffect): void {
    try {
      this.#carryOut(effect);
    } catch (error) {
      this.#logger.error({ effect: effect.do, error: messageOf(error) }, 'could not be done');
    }
  }

  #carryOut(effect: CallEffect): void {
    const { bridge } = this.#services;
    const { id } = this;
    switch (effect.do) {
      case 'mark':
        this.#post({ type: 'marked', marks: this.#marks() });
        return;
      case 'make-legs':
        this.#makeLegs(effect);
        return;
      case 'legs':
        for (const leg of this.legs) leg.post(effect.event);
        this.#legsChanged();
        return;
      case 'see-legs':
        this.#legsChanged();
        return;
      case 'open-media': {
        const { request, path, latch } = this.#options;
        const opened = bridge.openCall({ callId: id, offer: request.offer, path, latch });
        this.#follow(opened.then(({ offer }) => offer));
        return;
      }
      case 'answer-media':
        this.#follow(bridge.answerCall(id, effect.sdp).then(({ answer }) => answer));
        return;
      case 'reoffer-media':
        this.#follow(bridge.reofferCall(id, effect.party, effect.sdp).then(({ offer }) => offer));
        return;
      case 'reject-media':
        this.#follow(bridge.cancelReoffer(id).then(() => ''));
        return;
      case 'close-media':
        void this.#closeMedia();
        return;
      case 'account':
        this.#account(effect.recording);
        return;
      case 'reply':
        this.#answer(effect.id, (answer) => {
          answer.resolve(effect.reply);
        });
        return;
      case 'fail':
        this.#answer(effect.id, (answer) => {
          answer.reject(effect.error);
        });
        return;
      default:
        effect satisfies never;
    }
  }

  /** Who hears of it may count on it: it outlives this process then. A store that fails keeps no call from being recorded. */
  #answer(id: number, give: (answer: PromiseWithResolvers<Reply>) => void): void {
    const answer = this.#asked.get(id);
    this.#asked.delete(id);
    if (answer === undefined) return;
    const kept = (): void => {
      give(answer);
    };
    this.#services.journal.flush().then(kept, kept);
  }

  #keep(): void {
    if (this.#isForgotten) return;
    const { request, path, latch } = this.#options;
    const call: StoredCall = {
      id: this.id,
      ...{ request, path, latch },
      createdAt: this.createdAt,
      data: this.#data,
      identities: Object.fromEntries(
        this.#recordings.map(({ number, identity }) => [number, identity]),
      ),
      ...(this.#media === undefined ? {} : { media: this.#media }),
    };
    this.#services.journal.put('call', this.id, call);
  }

  #keepLeg(recording: number, data: LegData): void {
    if (this.#isForgotten) return;
    const leg: StoredLeg = { callId: this.id, recording, data };
    this.#services.journal.put('leg', legId(this.id, recording, data.leg), leg);
  }

  #follow(done: Promise<string>): void {
    done.then(
      (sdp) => {
        this.#post({ type: 'media-done', sdp, sends: this.#services.bridge.sends(this.id) });
      },
      (error: unknown) => {
        this.#post({ type: 'media-failed', error });
      },
    );
  }

  async #closeMedia(): Promise<void> {
    try {
      this.#media = (await this.#services.bridge.closeCall(this.id)) ?? this.#media;
    } catch (error) {
      this.#logger.error({ error: messageOf(error) }, 'its ports could not be closed');
    }
    this.#post({ type: 'media-closed' });
  }

  #marks(): Marks {
    try {
      if (this.#data.opened) return marksOf(this.#streams());
    } catch (error) {
      this.#logger.error({ error: messageOf(error) }, 'its media could never be seen');
    }
    return { a: undefined, b: undefined };
  }

  #makeLegs({ recording: number, legs: numbers }: Extract<CallEffect, { do: 'make-legs' }>): void {
    const identity = newIdentity(this.id, this.#options.request.parties);
    this.#addRecording(
      number,
      identity,
      numbers.map((leg) => ({ leg, stored: undefined })),
    );
    this.#keep();
  }

  #addRecording(number: number, identity: Identity, all: readonly LegParts[]): void {
    const { tenant, site } = this.#options.request;
    const legs: LegRunner[] = [];
    const startedAt = (): number =>
      this.#data.recordings.find((recording) => recording.number === number)?.startedAt ?? 0;
    for (const { leg, stored } of all) {
      const runner = new LegRunner(
        this.#services,
        {
          leg,
          callId: this.id,
          tenant,
          site,
          window: () => this.#windowOf([{ number }]),
          streams: () => this.#streams(),
          communicationSession: () => ({
            ...identity,
            startedAt: this.#wallOf(startedAt()),
          }),
          others: () => legs.flatMap(({ data }) => (data.leg === leg ? [] : placesOf(data))),
          keep: (data) => {
            this.#keepLeg(number, data);
          },
          changed: () => {
            if (this.#recordings.at(-1)?.number === number) this.#legsChanged();
          },
          logger: this.#logger,
        },
        stored,
      );
      legs.push(runner);
    }
    this.#recordings.push({ number, identity, legs });
  }

  #legsChanged(): void {
    this.#legsToSee = true;
    this.#run();
  }

  /** Legs are looked at when all of them have been told what there is to tell: one that has not would seem to be done. */
  #next(): CallEvent | undefined {
    const event = this.#events.shift();
    if (event !== undefined || !this.#legsToSee) return event;
    this.#legsToSee = false;
    const isPausing = this.#data.recordings.at(-1)?.isPausing === true;
    if (this.#data.doing === undefined && !isPausing) return undefined;
    return { type: 'legs', legs: this.legs.map(({ data }) => summaryOf(data)) };
  }

  /** What no recorder of a leg has. */
  #account(number: number): void {
    const { observer } = this.#services;
    const recordings = this.#recordings.filter((recording) => recording.number === number);
    const streams = this.#streams();
    const { legs: verdicts } = this.#ledgerOf(recordings);
    for (const [{ leg }, books] of this.#legBooks(recordings, streams)) {
      const a = legDelivery(books, 'a');
      const b = legDelivery(books, 'b');
      const lostPackets = a.lostPackets + b.lostPackets;
      const verdict = verdicts.find((one) => one.leg === leg)?.verdict ?? 'unproven';
      const lostMs = a.lostMs + b.lostMs;
      const unreported = isUnreported(books);
      observer.legEnded(this.id, leg, { lostPackets, lostMs, verdict, unreported });
    }
  }

  /** @param forks as they were seen together with `media`, by recordId; absent: as they are */
  describe(media = this.#describeMedia(), forks?: ReadonlyMap<string, Forks>): CallState {
    this.#media = media;
    const streams = streamsOf(media);
    const { tenant, site } = this.#options.request;
    const legs = this.#legBooks(this.#recordings, streams, forks);
    return {
      id: this.id,
      state: this.#data.state,
      path: media.path,
      ...(tenant === undefined ? {} : { tenant }),
      ...(site === undefined ? {} : { site }),
      parties: { a: partyState(media.parties.a), b: partyState(media.parties.b) },
      recordings: legs.map(([leg, books]) => legState(leg, books, this.#wallOf)),
      failovers: this.failovers(),
    };
  }

  /** Oldest first. */
  failovers(): FailoverState[] {
    return this.#recordings
      .flatMap(({ legs }) => legs.flatMap(({ data }) => data.failovers))
      .sort((x, y) => x.detectedAt - y.detectedAt)
      .map((failover) => failoverState(failover, this.#wallOf));
  }

  /** Of all its recordings. */
  ledger(): Ledger {
    return this.#ledgerOf(this.#recordings);
  }

  #ledgerOf(recordings: readonly Recording[]): Ledger {
    const { clock } = this.#services;
    const streams = this.#streams();
    const { answeredAt, endedAt: until = clock.now(), toSend } = this.#data;
    const { noMediaMs } = this.#options;
    const lastedMs = until - (answeredAt ?? until);
    return buildLedger({
      callId: this.id,
      streams,
      window: this.#windowOf(recordings),
      legs: this.#legBooks(recordings, streams).map(([leg, books]) => ledgerInput(leg, books)),
      answered: answeredAt !== undefined,
      expectsMedia: {
        a: wasToSend(toSend.a, lastedMs, noMediaMs, until),
        b: wasToSend(toSend.b, lastedMs, noMediaMs, until),
      },
      now: clock.now(),
      wallOf: this.#wallOf,
    });
  }

  readonly #wallOf = (at: number): number => this.#services.clock.wallOf(at);

  #windowOf(recordings: readonly Pick<Recording, 'number'>[]): WindowRecord {
    const numbers = recordings.map(({ number }) => number);
    const all = this.#data.recordings.filter(({ number }) => numbers.includes(number));
    return joinWindows(all.map(({ window }) => window));
  }

  /** The legs as they are in the last of these recordings, with the sessions that they had in all of them. */
  #legBooks(
    recordings: readonly Recording[],
    streams: Streams,
    forks?: ReadonlyMap<string, Forks>,
  ): (readonly [LegData, LegBooks])[] {
    const { replay } = this.#services.settings;
    const window = this.#windowOf(recordings);
    const all = recordings.flatMap(({ legs }) => legs);
    return (recordings.at(-1)?.legs ?? []).map((leg) => {
      const { data } = leg;
      const sessions = all.flatMap((one) => (one.data.leg === data.leg ? one.data.sessions : []));
      const live = forks?.get(data.live?.recordId ?? '') ?? leg.liveForks();
      return [data, { ...booksOf(data, window, streams, live, replay), sessions }];
    });
  }

  #describeMedia(): CallMedia {
    if (this.#data.state === 'ended' && this.#media !== undefined) return this.#media;
    try {
      this.#media = this.#services.bridge.describeCall(this.id);
    } catch (error) {
      // The bridge may lose a call; what was seen of it last still holds.
      if (this.#media === undefined) throw error;
      this.#logger.debug({ error: messageOf(error) }, 'media as it was seen last');
    }
    return this.#media;
  }

  #streams(): Streams {
    return streamsOf(this.#describeMedia());
  }
}

/** In order. */
function recordingsOf({ call, legs }: StoredParts): { number: number; legs: LegParts[] }[] {
  return call.data.recordings.map((recording) => ({
    number: recording.number,
    legs: recording.legs.map((leg) => ({
      leg,
      stored: legs.find((one) => one.recording === recording.number && one.data.leg === leg)?.data,
    })),
  }));
}

/** Of a stream that was sent somewhere no recorder said anything. */
function isUnreported({ sessions }: LegBooks): boolean {
  return parties.some((party) => {
    const forks = sessions.flatMap(({ forks: all }) => all?.[party] ?? []);
    const sent = forks.filter(({ sentPackets }) => sentPackets > 0);
    return sent.length > 0 && sent.every(({ receiverReports }) => receiverReports === 0);
  });
}

function ledgerInput(data: LegData, books: LegBooks): LegInput {
  return { leg: data.leg, books, ...reportHabitOf(data) };
}

function summaryOf(data: LegData): LegSummary {
  return {
    leg: data.leg,
    looks: data.search.stage === 'allocating',
    reserved: data.search.stage === 'reserved',
    stopped: isStopped(data),
    settled: isSettled(data),
    ended: data.phase === 'ended',
  };
}

function streamsOf({ parties: { a, b } }: CallMedia): Streams {
  return { a: a.report, b: b.report };
}

function partyState({ local, report }: PartyMedia): PartyState {
  const lostBefore = subtract(gaps(report.received), union(report.dropped));
  return {
    local,
    latched: report.latched ?? null,
    packets: report.packets,
    upstreamLostPackets: count(lostBefore),
    refusedPackets: Object.values(report.refused).reduce((sum, refused) => sum + refused, 0),
    ssrcChanges: report.ssrcChangeCount,
  };
}
