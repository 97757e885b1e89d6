import { EventEmitter } from 'node:events';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { EdgeInventory } from '../edge/edge-process-types.ts';
import type { EdgeEvent, ForkReport, OpenedPort, StreamReport } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type {
  Bridge,
  BridgeEvents,
  CallMedia,
  CallStock,
  ForksStart,
  MediaAddress,
  MediaSigns,
  OpenCallRequest,
  Party,
  Payload,
  RecordedStream,
  StockRequest,
} from '../recording/interfaces.ts';
import {
  describe,
  portId,
  portsBeside,
  portsOf,
  sendsMedia,
  type BridgeCall,
} from './bridge-call.ts';
import { CallRoute } from './call-route.ts';
import { ForkBook } from './fork-book.ts';
import { byParty, idsOf } from './fork-entry.ts';
import type { MediaEdge } from './media-edge.ts';
import { nobody } from './media-keeper.ts';
import type { MediaAdoption, MediaKeeper, StoredBridge, StoredMedia } from './media-keeper.ts';
import { allDone } from './all-done.ts';
import { arrivedAt, inChunks } from './edge-lists.ts';
import { bothParties, otherParty, PartyPort, streamIndex } from './party.ts';
import { answerDirection, parseAnswer, parseOffer, type SessionDescription } from './sdp.ts';
import { recordedStreams } from './recorded-streams.ts';
import { Recovery, type CarriedCall } from './recovery.ts';
import { WorkerPool, type WorkerProcess } from './worker-pool.ts';

const workerWaitMs = 1_000;

export interface MediaBridgeOptions {
  readonly edge: MediaEdge;
  readonly config: Config['media'];
  /** Path of the mediasoup-worker binary; undefined: mediasoup's own. */
  readonly workerBin: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer?: BridgeObserver;
  /** Default: calls end with their process. */
  readonly keeper?: MediaKeeper;
}

/** For metrics. How long the parties had no media is told by the event `interrupted`. */
export interface BridgeObserver {
  workerDied?(): void;
  /** One that does nothing any more was killed. */
  workerHung?(): void;
  /** A call that should go through mediasoup takes the direct path, for want of a worker. */
  fellBack?(): void;
}

/** Calls on the edge, and on mediasoup where it can carry them. Give it the edge's events by `handleEdgeEvent`. */
export class MediaBridge extends EventEmitter<BridgeEvents> implements Bridge {
  readonly #options: MediaBridgeOptions;
  readonly #pool: WorkerPool | undefined;
  readonly #forks: ForkBook;
  readonly #keeper: MediaKeeper;
  readonly #recovery: Recovery | undefined;
  readonly #calls = new Map<string, BridgeCall>();
  /** Whose ports are being opened, and whether they are wanted still. */
  readonly #opening = new Map<string, { isWanted: boolean }>();
  #closing: Promise<void> | undefined;

  private constructor(options: MediaBridgeOptions, pool: WorkerPool | undefined) {
    super();
    this.#options = options;
    this.#pool = pool;
    this.#keeper = options.keeper ?? nobody;
    this.#forks = new ForkBook(options.edge, options.clock, this.#keeper);
    this.#recovery =
      pool &&
      new Recovery({
        ...options,
        pool,
        calls: () => this.#carriedCalls(),
        onWorkerDied: () => options.observer?.workerDied?.(),
        onBack: (callId, interruptedMs) => this.emit('interrupted', { callId, interruptedMs }),
        onLost: (callId, reason) => {
          this.#lose(callId, reason);
        },
      });
  }

  /** Starts the mediasoup workers, unless the configuration wants every call direct. Errors: WORKER_LOST. */
  static async create(options: MediaBridgeOptions): Promise<MediaBridge> {
    const { config, workerBin, clock, logger, observer } = options;
    const pool =
      config.path === 'direct'
        ? undefined
        : await WorkerPool.create({
            workers: config.workers,
            nice: config.nice,
            workerBin,
            clock,
            logger,
            onHung: () => observer?.workerHung?.(),
          });
    const bridge = new MediaBridge(options, pool);
    bridge.#recovery?.start();
    bridge.#forks.on('refused', (event) => bridge.emit('forkRefused', event));
    return bridge;
  }

  /**
   * Goes on with calls of another process, before any other call is placed. What the edge has and no call needs is closed.
   * @param found what the edge had when this process came to it: after all that it was told before has taken effect
   */
  async adopt({ media, forks }: StoredBridge, found: EdgeInventory): Promise<MediaAdoption> {
    const there = new Set(found.ports.map(({ portId: id }) => id));
    for (const stored of media) {
      const isThere = bothParties.every((party) => there.has(stored.ports[party].opened.portId));
      if (isThere) this.#calls.set(stored.callId, this.#callOf(stored));
      else this.#keeper.remove('media', stored.callId);
    }
    const calls = [...this.#calls.values()];
    const known = new Set<number>();
    for (const stored of forks) {
      const call = this.#calls.get(stored.callId);
      const free = found.forks.filter(({ forkId }) => !known.has(forkId));
      const portIds = call && { a: portId(call, 'a'), b: portId(call, 'b') };
      if (portIds === undefined) this.#keeper.remove('forks', stored.recordId);
      else for (const id of this.#forks.adopt(stored, portIds, free)) known.add(id);
    }
    const pinned = new Set(calls.flatMap(portsOf));
    const ports = found.ports.filter(({ portId: id }) => !pinned.has(id));
    const strays = found.forks.filter(
      ({ forkId, portId: id }) => pinned.has(id) && !known.has(forkId),
    );
    const adoption = {
      calls: calls.length,
      callsLost: media.length - calls.length,
      portsClosed: ports.length,
      forksRemoved: strays.length,
    };
    this.#options.logger.info(adoption, 'media of another process goes on here');
    await this.#removeStrays(ports, strays);
    for (const call of calls) this.#bringBack(call);
    return adoption;
  }

  /** What keeps one from being closed is not what matters here. */
  async #removeStrays(ports: EdgeInventory['ports'], forks: EdgeInventory['forks']): Promise<void> {
    const { edge, logger } = this.#options;
    const closed = ports.map(({ portId: id }) => edge.closePort(id));
    const removed = forks.map(({ forkId }) => edge.removeForks([forkId]));
    for (const answer of await Promise.allSettled<unknown>([...closed, ...removed])) {
      if (answer.status === 'rejected') logger.warn({ err: answer.reason }, 'could not be closed');
    }
  }

  #bringBack({ callId, route, payloads }: BridgeCall): void {
    route.bringBack(payloads).catch((error: unknown) => {
      this.#options.logger.error({ callId, err: error }, 'media did not come back into mediasoup');
    });
  }

  #callOf({ callId, shard, ports: { a, b }, ...stored }: StoredMedia): BridgeCall {
    const { pending, answered, payloads, wanted } = stored;
    const opened = { a: a.opened, b: b.opened };
    return {
      callId,
      shard,
      ports: { a: PartyPort.ofStored(a), b: PartyPort.ofStored(b) },
      route: this.#newRoute(callId, shard, opened, wanted, stored),
      pending,
      answered,
      payloads,
    };
  }

  #keep(call: BridgeCall): void {
    const { callId, shard, ports, route, pending, answered, payloads } = call;
    if (this.#calls.get(callId) !== call) return;
    const stored: StoredMedia = {
      callId,
      shard,
      ...route.stored(),
      ports: { a: ports.a.stored(), b: ports.b.stored() },
      ...(pending && { pending }),
      answered,
      payloads,
    };
    this.#keeper.put('media', callId, stored);
  }

  handleEdgeEvent(event: EdgeEvent): void {
    if (event.type === 'relay-silent') this.#recovery?.look();
    else this.#forks.handle(event);
  }

  /** What an operator would want to be woken for. */
  problems(): string[] {
    const problems: string[] = [];
    const missing = this.#pool?.missing ?? 0;
    if (missing > 0) {
      problems.push(`${missing} of ${this.#options.config.workers} mediasoup workers do not work`);
    }
    const away = [...this.#calls.values()].filter(({ route }) => route.isAway).length;
    if (away > 0) problems.push(`${away} calls go around mediasoup until it carries them again`);
    return problems;
  }

  /** For gauges. */
  counts(): { calls: Record<CallMedia['path'], number>; workers: number } {
    const calls = { mediasoup: 0, direct: 0 };
    for (const { route } of this.#calls.values()) calls[route.path] += 1;
    return { calls, workers: this.#pool?.alive ?? 0 };
  }

  workers(): readonly WorkerProcess[] {
    return this.#pool?.workers() ?? [];
  }

  async openCall(request: OpenCallRequest): Promise<{ offer: string }> {
    const offer = parseOffer(request.offer, { first: true });
    const { callId } = request;
    this.#admit(callId);
    const opening = { isWanted: true };
    this.#opening.set(callId, opening);
    try {
      const wanted = this.#pool ? request.path : 'direct';
      if (wanted === 'mediasoup' && !(await this.#pool?.ready(workerWaitMs))) {
        throw new TandemError('WORKER_LOST', 'no mediasoup worker is alive');
      }
      const shard = this.#options.edge.pickShard();
      const opened = await this.#openPorts(shard, request.latch);
      try {
        const call = this.#newCall(callId, shard, opened, wanted);
        call.pending = { from: 'a', offer };
        call.ports.a.check(offer.audio);
        await this.#setRemote(call.ports.a, offer, offer.audio.payloads);
        // It may have been closed while the edge was awaited.
        if (!this.#isWanted(opening)) throw noCall(callId);
        const sdp = call.ports.b.write(offer, offer.audio.rtcpMux);
        this.#calls.set(callId, call);
        this.#keep(call);
        return { offer: sdp };
      } catch (error) {
        await this.#closePorts([opened.a, opened.b]);
        throw error;
      }
    } finally {
      this.#opening.delete(callId);
    }
  }

  /** Both, or none. */
  async #openPorts(
    shard: number,
    latch: OpenCallRequest['latch'],
  ): Promise<Record<Party, OpenedPort>> {
    const { edge, config } = this.#options;
    const answers = await Promise.allSettled(
      bothParties.map(() => edge.openPort({ shard, host: config.host, latch })),
    );
    const opened = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    );
    const failure = answers.find((answer) => answer.status === 'rejected');
    const [a, b] = opened;
    if (a !== undefined && b !== undefined) return { a, b };
    await this.#closePorts(opened);
    throw failure?.reason;
  }

  /** What keeps one from being closed is not what matters here. */
  async #closePorts(opened: readonly OpenedPort[]): Promise<void> {
    const { edge, logger } = this.#options;
    await allDone(opened.map(({ portId }) => edge.closePort(portId))).catch((error: unknown) => {
      logger.error({ err: error }, 'ports could not be closed');
    });
  }

  #newCall(
    callId: string,
    shard: number,
    { a, b }: Readonly<Record<Party, OpenedPort>>,
    wanted: CallMedia['path'],
  ): BridgeCall {
    return {
      callId,
      shard,
      ports: { a: new PartyPort(a), b: new PartyPort(b) },
      route: this.#newRoute(callId, shard, { a, b }, wanted),
      pending: undefined,
      answered: false,
      payloads: [],
    };
  }

  #newRoute(
    callId: string,
    shard: number,
    opened: Readonly<Record<Party, OpenedPort>>,
    wanted: CallMedia['path'],
    stored?: Pick<StoredMedia, 'path' | 'relayed'>,
  ): CallRoute {
    const { edge, config, clock, logger, observer } = this.#options;
    return new CallRoute({
      edge,
      pool: this.#pool,
      wanted,
      opened,
      relayAddress: edge.relayAddress(shard),
      relayPorts: portsBeside(config.ports),
      clock,
      logger: logger.child({ callId }),
      onFallback: () => observer?.fellBack?.(),
      ...(stored && { stored }),
    });
  }

  #isWanted({ isWanted }: { readonly isWanted: boolean }): boolean {
    return isWanted && this.#closing === undefined;
  }

  async answerCall(callId: string, answer: string): Promise<{ answer: string }> {
    const call = this.#find(callId);
    const { pending } = call;
    if (!pending) throw new TandemError('ANSWER_ALREADY_GIVEN', 'no offer waits for an answer');
    const { from, offer } = pending;
    const offerer = call.ports[from];
    const answerer = call.ports[otherParty(from)];
    const description = parseAnswer(answer, offer);
    answerer.check(description.audio);
    // Taken before anything is awaited: a second answer finds none.
    call.pending = undefined;

    const { payloads } = description.audio;
    await call.route.carry(payloads, () => {
      const remotes = [
        this.#setRemote(offerer, offer, payloads),
        this.#setRemote(answerer, description, payloads),
      ];
      call.payloads = payloads;
      call.answered = true;
      return allDone(remotes);
    });
    const audio = {
      ...description.audio,
      protocol: offer.audio.protocol,
      rtcpGiven: offer.audio.rtcpGiven,
      direction: answerDirection(offer.audio.direction, description.audio.direction),
    };
    const written = offerer.write({ ...description, audio }, offer.audio.rtcpMux);
    // Not before: whoever goes on from here may be given the same answer again.
    this.#keep(call);
    return { answer: written };
  }

  // Nothing is awaited here; other bridges may have to.
  // eslint-disable-next-line @typescript-eslint/require-await
  async reofferCall(callId: string, party: Party, offer: string): Promise<{ offer: string }> {
    const call = this.#find(callId);
    if (!call.answered) {
      throw new TandemError('CALL_STATE', 'the first offer is not answered yet');
    }
    if (call.pending && call.pending.from !== party) {
      throw new TandemError('CALL_STATE', 'an offer of the other party waits for its answer', {
        details: { field: 'offer', pending: call.pending.from },
      });
    }
    const description = parseOffer(offer, { first: false });
    call.ports[party].check(description.audio);
    call.pending = { from: party, offer: description };
    const other = call.ports[otherParty(party)];
    const written = other.write(description, description.audio.rtcpMux);
    this.#keep(call);
    return { offer: written };
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async cancelReoffer(callId: string): Promise<void> {
    const call = this.#find(callId);
    if (!call.answered || !call.pending) {
      throw new TandemError('CALL_STATE', 'no re-offer waits for an answer');
    }
    call.pending = undefined;
    this.#keep(call);
  }

  async closeCall(callId: string): Promise<CallMedia | undefined> {
    const opening = this.#opening.get(callId);
    if (opening) opening.isWanted = false;
    const call = this.#calls.get(callId);
    if (!call) return undefined;
    this.#calls.delete(callId);
    this.#keeper.remove('media', callId);
    call.route.close();
    const { edge } = this.#options;
    const ports = { a: edge.closePort(portId(call, 'a')), b: edge.closePort(portId(call, 'b')) };
    const closed = allDone([ports.a, ports.b]);
    this.#forks.forgetCall(callId, closed);
    await closed;
    return describe(call, { a: await ports.a, b: await ports.b });
  }

  describeCall(callId: string): CallMedia {
    const call = this.#find(callId);
    const reports = this.#options.edge.streamReports(portsOf(call));
    const [a, b] = reports as [StreamReport, StreamReport];
    return describe(call, { a, b });
  }

  describeCalls(callIds: readonly string[]): (CallMedia | undefined)[] {
    const calls = callIds.map((callId) => this.#calls.get(callId));
    const portIds = calls.flatMap((call) => (call ? portsOf(call) : []));
    const reports = inChunks(portIds, (chunk) => this.#options.edge.streamReports(chunk));
    return calls.map((call) => {
      if (call === undefined) return undefined;
      const [a, b] = reports.splice(0, bothParties.length) as [StreamReport, StreamReport];
      return describe(call, { a, b });
    });
  }

  lastHeard(): Map<string, Record<Party, number>> {
    const heard = this.#options.edge.lastHeard();
    const at = (call: BridgeCall, party: Party): number => heard.get(portId(call, party)) ?? 0;
    return new Map(
      [...this.#calls].map(([callId, call]) => [callId, { a: at(call, 'a'), b: at(call, 'b') }]),
    );
  }

  pathOf(callId: string): CallMedia['path'] | undefined {
    return this.#calls.get(callId)?.route.path;
  }

  sends(callId: string): Record<Party, boolean> {
    const call = this.#calls.get(callId);
    const of = (party: Party): boolean => call !== undefined && sendsMedia(call, party);
    return { a: of('a'), b: of('b') };
  }

  /** Empty until answered, and while the parties exchange no media (port 0). */
  recordedStreams(callId: string): readonly RecordedStream[] {
    const call = this.#find(callId);
    return recordedStreams(call.ports, call.payloads);
  }

  legAddresses(callId: string, family: 4 | 6): Readonly<Record<Party, MediaAddress>> {
    const { shard } = this.#find(callId);
    const { edge } = this.#options;
    return {
      a: edge.legAddress(shard, streamIndex.a, family),
      b: edge.legAddress(shard, streamIndex.b, family),
    };
  }

  async takeStock(requests: readonly StockRequest[]): Promise<(CallStock | undefined)[]> {
    const retired = requests.flatMap((request) => request.retired ?? []);
    const named = this.#forks.named(retired);
    if (named !== undefined) await named;
    const calls = requests.map(({ callId, retired }) => {
      const call = this.#calls.get(callId);
      const forkIds = retired === undefined ? undefined : this.#forks.withdraw(retired);
      return call && { portIds: portsOf(call), forkIds };
    });
    const portIds = calls.flatMap((call) => call?.portIds ?? []);
    if (portIds.length === 0) return requests.map(() => undefined);
    const forkIds = calls.flatMap((call) => idsOf(call?.forkIds ?? {}));
    const { edge } = this.#options;
    // Before the stock is taken, so that what it says is in the stock.
    const arrivals = requests.map(({ at }, index) => {
      const call = calls[index];
      return at === undefined || call === undefined
        ? undefined
        : arrivedAt(edge.sequencesAt(call.portIds, at));
    });
    const taken = edge.takeStock(portIds, forkIds);
    for (const recordId of retired) this.#forks.leaves(recordId, taken);
    const stock = await taken;
    const streams = [...stock.streams];
    const forks = [...stock.forks];
    return calls.map((call, index) => {
      if (call === undefined) return undefined;
      const [a, b] = streams.splice(0, bothParties.length) as [StreamReport, StreamReport];
      const had =
        call.forkIds && byParty(call.forkIds, forks.splice(0, idsOf(call.forkIds).length));
      const arrived = arrivals[index];
      return { streams: { a, b }, forks: had, ...(arrived && { arrivedAt: arrived }) };
    });
  }

  async startForks(starts: readonly ForksStart[]): Promise<unknown[]> {
    const calls = starts.map(({ callId }) => this.#calls.get(callId));
    const known = starts.flatMap((start, index) => {
      const call = calls[index];
      return call ? { ...start, portIds: { a: portId(call, 'a'), b: portId(call, 'b') } } : [];
    });
    const errors = await this.#forks.start(known);
    return starts.map(({ callId }, index) => (calls[index] ? errors.shift() : noCall(callId)));
  }

  retargetForks(
    ...[recordId, to, from, keptOut]: Parameters<Bridge['retargetForks']>
  ): Promise<void> {
    return this.#forks.retarget(recordId, to, from, keptOut);
  }

  pauseForks(...[recordId, from]: Parameters<Bridge['pauseForks']>): Promise<void> {
    return this.#forks.pause(recordId, from);
  }

  resumeForks(recordId: string): Promise<void> {
    return this.#forks.resume(recordId);
  }

  endForks(recordId: string): Promise<Partial<Record<Party, ForkReport>>> {
    return this.#forks.end(recordId);
  }

  finalReports(recordId: string): Promise<void> {
    return this.#forks.finalReports(recordId);
  }

  stopForks(recordId: string): Promise<Partial<Record<Party, ForkReport>> | undefined> {
    return this.#forks.stop(recordId);
  }

  mediaSigns(): ReadonlyMap<string, MediaSigns> {
    return this.#forks.signs();
  }

  forkReports(recordId: string): Partial<Record<Party, ForkReport>> {
    return this.#forks.reports([recordId])[0] ?? {};
  }

  allForkReports(recordIds: readonly string[]): Partial<Record<Party, ForkReport>>[] {
    return this.#forks.reports(recordIds);
  }

  /** Idempotent. Ends all calls and the workers; the edge is its owner's to close. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const closed = [...this.#calls.keys()].map((callId) => this.closeCall(callId));
    this.#recovery?.close();
    this.#forks.close();
    this.#pool?.close();
    await Promise.allSettled(closed);
  }

  #admit(callId: string): void {
    const { callsMax } = this.#options.config;
    if (this.#calls.has(callId) || this.#opening.has(callId)) {
      throw new TandemError('CALL_EXISTS', `call ${callId} exists already`);
    }
    if (this.#calls.size + this.#opening.size >= callsMax) {
      throw new TandemError('CALL_LIMIT', `${callsMax} calls are the most that are carried`, {
        details: { callsMax },
      });
    }
  }

  #find(callId: string): BridgeCall {
    const call = this.#calls.get(callId);
    if (!call) throw noCall(callId);
    return call;
  }

  async #setRemote(
    port: PartyPort,
    { audio }: SessionDescription,
    negotiated: readonly Payload[],
  ): Promise<void> {
    const clockRates = Object.fromEntries(
      negotiated.map(({ payloadType, clockRate }) => [payloadType, clockRate]),
    );
    const remote = port.agree(audio, clockRates);
    if (remote) await this.#options.edge.setRemote(port.opened.portId, remote);
  }

  #carriedCalls(): CarriedCall[] {
    return [...this.#calls.values()].map((call) => ({
      callId: call.callId,
      route: call.route,
      portIds: portsOf(call),
    }));
  }

  /** What cannot be brought back is ended, so that nobody takes it for a call. */
  #lose(callId: string, reason: string): void {
    this.closeCall(callId).catch((error: unknown) => {
      this.#options.logger.error({ callId, err: error }, 'its ports could not be closed');
    });
    this.emit('callLost', { callId, reason });
  }
}

function noCall(callId: string): TandemError {
  return new TandemError('CALL_NOT_FOUND', `no call ${callId}`);
}
