import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { Timer } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Ledger } from './account/ledger.ts';
import type { Forks } from './account/records.ts';
import { legId } from './adoption/stored.ts';
import type {
  AdoptionReport,
  StandingSession,
  StoredCall,
  StoredCalls,
  StoredEnd,
  StoredLeg,
} from './adoption/stored.ts';
import type {
  CallRequest,
  CallService,
  CallsPage,
  CallState,
  FailoverState,
  RecordingAction,
  RecordingMode,
} from './call-state.ts';
import type { Ask } from './call/call-data.ts';
import { CallRunner } from './call/call-runner.ts';
import { isOverdue } from './call/to-send.ts';
import { parties } from './interfaces.ts';
import type { CallMedia, MediaPath, Party } from './interfaces.ts';
import { LegDirectory } from './leg-directory.ts';
import { noJournal } from './journal.ts';
import type { Journal } from './journal.ts';
import type { LegEvent } from './leg/leg-events.ts';
import type { LegRunner, LegServices } from './leg/leg-runner.ts';
import { nameOf } from './leg/leg-view.ts';
import { MediaWatch } from './media-watch.ts';
import type { MediaWatchSettings } from './media-watch.ts';
import { Pacer } from './pacer.ts';
import { SessionStarts } from './session-starts.ts';

/** What all recording needs of the world. */
export type RecordingServices = Omit<LegServices, 'directory' | 'journal' | 'pacer' | 'starts'> & {
  /** Default: calls end with their process. */
  readonly journal?: Journal;
};

export interface CallsOptions {
  readonly mode: RecordingMode;
  readonly scarce: 'single' | 'refuse';
  readonly path: MediaPath;
  readonly latch: 'announced' | 'any';
  readonly failoversKept: number;
  /** Calls whose last state stays readable after their end. */
  readonly endedKept: number;
  /** A call that nobody answered is given up after this. */
  readonly unansweredMs: number;
  /** A call in which neither party was heard for this long is given up. */
  readonly idleMs: number;
  /** OPTIONS of a recorder go back this far when they say that it is down. */
  readonly probeWindowMs: number;
  /** A party that is to send and is not heard for this long after the answer is told of. */
  readonly noMediaMs: number;
  readonly detection: MediaWatchSettings;
}

const sweepMs = 5_000;
/** Described in one visit to the edge; other work has its turn after each. */
const describedAtOnce = 16;
/** A call that takes longer to end goes on doing so by itself: what is in its rings still goes out. */
const deleteWaitMs = 1_000;

/** All calls by id; brings what bridge, recorders and sessions report to the leg that it concerns. */
export class Calls implements CallService {
  readonly #services: LegServices;
  readonly #options: CallsOptions;
  readonly #logger: Logger;
  readonly #calls = new Map<string, CallRunner>();
  readonly #ended = new Map<string, { state: CallState; ledger: Ledger }>();
  readonly #endedFailovers: (FailoverState & { callId: string })[] = [];
  readonly #mediaWatch: MediaWatch;
  /** Parties that are not heard, as told last, by call. */
  readonly #silent = new Map<string, string>();
  #sweep: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(services: RecordingServices, options: CallsOptions, logger: Logger) {
    const { bridge, clock, journal = noJournal } = services;
    const directory = new LegDirectory();
    const pacer = new Pacer(clock);
    const starts = new SessionStarts(bridge);
    this.#services = { ...services, directory, journal, pacer, starts };
    this.#mediaWatch = new MediaWatch(bridge, clock, options.detection, {
      reportsEveryMs: (recordId) => directory.find(recordId)?.reportsEveryMs,
      refused: (recordId, at) => {
        this.#tell({ type: 'fork-refused', recordId, at });
      },
      doubted: (recordId) => {
        this.#tell({ type: 'media-doubted', recordId });
      },
      lost: (recordId, reason, since) => {
        this.#tell({ type: 'media-lost', recordId, reason, since });
      },
      well: (recordId) => {
        this.#tell({ type: 'media-well', recordId });
      },
      blind: (error) => {
        logger.error({ error: messageOf(error) }, 'recorders could not be watched');
      },
    });
    this.#options = options;
    this.#logger = logger;
  }

  /**
   * Goes on with what another process left: after the bridge has taken over its part, and after `start`. Whatever was half done is done
   * again, or undone.
   */
  adopt(stored: StoredCalls): AdoptionReport {
    for (const { state, ledger } of stored.ended) this.#remember(state, ledger);
    const known = stored.calls.filter(({ data }) => data.opened);
    for (const call of known) {
      const legs = stored.legs.filter(({ callId }) => callId === call.id);
      this.#calls.set(call.id, this.#runnerOf(call, legs));
    }
    const { journal } = this.#services;
    for (const { id, data } of stored.calls) if (!data.opened) journal.remove('call', id);
    for (const { callId, recording, data } of stored.legs) {
      const recordings = this.#calls.get(callId)?.data.recordings ?? [];
      const isKnown = recordings.some(({ number }) => number === recording);
      if (!isKnown) journal.remove('leg', legId(callId, recording, data.leg));
    }
    const { standing, unwanted } = this.#adoptSessions(stored.sessions);
    let lost = 0;
    for (const call of [...this.#calls.values()]) {
      try {
        call.adopt(standing);
      } catch (error) {
        // One that cannot be gone on with is no reason to lose the others.
        const { id: callId } = call;
        this.#logger.error({ callId, error: messageOf(error) }, 'call cannot be gone on with');
        this.#endInBackground(callId, 'it cannot be gone on with');
        continue;
      }
      const hasPorts = this.#services.bridge.pathOf(call.id) !== undefined;
      if (call.data.state === 'ended') {
        this.#forget(call);
      } else if (call.isEnding) {
        this.#endInBackground(call.id, 'it was asked to end');
      } else if (!hasPorts) {
        lost += 1;
        this.#endInBackground(call.id, 'its ports are gone');
      }
    }
    const report: AdoptionReport = {
      calls: known.length - lost,
      callsLost: lost,
      callsUndone: stored.calls.length - known.length,
      sessions: Object.keys(standing).length,
      sessionsUnwanted: unwanted,
    };
    this.#logger.info(report, 'calls of another process go on here');
    return report;
  }

  #runnerOf(call: StoredCall, legs: readonly StoredLeg[]): CallRunner {
    const { id, request, path, latch, data } = call;
    const { mode, scarce } = data;
    const { noMediaMs } = this.#options;
    const options = { id, request, mode, scarce, path, latch, noMediaMs, logger: this.#logger };
    return new CallRunner(this.#services, options, { call, legs });
  }

  /** Those that legs are in go on; the others are ended. */
  #adoptSessions(stored: StoredCalls['sessions']): {
    standing: Record<string, StandingSession>;
    unwanted: number;
  } {
    const { client } = this.#services;
    const wanted = new Set([...this.#calls.values()].flatMap((call) => call.heldRecordIds));
    const standing: Record<string, StandingSession> = {};
    let unwanted = 0;
    for (const [recordId, kept] of stored) {
      try {
        const session = client.adopt(recordId, kept);
        if (session !== undefined && wanted.has(recordId)) {
          standing[recordId] = session;
        } else if (session !== undefined) {
          unwanted += 1;
          client.end(recordId, 'not wanted any more').catch(() => undefined);
        }
      } catch (error) {
        this.#logger.error({ recordId, error: messageOf(error) }, 'session cannot be gone on with');
      }
    }
    return { standing, unwanted };
  }

  /** Begins to listen. */
  start(): void {
    const { bridge, client, allocator } = this.#services;
    const { probeWindowMs } = this.#options;
    bridge.on('forkRefused', ({ recordId, at }) => {
      this.#tell({ type: 'fork-refused', recordId, at });
    });
    bridge.on('callLost', ({ callId, reason }) => {
      this.#endInBackground(callId, reason);
    });
    client.on('mediaChanged', ({ recordId, media }) => {
      this.#tell({ type: 'media-changed', recordId, media });
    });
    client.on('ended', ({ recordId, reason }) => {
      this.#tell({ type: 'session-ended', recordId, reason });
    });
    allocator.on('recorderDown', ({ recorder, reason, at }) => {
      this.#tellAll({ type: 'recorder-down', recorder, reason, at, probeWindowMs });
    });
    allocator.on('recorderDraining', ({ recorder }) => {
      this.#tellAll({ type: 'recorder-draining', recorder });
    });
    allocator.on('recorderAvailable', ({ recorder }) => {
      this.#tellAll({ type: 'recorder-available', recorder });
    });
    allocator.on('recorderReports', ({ recorder, everyMs }) => {
      this.#tellAll({ type: 'recorder-reports', recorder, everyMs });
    });
    this.#mediaWatch.start();
    this.#scheduleSweep();
  }

  async create(request: CallRequest): Promise<{ id: string; offer: string }> {
    const id = request.id ?? randomUUID();
    const { observer } = this.#services;
    const { mode, scarce, path, latch, noMediaMs } = this.#options;
    try {
      if (this.#closing !== undefined) throw new TandemError('CALL_LIMIT', 'shutting down');
      if (this.#calls.has(id)) {
        throw new TandemError('CALL_EXISTS', `there is a call ${id}`, {
          details: { field: 'id', value: id },
        });
      }
      const call = new CallRunner(this.#services, {
        id,
        request,
        mode: request.recording?.mode ?? mode,
        scarce,
        path: request.media?.path ?? path,
        latch: request.media?.latch ?? latch,
        noMediaMs,
        logger: this.#logger,
      });
      // Registered first, so that the id is taken while the ports are opened.
      this.#calls.set(id, call);
      try {
        const offer = await sdpOf(call, { what: 'open' });
        observer.callCreated();
        return { id, offer };
      } catch (error) {
        this.#calls.delete(id);
        call.forget();
        throw error;
      }
    } catch (error) {
      observer.callRejected(error instanceof TandemError ? error.code : 'INTERNAL');
      throw error;
    }
  }

  async answer(callId: string, sdp: string): Promise<{ answer: string }> {
    return { answer: await sdpOf(this.#call(callId), { what: 'answer', sdp }) };
  }

  async rejectReoffer(callId: string): Promise<void> {
    await this.#call(callId).ask({ what: 'reject' });
  }

  async reoffer(callId: string, party: Party, sdp: string): Promise<{ offer: string }> {
    return { offer: await sdpOf(this.#call(callId), { what: 'reoffer', party, sdp }) };
  }

  async recording(callId: string, action: RecordingAction): Promise<CallState> {
    const call = this.#call(callId);
    await call.ask({ what: 'record', action });
    return call.describe();
  }

  /** Resolves when the call has ended, or goes on ending. */
  async delete(callId: string): Promise<void> {
    const { clock } = this.#services;
    const ended = this.#end(this.#call(callId), 'ended');
    const late = Promise.withResolvers<undefined>();
    const timer = clock.setTimeout(() => {
      this.#logger.info({ callId }, 'call goes on ending');
      late.resolve(undefined);
    }, deleteWaitMs);
    await Promise.race([ended, late.promise]).finally(() => {
      clock.clearTimeout(timer);
    });
    ended.catch((error: unknown) => {
      this.#logger.error({ callId, error: messageOf(error) }, 'call did not end cleanly');
    });
  }

  get(callId: string): CallState {
    const ended = this.#calls.has(callId) ? undefined : this.#ended.get(callId);
    return ended?.state ?? this.#call(callId).describe();
  }

  async list({ limit, after }: CallsPage): Promise<{ calls: CallState[]; next: string | null }> {
    const known = this.#opened()
      .filter(({ id }) => after === undefined || id > after)
      .sort((left, right) => (left.id < right.id ? -1 : 1));
    const page = known.slice(0, limit);
    const next = known.length > limit ? (page.at(-1)?.id ?? null) : null;
    const calls: CallState[] = [];
    for await (const [call, ...seen] of this.#described(page)) calls.push(call.describe(...seen));
    return { calls, next };
  }

  ledger(callId: string): Ledger {
    const ended = this.#calls.has(callId) ? undefined : this.#ended.get(callId);
    return ended?.ledger ?? this.#call(callId).ledger();
  }

  /** Oldest first, at most `failoversKept`. */
  failovers(): readonly (FailoverState & { readonly callId: string })[] {
    const running = [...this.#calls.values()].flatMap((call) =>
      call.failovers().map((failover) => ({ callId: call.id, ...failover })),
    );
    return [...this.#endedFailovers, ...running]
      .sort((x, y) => x.at.localeCompare(y.at))
      .slice(-this.#options.failoversKept);
  }

  get count(): number {
    return this.#calls.size;
  }

  /** Recording sessions that events can still reach. */
  get routed(): number {
    return this.#services.directory.size;
  }

  /** Calls in which a party that is to send is not heard. */
  get silent(): number {
    return this.#silent.size;
  }

  /** Read at scrape. */
  counts(): { state: string; path: string; count: number }[] {
    return tally(this.#opened(), (call) => ({
      state: call.data.state,
      path: this.#services.bridge.pathOf(call.id) ?? call.path,
    }));
  }

  /** Legs by state; read at scrape. */
  legCounts(): { state: string; count: number }[] {
    return tally(this.#legs(), (leg) => ({ state: nameOf(leg.data) }));
  }

  /** Ends every call: BYE to all recorders, files whole. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#mediaWatch.close();
    if (this.#sweep !== undefined) this.#services.clock.clearTimeout(this.#sweep);
    await Promise.allSettled(
      [...this.#calls.values()].map((call) => this.#end(call, 'shutting down')),
    );
    this.#services.pacer.close();
  }

  async #end(call: CallRunner, reason: string): Promise<void> {
    try {
      await call.ask({ what: 'end', reason });
    } finally {
      this.#forget(call);
    }
  }

  #forget(call: CallRunner): void {
    if (this.#calls.get(call.id) !== call) return;
    this.#calls.delete(call.id);
    this.#silent.delete(call.id);
    call.forget();
    if (!call.data.opened) return;
    const ended: StoredEnd = { state: call.describe(), ledger: call.ledger() };
    this.#services.journal.put('ended', call.id, ended);
    this.#remember(ended.state, ended.ledger);
    this.#services.observer.callEnded(ended.ledger);
  }

  #remember(state: CallState, ledger: Ledger): void {
    const { id: callId, failovers } = state;
    this.#ended.delete(callId);
    this.#ended.set(callId, { state, ledger });
    forgetOldest(this.#ended, this.#options.endedKept);
    this.#endedFailovers.push(...failovers.map((failover) => ({ callId, ...failover })));
    this.#endedFailovers.splice(0, this.#endedFailovers.length - this.#options.failoversKept);
  }

  #endInBackground(callId: string, reason: string): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    this.#logger.warn({ callId, reason }, 'call given up');
    this.#end(call, reason).catch((error: unknown) => {
      this.#logger.error({ callId, error: messageOf(error) }, 'call did not end cleanly');
    });
  }

  #scheduleSweep(): void {
    this.#sweep = this.#services.clock.setTimeout(() => {
      try {
        this.#lookAround();
      } catch (error) {
        this.#logger.error({ error: messageOf(error) }, 'calls could not be looked at');
      }
      this.#scheduleSweep();
    }, sweepMs);
  }

  /** Gives up calls that nobody answers or speaks in, and tells of those that have no media. */
  #lookAround(): void {
    const { unansweredMs, idleMs } = this.#options;
    const now = this.#services.clock.now();
    const heard = this.#services.bridge.lastHeard();
    for (const call of this.#opened()) {
      const { a, b } = heard.get(call.id) ?? { a: 0, b: 0 };
      if (call.data.state === 'offered') {
        if (now - call.createdAt > unansweredMs) this.#endInBackground(call.id, 'unanswered');
      } else if (now - Math.max(call.createdAt, a, b) > idleMs) {
        this.#endInBackground(call.id, 'idle');
      } else {
        this.#watchSilence(call, { a, b }, now);
      }
    }
  }

  #watchSilence(call: CallRunner, heard: Readonly<Record<Party, number>>, now: number): void {
    const { state, toSend } = call.data;
    const { noMediaMs } = this.#options;
    if (state === 'ended' || !call.isRecorded) return;
    const silent = parties.filter(
      (party) => heard[party] === 0 && isOverdue(toSend[party], noMediaMs, now),
    );
    const told = this.#silent.get(call.id) ?? '';
    if (silent.join() === told) return;
    if (silent.length === 0) this.#silent.delete(call.id);
    else this.#silent.set(call.id, silent.join());
    this.#services.observer.callWithoutMedia(call.id, silent);
  }

  /** Those that still have ports, with their media and the copies of it; a few in each turn of the event loop. */
  async *#described(
    all: readonly CallRunner[],
  ): AsyncGenerator<readonly [CallRunner, CallMedia, ReadonlyMap<string, Forks>]> {
    const calls = [...all];
    while (calls.length > 0) {
      const some = calls.splice(0, describedAtOnce);
      const { bridge } = this.#services;
      const media = bridge.describeCalls(some.map(({ id }) => id));
      const recordIds = some.flatMap((call) => call.recordIds);
      const reports = bridge.allForkReports(recordIds);
      const forks = new Map(recordIds.map((recordId, index) => [recordId, reports[index] ?? {}]));
      for (const [index, call] of some.entries()) {
        const described = media[index];
        if (described !== undefined) yield [call, described, forks];
      }
      if (calls.length > 0) await turn();
    }
  }

  #tell(event: LegEvent & { recordId: string }): void {
    this.#services.directory.find(event.recordId)?.post(event);
  }

  #tellAll(event: LegEvent): void {
    for (const leg of this.#legs()) leg.post(event);
  }

  #call(callId: string): CallRunner {
    const call = this.#calls.get(callId);
    if (call === undefined) {
      throw new TandemError('CALL_NOT_FOUND', `there is no call ${callId}`, {
        details: { field: 'id', value: callId },
      });
    }
    return call;
  }

  /** A call of which the ports are not pinned yet has nothing to show. */
  #opened(): CallRunner[] {
    return [...this.#calls.values()].filter(({ data }) => data.opened);
  }

  #legs(): LegRunner[] {
    return [...this.#calls.values()].flatMap((call) => call.legs);
  }
}

async function sdpOf(call: CallRunner, ask: Ask): Promise<string> {
  const reply = await call.ask(ask);
  return 'sdp' in reply ? reply.sdp : '';
}

/** How often each kind occurs. */
function tally<T, K extends Readonly<Record<string, string>>>(
  items: readonly T[],
  kindOf: (item: T) => K,
): (K & { count: number })[] {
  const tallies = new Map<string, K & { count: number }>();
  for (const item of items) {
    const kind = kindOf(item);
    const key = Object.values(kind).join(' ');
    const known = tallies.get(key);
    if (known === undefined) tallies.set(key, { ...kind, count: 1 });
    else known.count += 1;
  }
  return [...tallies.values()];
}

function forgetOldest(map: Map<string, unknown>, kept: number): void {
  for (const key of map.keys()) {
    if (map.size <= kept) return;
    map.delete(key);
  }
}
