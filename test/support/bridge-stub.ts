import { EventEmitter } from 'node:events';
import type { Clock } from '../../src/clock.ts';
import type { ForkReport, ForkStart, SequenceRange, StreamReport } from '../../src/edge/types.ts';
import { TandemError } from '../../src/errors.ts';
import { count } from '../../src/rtp/ranges.ts';
import type { Range } from '../../src/rtp/ranges.ts';
import { parties } from '../../src/recording/interfaces.ts';
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
  RecordedStream,
  StockRequest,
} from '../../src/recording/interfaces.ts';
import { forkReport, streamReport } from './reports.ts';
import type { RecorderStub } from './recorder-stub.ts';

export const packetMs = 20;
const catchUpPackets = 4;

type ByParty<T> = Partial<Record<Party, T>>;
type Ranges = { first: number; last: number; firstAt: number; lastAt: number }[];

interface Packet {
  readonly sequence: number;
  readonly at: number;
}

interface Stream {
  readonly ring: Packet[];
  readonly received: Ranges;
  next: number;
  talks: boolean;
}

interface Fork {
  readonly party: Party;
  readonly recordId: string;
  readonly startedAt: number;
  to: MediaAddress;
  state: ForkReport['state'];
  /** Next sequence to send. */
  cursor: number;
  /** First that a pause keeps out. */
  stopsAt: number;
  readonly sent: Ranges;
  readonly replayed: Ranges;
  readonly withheld: Ranges;
  refused?: { at: number; sequence: number; count: number };
  reports: number;
  report?: NonNullable<ForkReport['receiverReport']>;
  /** What its reports count as lost. */
  lost: number;
}

interface ForkSet {
  readonly callId: string;
  readonly forks: ByParty<Fork>;
  paused: boolean;
  keptOut: ByParty<readonly Range[]>;
}

/** Media as the edge does it, in memory: a packet of each party every 20 ms, a ring, and forks that catch up at four times that. */
export class BridgeStub extends EventEmitter<BridgeEvents> implements Bridge {
  readonly calls = new Map<string, Record<Party, Stream>>();
  readonly forkSets = new Map<string, ForkSet>();
  /** What was asked, in order. */
  readonly log: string[];
  readonly #clock: Clock;
  readonly #recorders: ReadonlyMap<string, RecorderStub>;
  readonly #ringMs: number;
  /** Who is to send by what the next answer negotiates, in all calls. */
  negotiates: Record<Party, boolean> = { a: true, b: true };
  /** Holds `openCall` back. */
  opening: Promise<void> = Promise.resolve();
  /** Holds back what the edge is told. */
  obeying: Promise<void> = Promise.resolve();
  #obeyed: Promise<unknown> = Promise.resolve();

  constructor(
    clock: Clock,
    recorders: ReadonlyMap<string, RecorderStub>,
    ringMs: number,
    log: string[],
  ) {
    super();
    this.#clock = clock;
    this.#recorders = recorders;
    this.#ringMs = ringMs;
    this.log = log;
  }

  async openCall({ callId, offer }: OpenCallRequest): Promise<{ offer: string }> {
    await this.opening;
    if (offer === 'bad') throw new TandemError('SDP_INVALID', 'bad offer');
    this.calls.set(callId, { a: newStream(), b: newStream() });
    return { offer };
  }

  answerCall(callId: string, answer: string): Promise<{ answer: string }> {
    this.#call(callId);
    return Promise.resolve({ answer });
  }

  reofferCall(callId: string, _party: Party, offer: string): Promise<{ offer: string }> {
    this.#call(callId);
    return Promise.resolve({ offer });
  }

  cancelReoffer(callId: string): Promise<void> {
    this.#call(callId);
    return Promise.resolve();
  }

  closeCall(callId: string): Promise<CallMedia | undefined> {
    return this.#obey(() => {
      if (!this.calls.has(callId)) return undefined;
      const media = this.describeCall(callId);
      this.calls.delete(callId);
      return media;
    });
  }

  describeCall(callId: string): CallMedia {
    const streams = this.#call(callId);
    const media = (party: Party) => ({
      local: { ip: '192.0.2.1', port: 20_000 },
      report: this.#report(streams[party]),
    });
    return { callId, path: 'direct', parties: { a: media('a'), b: media('b') } };
  }

  describeCalls(callIds: readonly string[]): (CallMedia | undefined)[] {
    return callIds.map((callId) =>
      this.calls.has(callId) ? this.describeCall(callId) : undefined,
    );
  }

  lastHeard(): Map<string, Record<Party, number>> {
    const heard = ({ received }: Stream): number => received.at(-1)?.lastAt ?? 0;
    return new Map(
      [...this.calls].map(([callId, { a, b }]) => [callId, { a: heard(a), b: heard(b) }]),
    );
  }

  pathOf(callId: string): 'direct' | undefined {
    return this.calls.has(callId) ? 'direct' : undefined;
  }

  sends(): Record<Party, boolean> {
    return { ...this.negotiates };
  }

  recordedStreams(callId: string): readonly RecordedStream[] {
    this.#call(callId);
    return parties.map((party, index) => ({ party, index, ssrc: index + 1, payloads: [] }));
  }

  legAddresses(): Readonly<Record<Party, MediaAddress>> {
    return { a: mediaAddress('192.0.2.1'), b: mediaAddress('192.0.2.1') };
  }

  takeStock(requests: readonly StockRequest[]): Promise<(CallStock | undefined)[]> {
    return this.#obey(() =>
      requests.map(({ callId, retired }) => {
        if (!this.calls.has(callId)) return undefined;
        const { a, b } = this.describeCall(callId).parties;
        const forks = retired === undefined ? undefined : this.#stop(retired);
        return { streams: { a: a.report, b: b.report }, forks };
      }),
    );
  }

  startForks(starts: readonly ForksStart[]): Promise<unknown[]> {
    return this.#obey(() =>
      starts.map((start) => {
        this.#start(start);
      }),
    );
  }

  #start(start: ForksStart): void {
    const { callId, recordId, to, from, paused, pausedFrom = {}, keptOut = {} } = start;
    this.log.push(`start ${this.#nameOf(to)}`);
    const set: ForkSet = { callId, forks: {}, paused, keptOut };
    this.forkSets.set(recordId, set);
    for (const party of parties) {
      const target = to[party];
      if (target === undefined) continue;
      this.#addFork(set, recordId, party, target, from[party], pausedFrom[party]);
    }
  }

  retargetForks(...order: Parameters<Bridge['retargetForks']>): Promise<void> {
    return this.#obey(() => {
      this.#retarget(...order);
    });
  }

  #retarget(...[recordId, to, from, keptOut = {}]: Parameters<Bridge['retargetForks']>): void {
    const set = this.forkSets.get(recordId);
    if (set === undefined) return;
    set.keptOut = keptOut;
    for (const party of parties) {
      const target = to[party];
      const fork = set.forks[party];
      if (fork === undefined) {
        if (target !== undefined) this.#addFork(set, recordId, party, target, from[party]);
      } else if (target === undefined) {
        this.#withhold(set, fork);
      } else {
        fork.to = target;
        if (fork.state === 'paused' && !set.paused) this.#resume(set, fork);
      }
    }
  }

  pauseForks(recordId: string, from: ByParty<number> = {}): Promise<void> {
    return this.#obey(() => {
      this.log.push('edge paused');
      const set = this.forkSets.get(recordId);
      if (set === undefined) return;
      set.paused = true;
      for (const fork of forksOf(set)) this.#pause(set, fork, from[fork.party]);
    });
  }

  resumeForks(recordId: string): Promise<void> {
    return this.#obey(() => {
      this.log.push('edge resumed');
      const set = this.forkSets.get(recordId);
      if (set === undefined) return;
      for (const fork of forksOf(set)) this.#resume(set, fork);
      set.paused = false;
    });
  }

  endForks(recordId: string): Promise<ByParty<ForkReport>> {
    return this.#obey(() => {
      this.#end(recordId);
      return this.forkReports(recordId);
    });
  }

  finalReports(): Promise<void> {
    return Promise.resolve();
  }

  /** A recorder that is well and reports does so at once. */
  #end(recordId: string): void {
    const set = this.forkSets.get(recordId);
    for (const fork of set === undefined ? [] : forksOf(set)) {
      fork.state = 'ended';
      const recorder = this.#recorders.get(fork.to.rtp.ip);
      if (recorder?.reportEveryMs === undefined || recorder.health !== 'well') continue;
      if (fork.sent.length === 0) continue;
      const highestSequence = (fork.sent.at(-1)?.last ?? 0) - recorder.tailLost;
      fork.lost = recorder.lost;
      const at = this.#clock.now();
      fork.report = { at, highestSequence, fractionLost: 0, jitterMs: 0, final: true };
      fork.reports += 1;
    }
  }

  stopForks(recordId: string): Promise<ByParty<ForkReport> | undefined> {
    return this.#obey(() => this.#stop(recordId));
  }

  #stop(recordId: string): ByParty<ForkReport> | undefined {
    const set = this.forkSets.get(recordId);
    if (set === undefined) return undefined;
    this.log.push(`stop ${this.#nameOf({ a: forksOf(set)[0]?.to })}`);
    const reports = this.forkReports(recordId);
    this.forkSets.delete(recordId);
    return reports;
  }

  /** By recordId; a test puts in what the recorder is to show. */
  readonly signs = new Map<string, MediaSigns>();

  mediaSigns(): ReadonlyMap<string, MediaSigns> {
    return this.signs;
  }

  allForkReports(recordIds: readonly string[]): ByParty<ForkReport>[] {
    return recordIds.map((recordId) => this.forkReports(recordId));
  }

  forkReports(recordId: string): ByParty<ForkReport> {
    const reports: ByParty<ForkReport> = {};
    const set = this.forkSets.get(recordId);
    if (set === undefined) return reports;
    for (const fork of forksOf(set)) {
      const { state, sent, replayed, withheld, refused, report } = fork;
      reports[fork.party] = forkReport(copy(sent), {
        state,
        sentPackets: count(sent),
        replayed: copy(replayed),
        withheld: copy(withheld),
        receiverReports: fork.reports,
        confirmed: fork.lost > 0 ? [] : confirmed(fork),
        reportedLost: { atLeast: fork.lost, atMost: fork.lost },
        ...(refused === undefined ? {} : { refused }),
        ...(report === undefined ? {} : { receiverReport: report }),
      });
    }
    return reports;
  }

  /** A packet of each party arrives, and what is due leaves. */
  tick(): void {
    const now = this.#clock.now();
    for (const streams of this.calls.values()) {
      for (const party of parties) {
        const stream = streams[party];
        if (stream.talks) {
          stream.ring.push({ sequence: stream.next, at: now });
          add(stream.received, stream.next, now);
          stream.next += 1;
        }
        while ((stream.ring[0]?.at ?? now) < now - this.#ringMs) stream.ring.shift();
      }
    }
    for (const [recordId, set] of [...this.forkSets]) {
      for (const fork of forksOf(set)) this.#pump(set, fork);
      const refused = forksOf(set).find((fork) => fork.refused?.at === now);
      if (refused !== undefined) this.emit('forkRefused', { recordId, at: now });
    }
  }

  #pump(set: ForkSet, fork: Fork): void {
    if (fork.state === 'ended') return;
    if (fork.state === 'paused') {
      this.#withhold(set, fork);
      return;
    }
    const ring = this.#call(set.callId)[fork.party].ring;
    const wasBehind = fork.state === 'catching-up';
    const due = ring.filter(({ sequence }) => sequence >= fork.cursor && sequence < fork.stopsAt);
    for (const packet of wasBehind ? due.slice(0, catchUpPackets) : due) {
      const { sequence } = packet;
      if (
        set.keptOut[fork.party]?.some(({ first, last }) => first <= sequence && sequence <= last)
      ) {
        add(fork.withheld, sequence, packet.at);
        fork.cursor = sequence + 1;
        continue;
      }
      this.#send(fork, packet, wasBehind && packet.at < this.#clock.now());
    }
    if (wasBehind && due.length <= catchUpPackets) {
      if (set.paused) this.#withhold(set, fork);
      else fork.state = 'live';
    }
    this.#reportBack(fork);
  }

  #send(fork: Fork, { sequence, at }: Packet, isReplay: boolean): void {
    fork.cursor = sequence + 1;
    add(fork.sent, sequence, at);
    if (isReplay) add(fork.replayed, sequence, at);
    const recorder = this.#recorders.get(fork.to.rtp.ip);
    if (recorder?.health === 'well') recorder.receive(fork.recordId, fork.party, sequence);
    if (recorder?.health === 'dead') {
      fork.refused ??= { at: this.#clock.now(), sequence, count: 1 };
    }
  }

  #reportBack(fork: Fork): void {
    const recorder = this.#recorders.get(fork.to.rtp.ip);
    const every = recorder?.reportEveryMs;
    const last = fork.sent.at(-1)?.last;
    if (recorder?.health !== 'well' || every === undefined || last === undefined) return;
    const now = this.#clock.now();
    if (now - (fork.report?.at ?? fork.startedAt) < every) return;
    fork.reports += 1;
    fork.lost = recorder.lost;
    fork.report = { at: now, highestSequence: last, fractionLost: 0, jitterMs: 0 };
  }

  #addFork(
    set: ForkSet,
    recordId: string,
    party: Party,
    to: MediaAddress,
    from: ForkStart = { kind: 'live' },
    pausedFrom?: number,
  ): void {
    const stream = this.#call(set.callId)[party];
    const oldest = stream.ring[0]?.sequence ?? stream.next;
    let cursor = stream.next;
    if (from.kind === 'oldest') cursor = oldest;
    if (from.kind === 'sequence') cursor = Math.max(oldest, from.sequence);
    const fork: Fork = {
      party,
      recordId,
      startedAt: this.#clock.now(),
      to,
      state: cursor < stream.next ? 'catching-up' : 'live',
      cursor,
      stopsAt: Infinity,
      sent: [],
      replayed: [],
      withheld: [],
      reports: 0,
      lost: 0,
    };
    set.forks[party] = fork;
    if (set.paused) this.#pause(set, fork, pausedFrom);
  }

  /** One that is behind still sends what comes before. */
  #pause(set: ForkSet, fork: Fork, from = 0): void {
    fork.stopsAt = from;
    if (fork.state !== 'catching-up' || fork.cursor >= from) this.#withhold(set, fork);
  }

  #withhold(set: ForkSet, fork: Fork): void {
    fork.state = 'paused';
    for (const { sequence, at } of this.#call(set.callId)[fork.party].ring) {
      if (sequence < fork.cursor) continue;
      add(fork.withheld, sequence, at);
      fork.cursor = sequence + 1;
    }
  }

  #resume(set: ForkSet, fork: Fork): void {
    this.#withhold(set, fork);
    fork.stopsAt = Infinity;
    fork.state = 'live';
  }

  /** In the order in which it is told. */
  #obey<T>(order: () => T): Promise<T> {
    const done = this.#obeyed.then(() => this.obeying).then(order);
    this.#obeyed = done.catch(() => undefined);
    return done;
  }

  #report(stream: Stream): StreamReport {
    const oldest = stream.ring[0];
    return streamReport(copy(stream.received), {
      packetMs,
      packets: stream.received.reduce((sum, { first, last }) => sum + last - first + 1, 0),
      ...(oldest === undefined ? {} : { ringFirst: oldest.sequence }),
    });
  }

  #nameOf(to: ByParty<MediaAddress | undefined>): string {
    const ip = to.a?.rtp.ip ?? to.b?.rtp.ip;
    return ip === undefined ? 'nothing' : (this.#recorders.get(ip)?.id ?? ip);
  }

  #call(callId: string): Record<Party, Stream> {
    const call = this.calls.get(callId);
    if (call === undefined) throw new TandemError('CALL_NOT_FOUND', `no call ${callId}`);
    return call;
  }
}

export function mediaAddress(ip: string): MediaAddress {
  return { rtp: { ip, port: 4_000 }, rtcp: { ip, port: 4_001 } };
}

function newStream(): Stream {
  return { ring: [], received: [], next: 65_636, talks: true };
}

/** As far as its report reaches. */
function confirmed({ sent, report }: Fork): SequenceRange[] {
  const highest = report?.highestSequence ?? -1;
  return copy(sent)
    .filter(({ first }) => first <= highest)
    .map((range) => ({ ...range, last: Math.min(range.last, highest) }));
}

function forksOf({ forks }: ForkSet): Fork[] {
  return parties.flatMap((party) => forks[party] ?? []);
}

function add(ranges: Ranges, sequence: number, at: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.last + 1 === sequence) {
    last.last = sequence;
    last.lastAt = at;
  } else {
    ranges.push({ first: sequence, last: sequence, firstAt: at, lastAt: at });
  }
}

function copy(ranges: Ranges): SequenceRange[] {
  return ranges.map((range) => ({ ...range }));
}
