/** Extended sequence numbers, inclusive, that did not come. */
export interface Gap {
  readonly first: number;
  readonly last: number;
  /** When the packet before it was received: Unix ms. */
  readonly at: number;
  /** Media time of one packet there. */
  readonly packetMs: number;
}

/** Bounded: beyond it the count stays right and the oldest gaps are no longer listed. */
const GAPS_MAX = 10_000;

/** What is missing of one stream, while it is read in order of receipt. */
export class GapList {
  #gaps: Gap[] = [];
  #lost = 0;
  #lostMs = 0;

  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  get lostPackets(): number {
    return this.#lost;
  }

  get lostMs(): number {
    return this.#lostMs;
  }

  add(gap: Gap): void {
    const count = gap.last - gap.first + 1;
    this.#lost += count;
    this.#lostMs += count * gap.packetMs;
    this.#gaps.push(gap);
    if (this.#gaps.length > GAPS_MAX) this.#gaps = this.#gaps.slice(GAPS_MAX / 2);
  }

  /** A late packet came. False when it was not missing: a duplicate. */
  fill(sequence: number): boolean {
    const at = this.#gaps.findLastIndex(({ first, last }) => first <= sequence && sequence <= last);
    const gap = this.#gaps[at];
    if (gap === undefined) return false;
    this.#lost -= 1;
    this.#lostMs -= gap.packetMs;
    const rest: Gap[] = [];
    if (gap.first < sequence) rest.push({ ...gap, last: sequence - 1 });
    if (sequence < gap.last) rest.push({ ...gap, first: sequence + 1 });
    this.#gaps.splice(at, 1, ...rest);
    return true;
  }
}
