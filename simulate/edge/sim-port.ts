import type {
  EdgeEvent,
  OpenedPort,
  PortRemote,
  PortRoute,
  SsrcChange,
  StreamReport,
} from '../../src/edge/types.ts';
import type { PartyPacket } from '../packet.ts';
import { Normaliser } from './normaliser.ts';
import { Ring } from './ring.ts';
import type { RingEntry } from './ring.ts';
import { TimedRanges } from './timed-ranges.ts';

const ssrcChangesMax = 64;

/** A fork as its port sees it. */
interface RingReader {
  readonly id: number;
  /** A packet has come. */
  offer(): void;
  /** The ring forgets its oldest packet. */
  onEvict(entry: RingEntry, index: number): void;
}

/** One party's pinned port: what came in, and the ring that forks read. */
export class SimPort {
  readonly opened: OpenedPort;
  readonly ring: Ring;
  readonly received = new TimedRanges();
  readonly forks = new Set<RingReader>();
  remote: PortRemote | undefined;
  route: PortRoute = { kind: 'none' };
  egressPackets = 0;
  /** When its newest packet came; 0 before there is one. */
  heardAt = 0;
  lastEgressAt: number | undefined;
  readonly #normaliser = new Normaliser();
  readonly #now: () => number;
  readonly #emit: (event: EdgeEvent) => void;
  #packets = 0;
  #duplicates = 0;
  #reordered = 0;
  #kernelDrops = 0;
  #unplacedDrops = 0;
  readonly #dropped = new TimedRanges();
  #changes: SsrcChange[] = [];
  #changeCount = 0;
  #lastPayloadType: number | undefined;

  constructor(
    opened: OpenedPort,
    keepMs: number,
    now: () => number,
    emit: (event: EdgeEvent) => void,
  ) {
    this.opened = opened;
    this.#now = now;
    this.#emit = emit;
    this.ring = new Ring(keepMs, (entry, index) => {
      for (const fork of this.forks) fork.onEvict(entry, index);
    });
  }

  get ssrc(): number {
    return this.opened.ssrc;
  }

  get started(): boolean {
    return this.#normaliser.started;
  }

  get highest(): number {
    return this.#normaliser.highest;
  }

  /** The packet's place in the stream; undefined when it was not taken. */
  receive(packet: PartyPacket): number | undefined {
    if (this.remote === undefined) return undefined;
    const now = this.#now();
    const { started, highest } = this;
    const { extended, changedFrom } = this.#normaliser.place(packet, now);
    if (!started) {
      const { portId } = this.opened;
      this.#emit({ type: 'latched', portId, address: this.remote.rtp });
    }
    if (changedFrom !== undefined) {
      this.#changeCount += 1;
      this.#changes.push({ at: now, from: changedFrom, to: packet.ssrc, sequence: extended });
      this.#changes = this.#changes.slice(-ssrcChangesMax);
      const { portId } = this.opened;
      this.#emit({ type: 'ssrc-changed', portId, from: changedFrom, to: packet.ssrc });
    }
    if (started && this.#unplacedDrops > 0) this.#placeDrops(highest, extended, now);
    this.#packets += 1;
    this.heardAt = now;
    this.#lastPayloadType = packet.payloadType;
    // It came late, and was not dropped after all.
    this.#dropped.delete(extended);
    if (!this.received.add(extended, now)) this.#duplicates += 1;
    else if (started && extended < highest) this.#reordered += 1;
    this.ring.push({ extended, at: now, packet });
    for (const fork of this.forks) fork.offer();
    return extended;
  }

  /** The socket's buffer was full: how many were dropped is told with the next packet, and not which. */
  drop(): void {
    this.#kernelDrops += 1;
    this.#unplacedDrops += 1;
  }

  /** Where the gap is longer nobody knows which of its packets came: the first are named. */
  #placeDrops(highest: number, extended: number, now: number): void {
    const end = Math.min(extended, highest + 1 + this.#unplacedDrops);
    for (let lost = highest + 1; lost < end; lost += 1) this.#dropped.add(lost, now);
    this.#unplacedDrops = 0;
  }

  report(): StreamReport {
    const { sourceSsrc } = this.#normaliser;
    const ringFirst = this.ring.oldest?.extended;
    const latched = this.started ? this.remote?.rtp : undefined;
    return {
      ssrc: this.ssrc,
      ...(sourceSsrc === undefined ? {} : { sourceSsrc }),
      ...(latched === undefined ? {} : { latched }),
      packets: this.#packets,
      bytes: this.#packets * 172,
      duplicates: this.#duplicates,
      reordered: this.#reordered,
      refused: {},
      kernelDrops: this.#kernelDrops,
      received: this.received.list(),
      rangesJoined: 0,
      dropped: this.#dropped.list(),
      ssrcChanges: [...this.#changes],
      ssrcChangeCount: this.#changeCount,
      packetMs: this.#normaliser.packetMs,
      ...(this.#lastPayloadType === undefined ? {} : { lastPayloadType: this.#lastPayloadType }),
      egressPackets: this.egressPackets,
      egressErrors: 0,
      ...(this.lastEgressAt === undefined ? {} : { lastEgressAt: this.lastEgressAt }),
      ...(ringFirst === undefined ? {} : { ringFirst }),
    };
  }
}
