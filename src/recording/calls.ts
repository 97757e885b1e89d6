import { randomUUID } from 'node:crypto';
import type { Timer } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type {
  CallRequest,
  CallService,
  CallState,
  FailoverState,
  RecordingAction,
  RecordingMode,
} from './call-state.ts';
import { Call } from './call.ts';
import type { MediaPath, Party } from './interfaces.ts';
import { LegDirectory } from './leg-directory.ts';
import type { Leg, LegServices, RecordingServices } from './leg.ts';
import type { Ledger } from './ledger.ts';
import { Pacer } from './pacer.ts';
import { SessionStarts } from './session-starts.ts';
import { MediaWatch } from './media-watch.ts';
import type { MediaWatchSettings } from './media-watch.ts';

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
  readonly detection: MediaWatchSettings;
}

const sweepMs = 10_000;

/** All calls by id; brings what bridge, recorders and sessions report to the leg that it concerns. */
export class Calls implements CallService {
  readonly #services: LegServices;
  readonly #options: CallsOptions;
  readonly #logger: Logger;
  readonly #calls = new Map<string, Call>();
  readonly #ended = new Map<string, { state: CallState; ledger: Ledger }>();
  readonly #endedFailovers: (FailoverState & { callId: string })[] = [];
  readonly #mediaWatch: MediaWatch;
  #sweep: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(services: RecordingServices, options: CallsOptions, logger: Logger) {
    const directory = new LegDirectory();
    const pacer = new Pacer(services.clock);
    const starts = new SessionStarts(services.bridge);
    this.#services = { ...services, directory, pacer, starts };
    this.#mediaWatch = new MediaWatch(services.bridge, services.clock, options.detection, {
      late: (recordId) => directory.find(recordId)?.reportsLate(recordId),
      silent: (recordId, since) =>
        directory.find(recordId)?.mediaLost(recordId, 'rtcp_silence', since),
      losing: (recordId, since) =>
        directory.find(recordId)?.mediaLost(recordId, 'rtcp_loss', since),
    });
    this.#options = options;
    this.#logger = logger;
  }

  /** Begins to listen. */
  start(): void {
    const { bridge, client, allocator, directory } = this.#services;
    bridge.on('forkRefused', ({ recordId, at }) =>
      directory.find(recordId)?.forkRefused(recordId, at),
    );
    bridge.on('callLost', ({ callId, reason }) => {
      this.#endInBackground(callId, reason);
    });
    client.on('mediaChanged', ({ recordId, media }) =>
      directory.find(recordId)?.mediaChanged(recordId, media),
    );
    client.on('ended', ({ recordId, reason, detail }) =>
      directory.find(recordId)?.sessionEnded(recordId, reason, detail),
    );
    allocator.on('recorderDown', ({ recorder, reason, at }) => {
      const { probeWindowMs } = this.#options;
      for (const leg of this.#legs()) leg.recorderDown(recorder, reason, at, probeWindowMs);
    });
    allocator.on('recorderDraining', ({ recorder }) => {
      for (const leg of this.#legs()) leg.recorderDraining(recorder);
    });
    allocator.on('recorderAvailable', ({ recorder }) => {
      for (const leg of this.#legs()) leg.recorderAvailable(recorder);
    });
    this.#mediaWatch.start();
    this.#scheduleSweep();
  }

  async create(request: CallRequest): Promise<{ id: string; offer: string }> {
    const id = request.id ?? randomUUID();
    const { observer } = this.#services;
    try {
      if (this.#closing !== undefined) throw new TandemError('CALL_LIMIT', 'shutting down');
      if (this.#calls.has(id)) {
        throw new TandemError('CALL_EXISTS', `there is a call ${id}`, {
          details: { field: 'id', value: id },
        });
      }
      const call = new Call(this.#services, {
        id,
        request,
        mode: request.recording?.mode ?? this.#options.mode,
        scarce: this.#options.scarce,
        logger: this.#logger,
      });
      // Registered first, so that the id is taken while the ports are opened.
      this.#calls.set(id, call);
      try {
        const { path, latch } = this.#options;
        const { offer } = await call.open(
          request.media?.path ?? path,
          request.media?.latch ?? latch,
        );
        observer.callCreated();
        return { id, offer };
      } catch (error) {
        this.#calls.delete(id);
        throw error;
      }
    } catch (error) {
      observer.callRejected(error instanceof TandemError ? error.code : 'INTERNAL');
      throw error;
    }
  }

  answer(callId: string, answer: string): Promise<{ answer: string }> {
    return this.#call(callId).answer(answer);
  }

  rejectReoffer(callId: string): Promise<void> {
    return this.#call(callId).rejectReoffer();
  }

  reoffer(callId: string, party: Party, offer: string): Promise<{ offer: string }> {
    return this.#call(callId).reoffer(party, offer);
  }

  recording(callId: string, action: RecordingAction): Promise<CallState> {
    return this.#call(callId).record(action);
  }

  delete(callId: string): Promise<void> {
    return this.#end(this.#call(callId), 'ended');
  }

  get(callId: string): CallState {
    const ended = this.#calls.has(callId) ? undefined : this.#ended.get(callId);
    return ended?.state ?? this.#call(callId).describe();
  }

  list(): readonly CallState[] {
    return this.#opened().map((call) => call.describe());
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

  /** Read at scrape. */
  counts(): { state: string; path: string; count: number }[] {
    return tally(this.#opened(), (call) => call.kind);
  }

  /** Legs by state; read at scrape. */
  legCounts(): { state: string; count: number }[] {
    return tally(this.#legs(), (leg) => ({ state: leg.lifeState }));
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
  }

  async #end(call: Call, reason: string): Promise<void> {
    try {
      await call.end(reason);
    } finally {
      this.#forget(call);
    }
  }

  #forget(call: Call): void {
    if (this.#calls.get(call.id) !== call) return;
    this.#calls.delete(call.id);
    if (!call.opened) return;
    this.#ended.delete(call.id);
    const ledger = call.ledger();
    this.#ended.set(call.id, { state: call.describe(), ledger });
    forgetOldest(this.#ended, this.#options.endedKept);
    this.#endedFailovers.push(
      ...call.failovers().map((failover) => ({ callId: call.id, ...failover })),
    );
    this.#endedFailovers.splice(0, this.#endedFailovers.length - this.#options.failoversKept);
    this.#services.observer.callEnded(ledger);
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
    const { clock } = this.#services;
    this.#sweep = clock.setTimeout(() => {
      const now = clock.now();
      for (const call of this.#calls.values()) {
        const { unansweredMs, idleMs } = this.#options;
        if (call.state === 'offered') {
          if (now - call.createdAt > unansweredMs) this.#endInBackground(call.id, 'unanswered');
        } else if (now - call.lastHeardAt() > idleMs) {
          this.#endInBackground(call.id, 'idle');
        }
      }
      this.#scheduleSweep();
    }, sweepMs);
  }

  #call(callId: string): Call {
    const call = this.#calls.get(callId);
    if (call === undefined) {
      throw new TandemError('CALL_NOT_FOUND', `there is no call ${callId}`, {
        details: { field: 'id', value: callId },
      });
    }
    return call;
  }

  /** A call of which the ports are not pinned yet has nothing to show. */
  #opened(): Call[] {
    return [...this.#calls.values()].filter(({ opened }) => opened);
  }

  #legs(): Leg[] {
    return [...this.#calls.values()].flatMap((call) => call.legs);
  }
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
