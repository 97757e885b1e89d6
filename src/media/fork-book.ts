import { EventEmitter } from 'node:events';
import type { AddForkOptions, EdgeEvent, ForkReport, ForkStart } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Range } from '../rtp/ranges.ts';
import type { ForksStart, MediaAddress, MediaSigns, Party } from '../recording/interfaces.ts';
import type { MediaEdge } from './media-edge.ts';
import { bothParties, streamIndex } from './party.ts';

type ByParty<T> = Partial<Record<Party, T>>;

const liveStart: ForkStart = { kind: 'live' };

interface Entry {
  readonly recordId: string;
  readonly callId: string;
  readonly portIds: Readonly<Record<Party, number>>;
  readonly forkIds: ByParty<number>;
  /** Forks that have not reached the newest packet yet. */
  readonly behind: Set<number>;
  /** Forks that the recorder does not want now. */
  readonly held: Set<number>;
  paused: boolean;
  /** First packet that the pause withholds. */
  pausedFrom: ByParty<number>;
  keptOut: Readonly<ByParty<readonly Range[]>>;
  refusedTold: boolean;
  liveTold: boolean;
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
  live: [{ recordId: string }];
}> {
  readonly #edge: MediaEdge;
  readonly #entries = new Map<string, Entry>();
  readonly #byFork = new Map<number, Entry>();
  readonly #byCall = new Map<string, Set<Entry>>();

  constructor(edge: MediaEdge) {
    super();
    this.#edge = edge;
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
    for (const { recordId } of all) {
      const entry = this.#entries.get(recordId);
      if (entry !== undefined) this.#tellLiveSoon(entry);
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
      behind: new Set(),
      held: new Set(),
      paused,
      pausedFrom,
      keptOut,
      refusedTold: false,
      liveTold: false,
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
        entry.behind.delete(forkId);
        this.#edge.pauseFork(forkId);
      }
    }
    this.#add(additionsOf(entry, added, from));
    this.#tellLiveSoon(entry);
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
    // It goes on with the next packet: nothing is left to catch up with.
    entry.behind.clear();
    this.#tellLiveSoon(entry);
  }

  /** See `Bridge.endForks`. */
  end(recordId: string): Promise<void> {
    const entry = this.#entries.get(recordId);
    if (!entry) return Promise.resolve();
    if (entry.ended === undefined) {
      entry.ended = Promise.withResolvers();
      const forkIds = forksOf(entry);
      const reports = forkIds.length === 0 ? [] : this.#edge.endForks(forkIds);
      for (const { forkId, receiverReports } of reports) {
        if (receiverReports > 0) entry.unreported.add(forkId);
      }
      tellEnded(entry);
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

  reports(recordId: string): ByParty<ForkReport> {
    const entry = this.#entries.get(recordId);
    if (entry === undefined) return {};
    return byParty(entry.forkIds, (forkIds) => this.#edge.forkReports(forkIds));
  }

  /** What every recording session's recorder has shown of itself, for the worse of its streams. */
  signs(): Map<string, MediaSigns> {
    const all = new Map<string, MediaSigns>();
    for (const { forkId, ...signs } of this.#edge.forkSigns()) {
      const recordId = this.#byFork.get(forkId)?.recordId;
      if (recordId === undefined) continue;
      const known = all.get(recordId);
      all.set(recordId, known === undefined ? signs : worse(known, signs));
    }
    return all;
  }

  /** The call's ports are about to be closed; forks end with them. */
  forgetCall(callId: string): void {
    for (const entry of this.#byCall.get(callId) ?? []) this.#forget(entry);
  }

  handle(event: EdgeEvent): void {
    if (!('forkId' in event) || event.type === 'fork-overrun') return;
    const entry = this.#byFork.get(event.forkId);
    if (!entry) return;
    if (event.type === 'fork-ended') {
      entry.unreported.delete(event.forkId);
      tellEnded(entry);
    } else if (event.type === 'fork-live') {
      entry.behind.delete(event.forkId);
      this.#tellLive(entry);
    } else if (!entry.refusedTold) {
      entry.refusedTold = true;
      this.emit('refused', { recordId: entry.recordId, at: event.at });
    }
  }

  #add(additions: readonly Addition[]): void {
    if (additions.length === 0) return;
    const forkIds = this.#edge.addForks(additions.map(({ options }) => options));
    for (const [index, { entry, party, options }] of additions.entries()) {
      const forkId = forkIds[index] as number;
      entry.forkIds[party] = forkId;
      this.#byFork.set(forkId, entry);
      if (options.from.kind !== 'live') entry.behind.add(forkId);
    }
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.recordId);
    for (const forkId of forksOf(entry)) this.#byFork.delete(forkId);
    const ofCall = this.#byCall.get(entry.callId);
    ofCall?.delete(entry);
    if (ofCall?.size === 0) this.#byCall.delete(entry.callId);
    // No report comes any more.
    entry.ended?.resolve();
  }

  /** Not from within `start`: its caller has not got to listening for this recording session yet. */
  #tellLiveSoon(entry: Entry): void {
    setImmediate(() => {
      this.#tellLive(entry);
    });
  }

  #tellLive(entry: Entry): void {
    const current = this.#entries.get(entry.recordId) === entry;
    if (!current || entry.liveTold || entry.behind.size > 0 || forksOf(entry).length === 0) return;
    entry.liveTold = true;
    this.emit('live', { recordId: entry.recordId });
  }
}

function tellEnded(entry: Entry): void {
  if (entry.unreported.size === 0) entry.ended?.resolve();
}

/** A recorder that reports on one stream reports on the other: the one that was left alone longer tells. */
function worse(left: MediaSigns, right: MediaSigns): MediaSigns {
  const [silent, other] =
    left.sentSinceReport >= right.sentSinceReport ? [left, right] : [right, left];
  return { ...silent, fractionLost: Math.max(silent.fractionLost, other.fractionLost) };
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
