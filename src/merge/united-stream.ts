import type { CaptureInput } from './capture-input.ts';
import type { RtpRun } from './rtp-run.ts';
import type { SequenceTable } from './sequence-table.ts';
import type { Track } from './track.ts';

/** One run of one input on the stream's axis of extended sequence numbers: that is the run's own number plus `shift`. */
export interface Lane {
  readonly input: CaptureInput;
  readonly track: Track;
  readonly run: RtpRun;
  /** A multiple of 65,536. */
  readonly shift: number;
}

/** Packets of all inputs that are one stream: one SSRC, one row of sequence numbers. */
export class UnitedStream {
  readonly ssrc: number;
  readonly lanes: Lane[] = [];
  first = Infinity;
  last = -Infinity;
  /** Unix ms, by the clocks of the inputs. */
  firstAt = Infinity;
  lastAt = -Infinity;

  constructor(lane: Lane) {
    this.ssrc = lane.track.ssrc;
    this.add(lane);
  }

  /** Timestamp units of a packet. */
  get step(): number {
    return this.lanes[0]?.run.step ?? 160;
  }

  add(lane: Lane): void {
    const { run, shift } = lane;
    this.lanes.push(lane);
    this.first = Math.min(this.first, run.first + shift);
    this.last = Math.max(this.last, run.last + shift);
    this.firstAt = Math.min(this.firstAt, run.firstAt);
    this.lastAt = Math.max(this.lastAt, run.lastAt);
  }

  /** A lane that has this packet. */
  holder(sequence: number): Lane | undefined {
    return this.lanes.find(({ run, shift }) => tableOf(run).placeAt(sequence - shift) !== 0);
  }

  /** The nearest number, from `sequence` on upwards or downwards, that an input has. */
  nearest(sequence: number, direction: 1 | -1): number | undefined {
    let best: number | undefined;
    for (const { run, shift } of this.lanes) {
      const own = sequence - shift;
      const from = direction > 0 ? Math.max(own, run.first) : Math.min(own, run.last);
      const limit = direction > 0 ? run.last : run.first;
      if (direction > 0 ? from > limit : from < limit) continue;
      const found = tableOf(run).nearest(from, limit);
      if (found === undefined) continue;
      const shifted = found + shift;
      const isNearer = best === undefined || (direction > 0 ? shifted < best : shifted > best);
      if (isNearer) best = shifted;
    }
    return best;
  }
}

export function tableOf(run: RtpRun): SequenceTable {
  return run.layers[0] as SequenceTable;
}
