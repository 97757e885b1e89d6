import { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../clock.ts';
import type { ForkInventory } from '../edge/edge-process-types.ts';
import type { EdgeEvent, ForkReport, ForkSigns, ForkStart } from '../edge/types.ts';
import type { Range } from '../rtp/ranges.ts';
import type { MediaAddress, MediaSigns, Party } from '../recording/interfaces.ts';
import { allDone } from './all-done.ts';
import { inChunks } from './edge-lists.ts';
import {
  additionsOf,
  byParty,
  entryOf,
  idsOf,
  newEntry,
  partyOf,
  storedOf,
  wasFoundAt,
} from './fork-entry.ts';
import type { Addition, ByParty, ForkEntry, ForksOfPorts } from './fork-entry.ts';
import type { MediaEdge } from './media-edge.ts';
import { nobody } from './media-keeper.ts';
import type { MediaKeeper, StoredForks } from './media-keeper.ts';
import { noMediaSigns, withStream } from './media-signs.ts';
import { bothParties } from './party.ts';

/** Final reports are told by events, too, but an event may be dropped. */
const settledEveryMs = 200;

interface Start {
  readonly entry: ForkEntry;
  readonly additions: readonly Addition[];
}

/**
 * Which forks of which call feed which recording session. Orders of one session are given to the edge in the order in which they come;
 * one that is about forks which the edge has not named yet is given when it has.
 */
export class ForkBook extends EventEmitter<{
  refused: [{ recordId: string; at: number }];
}> {
  readonly #edge: MediaEdge;
  readonly #clock: Clock;
  readonly #keeper: MediaKeeper;
  readonly #entries = new Map<string, ForkEntry>();
  readonly #byFork = new Map<number, ForkEntry>();
  readonly #byCall = new Map<string, Set<ForkEntry>>();
  /** Sessions that are forgotten, and whose forks the edge has not removed yet. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  /** Of which final reports are awaited. */
  readonly #ending = new Set<ForkEntry>();
  #settling: Timer | undefined;

  constructor(edge: MediaEdge, clock: Clock, keeper: MediaKeeper = nobody) {
    super();
    this.#edge = edge;
    this.#clock = clock;
    this.#keeper = keeper;
  }

  /**
   * Goes on with forks of another process.
   * @param forks that the edge has; @returns those that it knows now
   */
  adopt(
    stored: StoredForks,
    portIds: ForkEntry['portIds'],
    forks: readonly ForkInventory[],
  ): readonly number[] {
    const entry = entryOf(stored, portIds, forks);
    if (entry === undefined) {
      this.#keeper.remove('forks', stored.recordId);
      return [];
    }
    this.#file(entry);
    for (const forkId of idsOf(entry.forkIds)) this.#byFork.set(forkId, entry);
    return idsOf(entry.forkIds);
  }

  /**
   * Each session gets all its forks, or none, and then what is wrong stands in its place: EDGE_FAILED. One that was started before is
   * answered as it was then.
   */
  async start(all: readonly ForksOfPorts[]): Promise<unknown[]> {
    const starts = all.flatMap((options) => this.#enter(options));
    const started = all.map(({ recordId }) => this.#entries.get(recordId));
    const errors = this.#addTogether(starts);
    for (const { entry } of starts) {
      entry.started = this.#hold(
        entry,
        errors.then((found) => found.get(entry)),
      );
    }
    const answers: unknown[] = [];
    for (const entry of started) answers.push(await entry?.started);
    return answers;
  }

  #enter(options: ForksOfPorts): Start[] {
    const { recordId, to, from } = options;
    if (this.#entries.has(recordId)) return [];
    const entry = newEntry(options);
    this.#file(entry);
    return [{ entry, additions: additionsOf(entry, to, from) }];
  }

  #file(entry: ForkEntry): void {
    const { callId, recordId } = entry;
    this.#entries.set(recordId, entry);
    const ofCall = this.#byCall.get(callId) ?? new Set();
    this.#byCall.set(callId, ofCall.add(entry));
    this.#keep(entry);
  }

  #keep(entry: ForkEntry): void {
    if (this.#has(entry)) this.#keeper.put('forks', entry.recordId, storedOf(entry));
  }

  /** Resolves to what is wrong. */
  async #addTogether(starts: readonly Start[]): Promise<ReadonlyMap<ForkEntry, unknown>> {
    const errors = new Map<ForkEntry, unknown>();
    try {
      await this.#add(starts.flatMap(({ additions }) => additions));
    } catch {
      // One of them has spoilt it for all.
      const alone = starts.map(async ({ entry, additions }) => {
        try {
          await this.#add(additions);
        } catch (error) {
          errors.set(entry, error);
          this.#forget(entry);
        }
      });
      await Promise.all(alone);
    }
    return errors;
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
  ): Promise<void> {
    const entry = this.#entries.get(recordId);
    if (!entry) return this.#left(recordId);
    const order = (): Promise<void> => this.#retarget(entry, to, from, keptOut);
    return this.#hold(entry, entry.waits === undefined ? order() : entry.waits.then(order));
  }

  async #retarget(
    entry: ForkEntry,
    to: Readonly<ByParty<MediaAddress>>,
    from: Readonly<ByParty<ForkStart>>,
    keptOut: Readonly<ByParty<readonly Range[]>>,
  ): Promise<void> {
    if (!this.#has(entry)) return;
    entry.refusedTold = false;
    entry.keptOut = keptOut;
    const orders: Promise<void>[] = [];
    const added: Partial<Record<Party, MediaAddress>> = {};
    for (const party of bothParties) {
      const target = to[party];
      const forkId = entry.forkIds[party];
      if (target && forkId !== undefined) {
        if (!wasFoundAt(entry, party, target)) {
          orders.push(this.#edge.setForkTarget(forkId, target.rtp, target.rtcp));
        }
        if (entry.held.delete(forkId) && !entry.paused) orders.push(this.#edge.resumeFork(forkId));
      } else if (target) {
        added[party] = target;
      } else if (forkId !== undefined) {
        entry.held.add(forkId);
        orders.push(this.#edge.pauseFork(forkId));
      }
    }
    entry.to = { ...entry.to, ...to };
    this.#keep(entry);
    orders.push(this.#add(additionsOf(entry, added, from)));
    await allDone(orders);
  }

  /** @param from see `Bridge.pauseForks` */
  pause(recordId: string, from: Readonly<ByParty<number>> = {}): Promise<void> {
    const entry = this.#entries.get(recordId);
    if (!entry) return this.#left(recordId);
    return this.#whileThere(entry, () => {
      entry.paused = true;
      entry.pausedFrom = from;
      this.#keep(entry);
      return allDone(
        bothParties.flatMap((party) => {
          const forkId = entry.forkIds[party];
          return forkId === undefined ? [] : this.#edge.pauseFork(forkId, from[party]);
        }),
      );
    });
  }

  resume(recordId: string): Promise<void> {
    const entry = this.#entries.get(recordId);
    if (!entry) return this.#left(recordId);
    return this.#whileThere(entry, () => {
      entry.paused = false;
      this.#keep(entry);
      const wanted = idsOf(entry.forkIds).filter((forkId) => !entry.held.has(forkId));
      return allDone(wanted.map((forkId) => this.#edge.resumeFork(forkId)));
    });
  }

  /** See `Bridge.endForks`. */
  end(recordId: string): Promise<ByParty<ForkReport>> {
    const entry = this.#entries.get(recordId);
    if (!entry) return this.#left(recordId).then(() => ({}));
    entry.reported ??= Promise.withResolvers();
    entry.ending ??= this.#inTurn(entry, () => this.#end(entry));
    return entry.ending;
  }

  async #end(entry: ForkEntry): Promise<ByParty<ForkReport>> {
    try {
      const forkIds = idsOf(entry.forkIds);
      const reports = forkIds.length === 0 ? [] : await this.#edge.endForks(forkIds);
      for (const { forkId, sentPackets } of reports) {
        if (sentPackets > 0) entry.unreported.add(forkId);
      }
      if (this.#has(entry)) {
        this.#ending.add(entry);
        this.#tellEnded(entry);
        this.#settleLater();
      }
      return byParty(entry.forkIds, reports);
    } catch (error) {
      // It may be asked for again.
      entry.ending = undefined;
      throw error;
    }
  }

  /** See `Bridge.finalReports`. */
  finalReports(recordId: string): Promise<void> {
    return this.#entries.get(recordId)?.reported?.promise ?? Promise.resolve();
  }

  /** Idempotent. */
  stop(recordId: string): Promise<ByParty<ForkReport> | undefined> {
    const entry = this.#entries.get(recordId);
    if (!entry) return this.#left(recordId).then(() => undefined);
    this.#forget(entry);
    const removed = this.#inTurn(entry, async () => {
      const forkIds = idsOf(entry.forkIds);
      const reports = forkIds.length === 0 ? [] : await this.#edge.removeForks(forkIds);
      return byParty(entry.forkIds, reports);
    });
    this.leaves(recordId, removed);
    return removed;
  }

  /** Resolves when the edge has named all forks of these sessions; undefined: it has. */
  named(recordIds: readonly string[]): Promise<unknown> | undefined {
    const waits = recordIds.flatMap((recordId) => this.#entries.get(recordId)?.waits ?? []);
    return waits.length === 0 ? undefined : Promise.all(waits);
  }

  /** Knows the session's forks no more; who asks has them removed from the edge, and says so by `leaves`. Idempotent. */
  withdraw(recordId: string): ByParty<number> | undefined {
    const entry = this.#entries.get(recordId);
    if (!entry) return undefined;
    this.#forget(entry);
    return entry.forkIds;
  }

  /** @param removed settles when the session's forks are there no more */
  leaves(recordId: string, removed: Promise<unknown>): void {
    const over = removed.then(
      () => undefined,
      () => undefined,
    );
    this.#leaving.set(recordId, over);
    void over.then(() => {
      if (this.#leaving.get(recordId) === over) this.#leaving.delete(recordId);
    });
  }

  /** In the order of the recording sessions. */
  reports(recordIds: readonly string[]): ByParty<ForkReport>[] {
    const all = recordIds.map((recordId) => this.#entries.get(recordId)?.forkIds ?? {});
    const reports = inChunks(all.flatMap(idsOf), (forkIds) => this.#edge.forkReports(forkIds));
    return all.map((forkIds) => byParty(forkIds, reports.splice(0, idsOf(forkIds).length)));
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

  /** @param closed settles when the call's ports are closed: forks end with them */
  forgetCall(callId: string, closed: Promise<unknown>): void {
    for (const entry of this.#byCall.get(callId) ?? []) {
      this.#forget(entry);
      this.leaves(entry.recordId, closed);
    }
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

  async #add(additions: readonly Addition[]): Promise<void> {
    if (additions.length === 0) return;
    const forkIds = await this.#edge.addForks(additions.map(({ options }) => options));
    for (const [index, { entry, party }] of additions.entries()) {
      const forkId = forkIds[index] as number;
      entry.forkIds[party] = forkId;
      if (this.#has(entry)) this.#byFork.set(forkId, entry);
    }
    for (const entry of new Set(additions.map((addition) => addition.entry))) this.#keep(entry);
  }

  #inTurn<T>(entry: ForkEntry, order: () => Promise<T>): Promise<T> {
    return entry.waits === undefined ? order() : this.#hold(entry, entry.waits.then(order));
  }

  /** One that is forgotten by then has stopped when its forks are removed. */
  async #whileThere(entry: ForkEntry, order: () => Promise<void>): Promise<void> {
    await this.#inTurn(entry, () => (this.#has(entry) ? order() : Promise.resolve()));
    if (!this.#has(entry)) await this.#left(entry.recordId);
  }

  /** What is asked of the session from now on waits for this. */
  #hold<T>(entry: ForkEntry, answer: Promise<T>): Promise<T> {
    const over = answer.then(
      () => undefined,
      () => undefined,
    );
    entry.waits = over;
    void over.then(() => {
      if (entry.waits === over) entry.waits = undefined;
    });
    return answer;
  }

  #has(entry: ForkEntry): boolean {
    return this.#entries.get(entry.recordId) === entry;
  }

  /** Nothing is left to be done to it but what is under way. */
  async #left(recordId: string): Promise<void> {
    await this.#leaving.get(recordId);
  }

  #forget(entry: ForkEntry): void {
    if (this.#has(entry)) {
      this.#entries.delete(entry.recordId);
      this.#keeper.remove('forks', entry.recordId);
    }
    for (const forkId of idsOf(entry.forkIds)) this.#byFork.delete(forkId);
    const ofCall = this.#byCall.get(entry.callId);
    ofCall?.delete(entry);
    if (ofCall?.size === 0) this.#byCall.delete(entry.callId);
    // No report comes any more.
    this.#ending.delete(entry);
    entry.reported?.resolve();
  }

  #tellEnded(entry: ForkEntry): void {
    if (entry.unreported.size > 0 || !this.#ending.has(entry)) return;
    this.#ending.delete(entry);
    entry.reported?.resolve();
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
