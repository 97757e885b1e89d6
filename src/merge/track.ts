import type { Endpoints } from './endpoints.ts';
import { RtpRun } from './rtp-run.ts';
import type { IndexedPacket } from './rtp-run.ts';

/** New starts of one sender: more than that is noise. */
const RUNS_MAX = 100;
/** Packets of one payload type family that follow each other: three steps tell RTP from chance. */
const CONSISTENT_STEPS = 3;
const STEP_PACKETS_MAX = 50;

/** One SSRC of one flow in one capture. */
export class Track {
  readonly ssrc: number;
  /** What belongs to one stream of the call: an interface of a recording, or a 5-tuple. */
  readonly flow: string;
  /** Interface of a recording; undefined in a capture of anyone's, where ports do not tell what is RTP. */
  readonly streamIndex: number | undefined;
  readonly endpoints: Endpoints;
  readonly runs: RtpRun[] = [];
  /** Packets that fit no run, beyond the bound on runs. */
  unplaced = 0;
  #isRtp: boolean;
  #candidates: IndexedPacket[] = [];
  #consistent = 0;

  constructor(options: {
    ssrc: number;
    flow: string;
    streamIndex: number | undefined;
    endpoints: Endpoints;
  }) {
    this.ssrc = options.ssrc;
    this.flow = options.flow;
    this.streamIndex = options.streamIndex;
    this.endpoints = options.endpoints;
    this.#isRtp = options.streamIndex !== undefined;
  }

  /** Seen to be RTP by what its packets say. */
  get isRtp(): boolean {
    return this.#isRtp;
  }

  /** Packets that are not taken for RTP yet. */
  get candidates(): number {
    return this.#candidates.length;
  }

  push(packet: IndexedPacket): void {
    if (this.#isRtp) {
      this.#place(packet);
      return;
    }
    const last = this.#candidates.at(-1);
    this.#candidates.push(packet);
    const step = last === undefined ? 0 : ((packet.sequence - last.sequence) << 16) >> 16;
    if (step !== 0 && Math.abs(step) <= STEP_PACKETS_MAX) this.#consistent += 1;
    else if (step !== 0) {
      this.#consistent = 0;
      this.#candidates = [packet];
    }
    if (this.#consistent >= CONSISTENT_STEPS || this.#candidates.length > 64) this.confirm();
  }

  /** It is RTP: another capture shows it. */
  confirm(): void {
    this.#isRtp = true;
    for (const packet of this.#candidates) this.#place(packet);
    this.#candidates = [];
  }

  #place(packet: IndexedPacket): void {
    // The newest run first; a late packet may belong to the one before.
    for (let at = this.runs.length - 1; at >= Math.max(0, this.runs.length - 2); at -= 1) {
      if (this.runs[at]?.offer(packet) === true) return;
    }
    if (this.runs.length >= RUNS_MAX) {
      this.unplaced += 1;
      return;
    }
    const run = new RtpRun();
    run.offer(packet);
    this.runs.push(run);
  }
}
