import type { PartyPacket } from '../packet.ts';

export interface RingEntry {
  readonly extended: number;
  readonly at: number;
  readonly packet: PartyPacket;
}

/** The last seconds of one stream, in the order of arrival, each packet under an index that only grows. */
export class Ring {
  readonly #keepMs: number;
  readonly #onEvict: (entry: RingEntry, index: number) => void;
  #entries: RingEntry[] = [];
  #first = 0;
  /** Index of `#entries[0]`. */
  #base = 0;

  constructor(keepMs: number, onEvict: (entry: RingEntry, index: number) => void) {
    this.#keepMs = keepMs;
    this.#onEvict = onEvict;
  }

  get first(): number {
    return this.#first;
  }

  get head(): number {
    return this.#base + this.#entries.length;
  }

  at(index: number): RingEntry {
    return this.#entries[index - this.#base] as RingEntry;
  }

  get oldest(): RingEntry | undefined {
    return this.#first < this.head ? this.at(this.#first) : undefined;
  }

  push(entry: RingEntry): void {
    while (this.#first < this.head && entry.at - this.at(this.#first).at > this.#keepMs) {
      this.#onEvict(this.at(this.#first), this.#first);
      this.#first += 1;
    }
    if (this.#first - this.#base > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#first - this.#base);
      this.#base = this.#first;
    }
    this.#entries.push(entry);
  }

  /** Index of the oldest that `suits`; one past the newest when none does. */
  find(suits: (entry: RingEntry) => boolean): number {
    let index = this.#first;
    while (index < this.head && !suits(this.at(index))) index += 1;
    return index;
  }
}
