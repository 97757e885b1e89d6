import type { ForkReport, ForkStart, StreamReport } from '../edge/types.ts';
import { clip, count, subtract, union } from '../rtp/ranges.ts';
import type { Range } from '../rtp/ranges.ts';
import { deliveredBy, expected, legDelivery, nextSequence } from './delivery.ts';
import type { LegDelivery, SessionDelivery } from './delivery.ts';
import { parties } from './interfaces.ts';
import type { Bridge, Party } from './interfaces.ts';
import type { RecordingSession } from './recording-session.ts';
import type { RecordingWindow } from './recording-window.ts';

type ByParty<T> = Partial<Record<Party, T>>;

export interface FailoverCost {
  readonly lostPackets: number;
  readonly lostMs: number;
  readonly replayedPackets: number;
}

/** The books of one leg: its sessions in order, what they delivered, what is missing, and where the next one begins. */
export class LegAccount {
  readonly #bridge: Bridge;
  readonly #callId: string;
  readonly #window: RecordingWindow;
  readonly #sessions: RecordingSession[] = [];

  constructor(bridge: Bridge, callId: string, window: RecordingWindow) {
    this.#bridge = bridge;
    this.#callId = callId;
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

  streams(): Readonly<Record<Party, StreamReport>> {
    const { a, b } = this.#bridge.describeCall(this.#callId).parties;
    return { a: a.report, b: b.report };
  }

  /** Every session's copy of the party's stream. */
  deliveries(party: Party): { session: RecordingSession; delivery: SessionDelivery }[] {
    const live = this.liveForks();
    return this.#sessions.flatMap((session) => {
      const delivery = session.delivery(party, session === this.current ? live : {});
      return delivery === undefined ? [] : [{ session, delivery }];
    });
  }

  /**
   * @param waits a recorder is still to come, and what is in the ring will be sent to it
   */
  delivery(party: Party, stream: StreamReport, waits: boolean): LegDelivery {
    const window = this.#window.of(party);
    const deliveries = this.deliveries(party).map(({ delivery }) => delivery);
    const current = this.current;
    const last = deliveries.at(-1);
    let pendingFrom = Infinity;
    if (current !== undefined && current.failure === undefined) {
      pendingFrom = last === undefined ? 0 : (last.fork.sent.at(-1)?.last ?? 0) + 1;
    } else if (waits) {
      pendingFrom = stream.ringFirst ?? window.from ?? 0;
    }
    return legDelivery(stream, window, deliveries, pendingFrom);
  }

  /** Where a session begins that leaves nothing out: the first packet the leg lacks, less the overlap. */
  replayPoints(overlapMs: number): ByParty<ForkStart> {
    const streams = this.streams();
    return byParty((party) => {
      const stream = streams[party];
      const window = this.#window.of(party);
      const first = this.#sessions.length === 0;
      const missing = this.#missing(party, stream)[0]?.first;
      const begin = missing ?? (first ? window.from : nextSequence(stream));
      if (begin === undefined) return { kind: 'oldest' };
      const overlap = first ? 0 : Math.ceil(overlapMs / stream.packetMs);
      return { kind: 'sequence', sequence: Math.max(begin - overlap, window.from ?? 0) };
    });
  }

  /** Where a session begins that goes on with the next packet. Named by number, so that nothing falls in between. */
  livePoints(): ByParty<ForkStart> {
    const streams = this.streams();
    return byParty((party) => {
      const next = nextSequence(streams[party]);
      return next === undefined ? { kind: 'oldest' } : { kind: 'sequence', sequence: next };
    });
  }

  /** What lies between the packet that the failed session stopped at and the one that the next began with. */
  cost(failed: RecordingSession, next: RecordingSession): FailoverCost {
    const streams = this.streams();
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

  #missing(party: Party, stream: StreamReport): Range[] {
    const deliveries = this.deliveries(party).map(({ delivery }) => delivery);
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
