import type { ForkReport, ForkStart, StreamReport } from '../edge/types.ts';
import { clip, count, subtract, union } from '../rtp/ranges.ts';
import type { Range } from '../rtp/ranges.ts';
import { deliveredBy, expected, legDelivery, nextSequence, surelyDeliveredBy } from './delivery.ts';
import type { LegDelivery, SessionDelivery } from './delivery.ts';
import { parties } from './interfaces.ts';
import type { Bridge, Party } from './interfaces.ts';
import type { RecordingSession } from './recording-session.ts';
import type { RecordingWindow } from './recording-window.ts';

export type ByParty<T> = Partial<Record<Party, T>>;
export type Streams = Readonly<Record<Party, StreamReport>>;

export interface FailoverCost {
  readonly lostPackets: number;
  readonly lostMs: number;
  readonly replayedPackets: number;
}

/** The books of one leg: its sessions in order, what they delivered, what is missing, and where the next one begins. */
export class LegAccount {
  readonly streams: () => Streams;
  readonly #bridge: Bridge;
  readonly #window: RecordingWindow;
  readonly #sessions: RecordingSession[] = [];

  /** @param streams the call's streams as they are now, or last were */
  constructor(bridge: Bridge, streams: () => Streams, window: RecordingWindow) {
    this.streams = streams;
    this.#bridge = bridge;
    this.#window = window;
  }

  get sessions(): readonly RecordingSession[] {
    return this.#sessions;
  }

  /** The session that records now. */
  get current(): RecordingSession | undefined {
    const session = this.#sessions.at(-1);
    return session?.ended === false ? session : undefined;
  }

  add(session: RecordingSession): void {
    this.#sessions.push(session);
  }

  liveForks(): ByParty<ForkReport> {
    return this.current === undefined ? {} : this.#bridge.forkReports(this.current.recordId);
  }

  /** What each session delivered of the party's stream, in order. Without `live` only of those that have ended. */
  deliveries(party: Party, live = this.liveForks()): SessionDelivery[] {
    return this.#sessions.flatMap(
      (session) => session.delivery(party, session === this.current ? live : {}) ?? [],
    );
  }

  /**
   * @param waits a recorder is still to come, and what is in the ring will be sent to it
   */
  delivery(party: Party, stream: StreamReport, waits: boolean): LegDelivery {
    const window = this.#window.of(party);
    const deliveries = this.deliveries(party);
    const current = this.current;
    const last = deliveries.at(-1);
    let pendingFrom = Infinity;
    if (current !== undefined && current.failure === undefined) {
      pendingFrom = last === undefined ? 0 : (last.fork.sent.at(-1)?.last ?? 0) + 1;
    } else if (waits) {
      const floor = this.#window.floor(party) ?? 0;
      pendingFrom = Math.max(stream.ringFirst ?? 0, floor);
    }
    return legDelivery(stream, window, deliveries, pendingFrom);
  }

  /** Whether copies still have to send something of what was to be recorded. */
  get isBehind(): boolean {
    const live = this.liveForks();
    return parties.some((party) => {
      const fork = live[party];
      if (fork?.state !== 'catching-up') return false;
      return (fork.sent.at(-1)?.last ?? -1) < (this.#window.of(party).to ?? Infinity);
    });
  }

  // The points below name packets of `streams` and those after it by number, so that nothing falls in between.

  /** Where a session begins that leaves nothing out: the first packet the leg lacks, less the overlap. */
  replayPoints(streams: Streams, overlapMs: number): ByParty<ForkStart> {
    const first = this.#sessions.length === 0;
    return byParty((party) => this.#replayPoint(party, streams[party], first ? 0 : overlapMs, 0));
  }

  /** Where a session begins that goes on with the next packet. */
  livePoints(streams: Streams): ByParty<ForkStart> {
    return byParty((party) => livePoint(streams[party]));
  }

  /** Where a session begins that takes over from one that is well: with what that one has not been sent yet. */
  handOverPoints(streams: Streams, old: RecordingSession): ByParty<ForkStart> {
    const live = this.liveForks();
    return byParty((party) => {
      const fork = live[party];
      if (fork === undefined) return this.lateStart(party, old, streams);
      if (fork.state !== 'catching-up') return livePoint(streams[party]);
      const sent = fork.sent.at(-1);
      return sent === undefined
        ? this.lateStart(party, old, streams)
        : { kind: 'sequence', sequence: sent.last + 1 };
    });
  }

  /** Where a stream begins that the recorder did not want at first. */
  lateStart(party: Party, session: RecordingSession, streams = this.streams()): ForkStart {
    const start = session.from[party];
    const from = start?.kind === 'sequence' ? start.sequence : 0;
    return this.#replayPoint(party, streams[party], 0, from);
  }

  /** What lies between the packet that the failed session stopped at and the one that the next began with. */
  cost(streams: Streams, failed: RecordingSession, next: RecordingSession): FailoverCost {
    let lostPackets = 0;
    let lostMs = 0;
    let replayedPackets = 0;
    for (const party of parties) {
      const stream = streams[party];
      const start = next.from[party];
      const deadFrom = failed.deadFrom(party);
      if (deadFrom === undefined || start === undefined) continue;
      const ringFirst = stream.ringFirst ?? 0;
      const begin = start.kind === 'sequence' ? Math.max(start.sequence, ringFirst) : ringFirst;
      const lost = count(clip(this.#missing(party, stream), deadFrom, begin - 1));
      lostPackets += lost;
      lostMs += lost * stream.packetMs;
      replayedPackets += count(clip(stream.received, begin, Infinity));
    }
    return { lostPackets, lostMs, replayedPackets };
  }

  /** @param from what is missing before that is not asked for */
  #replayPoint(party: Party, stream: StreamReport, overlapMs: number, from: number): ForkStart {
    const floor = this.#window.floor(party);
    // What has left the ring cannot be had any more, however long it has been missing.
    const reach = Math.max(from, floor ?? 0, stream.ringFirst ?? 0);
    const wanted = expected(stream, this.#window.of(party), []);
    const delivered = union(...this.deliveries(party).map(surelyDeliveredBy));
    const missing = clip(subtract(wanted, delivered), reach, Infinity)[0]?.first;
    const begin = missing ?? nextSequence(stream);
    if (begin === undefined) return { kind: 'oldest' };
    const overlap = Math.ceil(overlapMs / stream.packetMs);
    return { kind: 'sequence', sequence: Math.max(begin - overlap, floor ?? 0) };
  }

  /** Of what sessions had until now: the one that runs lacks nothing from where it began. */
  #missing(party: Party, stream: StreamReport): Range[] {
    const deliveries = this.deliveries(party, {});
    const withheld = union(...deliveries.map(({ fork }) => fork.withheld));
    return subtract(
      expected(stream, this.#window.of(party), withheld),
      union(...deliveries.map(deliveredBy)),
    );
  }
}

function byParty<T>(of: (party: Party) => T): Record<Party, T> {
  return { a: of('a'), b: of('b') };
}

function livePoint(stream: StreamReport): ForkStart {
  const next = nextSequence(stream);
  return next === undefined ? { kind: 'oldest' } : { kind: 'sequence', sequence: next };
}
