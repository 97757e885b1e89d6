import { differenceOf, rtpAt } from './input-files.ts';
import type { InputFiles, RtpBytes } from './input-files.ts';
import { MissingList } from './missing-list.ts';
import type { PacketWindow } from './packet-window.ts';
import type { SequenceTable } from './sequence-table.ts';
import type { UnitedStream } from './united-stream.ts';

const DIFFERENCES_SHOWN_MAX = 1_000;

export interface Difference {
  readonly sequence: number;
  readonly extendedSequence: number;
  readonly timestamp: number;
  readonly what: 'payload' | 'payload type' | 'timestamp';
  /** Inputs by index. */
  readonly kept: number;
  readonly other: number;
}

export interface UnitedPacket {
  readonly sequence: number;
  /** Unix ms, by the first input's clock: when the earliest copy was received. */
  readonly at: number;
  /** RTP header and payload; valid until the next packet of the stream. */
  readonly bytes: Buffer;
}

interface Source {
  readonly input: number;
  readonly table: SequenceTable;
  readonly shift: number;
  readonly first: number;
  readonly last: number;
  readonly window: PacketWindow;
  readonly offsetMs: number;
}

/** Pass 2 over one stream: each packet once, in the order of sequence, and the account of who had it. */
export class UnitedReader {
  readonly stream: UnitedStream;
  readonly #sources: Source[];
  /** By input. */
  readonly held = new Map<number, number>();
  readonly missedBy = new Map<number, MissingList>();
  readonly missing = new MissingList();
  readonly differences: Difference[] = [];
  differenceCount = 0;
  packets = 0;
  duplicates = 0;

  constructor(
    stream: UnitedStream,
    files: InputFiles,
    inputs: readonly number[],
    clockOffsetsMs: ReadonlyMap<number, number>,
  ) {
    this.stream = stream;
    this.#sources = stream.lanes.flatMap(({ input, run, shift }) =>
      run.layers.map((table) => ({
        input: input.index,
        table,
        shift,
        first: run.first + shift,
        last: run.last + shift,
        window: files.window(input.index),
        offsetMs: clockOffsetsMs.get(input.index) ?? 0,
      })),
    );
    for (const { run } of stream.lanes) this.duplicates += run.uncompared;
    for (const input of inputs) {
      this.held.set(input, 0);
      this.missedBy.set(input, new MissingList());
    }
  }

  *packetsInOrder(): Generator<UnitedPacket, void> {
    const { first, last } = this.stream;
    for (let sequence = first; sequence <= last; sequence += 1) {
      const copies = this.#sources.filter(
        (source) =>
          sequence >= source.first &&
          sequence <= source.last &&
          source.table.placeAt(sequence - source.shift) !== 0,
      );
      this.#account(sequence, copies);
      const [kept, ...others] = copies;
      if (kept === undefined) continue;
      const packet = rtpAt(kept.window, kept.table.placeAt(sequence - kept.shift));
      let at = timeOf(kept, sequence);
      for (const other of others) {
        at = Math.min(at, timeOf(other, sequence));
        this.#compare(sequence, kept, packet, other);
      }
      this.packets += 1;
      this.duplicates += others.length;
      yield { sequence, at, bytes: packet.bytes };
    }
  }

  #account(sequence: number, copies: readonly Source[]): void {
    if (copies.length === 0) this.missing.add(sequence);
    for (const [input, list] of this.missedBy) {
      if (copies.some((copy) => copy.input === input)) {
        this.held.set(input, (this.held.get(input) ?? 0) + 1);
      } else list.add(sequence);
    }
  }

  #compare(sequence: number, kept: Source, packet: RtpBytes, other: Source): void {
    const copy = rtpAt(other.window, other.table.placeAt(sequence - other.shift));
    const what = differenceOf(packet, copy);
    if (what === undefined) return;
    this.differenceCount += 1;
    if (this.differences.length >= DIFFERENCES_SHOWN_MAX) return;
    this.differences.push({
      sequence: packet.header.sequence,
      extendedSequence: sequence,
      timestamp: packet.header.timestamp,
      what,
      kept: kept.input,
      other: other.input,
    });
  }
}

function timeOf({ table, shift, offsetMs }: Source, sequence: number): number {
  return table.timeAt(sequence - shift) - offsetMs;
}
