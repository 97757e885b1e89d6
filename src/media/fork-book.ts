import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../clock.ts';
import type { AddForkOptions, EdgeEvent, ForkReport, ForkSigns, ForkStart } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Range } from '../rtp/ranges.ts';
import type { ForksStart, MediaAddress, MediaSigns, Party } from '../recording/interfaces.ts';
import { inChunks } from './edge-lists.ts';
import type { MediaEdge } from './media-edge.ts';
import { noMediaSigns, withStream } from './media-signs.ts';
import { bothParties, streamIndex } from './party.ts';

type ByParty<T> = Partial<Record<Party, T>>;

const liveStart: ForkStart = { kind: 'live' };
/** Final reports are told by events, too, but an event may be dropped. */
const settledEveryMs = 200;

interface Entry {
  readonly recordId: string;
  readonly callId: string;
  readonly portIds: Readonly<Record<Party, number>>;
  readonly forkIds: ByParty<number>;
  /** Forks that the recorder does not want now. */
  readonly held: Set<number>;
  paused: boolean;
  /** First packet that the pause withholds. */
  pausedFrom: ByParty<number>;
  keptOut: Readonly<ByParty<readonly Range[]>>;
  refusedTold: boolean;
  /** Set by `end`. */
  ended: PromiseWithResolvers<void> | undefined;
  /** Forks that ended, of whose recorder the final report is awaited. */
  readonly unreported: Set<number>;
}

/** One session's forks as they are to be, of ports that are known. */
export type ForksOfPorts = ForksStart & { readonly portIds: Readonly<Record<Party, number>> };

interface Addition {
  readonly entry: Entry;
  readonly party: Party;
  readonly options: AddForkOptions;
}

/** Which forks of which call feed which recording session. */
export class ForkBook extends EventEmitter<{
  refused: [{ recordId: string; at: number }];
}> {
  readonly #edge: MediaEdge;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #byFork = new Map<number, Entry>();
  readonly #byCall = new Map<string, Set<Entry>>();
  /** Of which final reports are awaited. */
  readonly #ending = new Set<Entry>();
  #settling: Timer | undefined;

  constructor(edge: MediaEdge, clock: Clock) {
    super();
    this.#edge = edge;
    this.#clock = clock;
  }

  /**
   * Each session gets all its forks, or none, and then what is wrong stands in its place: CALL_STATE when it has forks already;
   * EDGE_FAILED.
   */
  start(all: readonly ForksOfPorts[]): unknown[] {
    const errors: unknown[] = all.map(({ recordId }) =>
      this.#entries.has(recordId)
        ? new TandemError('CALL_STATE', `recording session ${recordId} has its media already`)
        : undefined,
    );
    const started = all.map((options, index) =>
      errors[index] === undefined ? this.#enter(options) : [],
    );
    try {
      this.#add(started.flat());
    } catch {
      // One of them has spoilt it for all.
      for (const [index, additions] of started.entries()) {
        try {
          this.#add(additions);
        } catch (error) {
          errors[index] = error;
          for (const { entry } of additions) this.#forget(entry);
        }
      }
    }
    return errors;
  }

  #enter(options: ForksOfPorts): Addition[] {
    const { callId, recordId, portIds, to, from, paused } = options;
    const { pausedFrom = {}, keptOut = {} } = options;
    const entry: Entry = {
      recordId,
      callId,
      portIds,
      forkIds: {},
      held: new Set(),
      paused,
      pausedFrom,
      keptOut,
      refusedTold: false,
      ended: undefined,
      unreported: new Set(),
    };
    this.#entries.set(recordId, entry);
    const ofCall = this.#byCall.get(callId) ?? new Set();
    this.#byCall.set(callId, ofCall.add(entry));
    return additionsOf(entry, to, from);
  }

  /**
   * A party that is new in `to` begins at `from`; one that is missing is held, and goes on with the next packet when it
   * is back. Nothing happens when there are no forks.
   */
  retarget(
    recordId: string,
    to: Readonly<ByParty<MediaAddress>>,
    from: Readonly<ByParty<ForkStart>>,
    keptOut: Readonly<ByParty<readonly Range[]>> = {},
  ): void {
    const entry = this.#entries.get(recordId);
    if (!entry) return;
    entry.refusedTold = false;
    entry.keptOut = keptOut;
    const added: Partial<Record<Party, MediaAddress>> = {};
    for (const party of bothParties) {
      const target = to[party];
      const forkId = entry.forkIds[party];
      if (target && forkId !== undefined) {
        this.#edge.setForkTarget(forkId, target.rtp, target.rtcp);
        if (entry.held.delete(forkId) && !entry.paused) this.#edge.resumeFork(forkId);
      } else if (target) {
        added[party] = target;
      } else if (forkId !== undefined) {
        entry.held.add(forkId);
        this.#edge.pauseFork(forkId);
      }
    }
    this.#add(additionsOf(entry, added, from));
  }

  /** @param from see `Bridge.pauseForks` */
  pause(recordId: string, from: Readonly<ByParty<number>> = {}): void {
    const entry = this.#entries.get(recordId);
    if (!entry) return;
    entry.paused = true;
    entry.pausedFrom = from;
    for (const party of bothParties) {
      const forkId = entry.forkIds[party];
      if (forkId !== undefined) this.#edge.pauseFork(forkId, from[party]);
    }
  }

  resume(recordId: string): void {
    const entry = this.#entries.get(recordId);
    if (!entry) return;
    entry.paused = false;
    for (const forkId of forksOf(entry)) {
      if (!entry.held.has(forkId)) this.#edge.resumeFork(forkId);
    }
  }

  /** See `Bridge.endForks`. */
  end(recordId: string): Promise<void> {
    const entry = this.#entries.get(recordId);
    if (!entry) return Promise.resolve();
    if (entry.ended === undefined) {
      entry.ended = Promise.withResolvers();
      const forkIds = forksOf(entry);
      const reports = forkIds.length === 0 ? [] : this.#edge.endForks(forkIds);
      for (const { forkId, sentPackets } of reports) {
        if (sentPackets > 0) entry.unreported.add(forkId);
      }
      this.#ending.add(entry);
      this.#tellEnded(entry);
      this.#settleLater();
    }
    return entry.ended.promise;
  }

  /** Idempotent. */
  stop(recordId: string): ByParty<ForkReport> | undefined {
    const forkIds = this.withdraw(recordId);
    if (forkIds === undefined) return undefined;
    return byParty(forkIds, (list) => this.#edge.removeForks(list));
  }

  /** Knows the session's forks no more; who asks has them removed from the edge. Idempotent. */
  withdraw(recordId: string): ByParty<number> | undefined {
    const entry = this.#entries.get(recordId);
    if (!entry) return undefined;
    this.#forget(entry);
    return entry.forkIds;
  }

  /** In the order of the recording sessions. */
  reports(recordIds: readonly string[]): ByParty<ForkReport>[] {
    const all = recordIds.map((recordId) => this.#entries.get(recordId)?.forkIds ?? {});
    const reports = inChunks(all.flatMap(idsOf), (forkIds) => this.#edge.forkReports(forkIds));
    return all.map((forkIds) => byParty(forkIds, (ids) => reports.splice(0, ids.length)));
  }

  /** What every recording session's recorder has shown of itself. */
  signs(): Map<string, MediaSigns> {
    const all = new Map<string, MediaSigns>();
    const forks = this.#edge.forkSigns();
    for (const signs of forks) {
      const entry = this.#byFork.get(signs.forkId);
      if (entry === undefined) continue;
      const known = all.get(entry.recordId) ?? noMediaSigns;
      // Nothing is held against a recorder for a stream that it does not want now.
      const party = entry.held.has(signs.forkId) ? undefined : partyOf(entry, signs.forkId);
      all.set(entry.recordId, party === undefined ? known : withStream(known, party, signs));
    }
    this.#settle(forks);
    return all;
  }

  /** Idempotent. */
  close(): void {
    if (this.#settling !== undefined) this.#clock.clearTimeout(this.#settling);
    this.#settling = undefined;
    this.#ending.clear();
  }

  /** The call's ports are about to be closed; forks end with them. */
  forgetCall(callId: string): void {
    for (const entry of this.#byCall.get(callId) ?? []) this.#forget(entry);
  }

  handle(event: EdgeEvent): void {
    if (event.type !== 'fork-ended' && event.type !== 'fork-refused') return;
    const entry = this.#byFork.get(event.forkId);
    if (!entry) return;
    if (event.type === 'fork-ended') {
      entry.unreported.delete(event.forkId);
      this.#tellEnded(entry);
    } else if (!entry.refusedTold) {
      entry.refusedTold = true;
      this.emit('refused', { recordId: entry.recordId, at: event.at });
    }
  }

  #add(additions: readonly Addition[]): void {
    if (additions.length === 0) return;
    const forkIds = this.#edge.addForks(additions.map(({ options }) => options));
    for (const [index, { entry, party }] of additions.entries()) {
      const forkId = forkIds[index] as number;
      entry.forkIds[party] = forkId;
      this.#byFork.set(forkId, entry);
    }
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.recordId);
    for (const forkId of forksOf(entry)) this.#byFork.delete(forkId);
    const ofCall = this.#byCall.get(entry.callId);
    ofCall?.delete(entry);
    if (ofCall?.size === 0) this.#byCall.delete(entry.callId);
    // No report comes any more.
    this.#ending.delete(entry);
    entry.ended?.resolve();
  }

  #tellEnded(entry: Entry): void {
    if (entry.unreported.size > 0) return;
    this.#ending.delete(entry);
    entry.ended?.resolve();
  }

  #settle(forks: readonly ForkSigns[]): void {
    if (this.#ending.size === 0) return;
    for (const { forkId, settled } of forks) {
      const entry = settled ? this.#byFork.get(forkId) : undefined;
      if (entry?.unreported.delete(forkId) === true) this.#tellEnded(entry);
    }
  }

  #settleLater(): void {
    if (this.#settling !== undefined || this.#ending.size === 0) return;
    this.#settling = this.#clock.setTimeout(() => {
      this.#settling = undefined;
      if (this.#ending.size > 0) this.#settle(this.#edge.forkSigns());
      this.#settleLater();
    }, settledEveryMs);
  }
}

function partyOf({ forkIds }: Entry, forkId: number): Party | undefined {
  return bothParties.find((party) => forkIds[party] === forkId);
}

function pausedFrom(entry: Entry, party: Party): { pausedFrom?: number } {
  const from = entry.pausedFrom[party];
  return from === undefined ? {} : { pausedFrom: from };
}

function additionsOf(
  entry: Entry,
  to: Readonly<ByParty<MediaAddress>>,
  from: Readonly<ByParty<ForkStart>>,
): Addition[] {
  return bothParties.flatMap((party) => {
    const target = to[party];
    if (target === undefined) return [];
    const options = {
      portId: entry.portIds[party],
      streamIndex: streamIndex[party],
      rtp: target.rtp,
      rtcp: target.rtcp,
      from: from[party] ?? liveStart,
      paused: entry.paused,
      ...pausedFrom(entry, party),
      keptOut: entry.keptOut[party] ?? [],
    };
    return { entry, party, options };
  });
}

/** @param reportsOf called with the forks in the order of the parties, if there are any */
export function byParty(
  forkIds: ByParty<number>,
  reportsOf: (forkIds: readonly number[]) => readonly ForkReport[],
): ByParty<ForkReport> {
  const present = bothParties.filter((party) => forkIds[party] !== undefined);
  const reports = present.length === 0 ? [] : reportsOf(idsOf(forkIds));
  return Object.fromEntries(present.map((party, index) => [party, reports[index]]));
}

export function idsOf(forkIds: ByParty<number>): number[] {
  return bothParties.flatMap((party) => forkIds[party] ?? []);
}

function forksOf({ forkIds }: Entry): number[] {
  return idsOf(forkIds);
}
