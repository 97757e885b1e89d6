/** Sequence numbers that share one chunk: 4 KiB. */
const CHUNK_NUMBERS = 256;

/**
 * A packet's place and receive time by extended sequence number, 16 bytes a number. It needs no sorting, however late a
 * packet came, and a hole of more than a chunk costs nothing.
 */
export class SequenceTable {
  readonly #chunks = new Map<number, Float64Array>();
  /** The chunk asked for last: neighbours are asked for in turn. */
  #key = -1;
  #chunk: Float64Array | undefined;

  /** False when the number is taken. */
  add(sequence: number, place: number, at: number): boolean {
    const key = Math.floor(sequence / CHUNK_NUMBERS);
    let chunk = this.#find(key);
    if (chunk === undefined) {
      chunk = new Float64Array(2 * CHUNK_NUMBERS);
      this.#chunks.set(key, chunk);
      this.#chunk = chunk;
    }
    const slot = 2 * (sequence - key * CHUNK_NUMBERS);
    if (chunk[slot] !== 0) return false;
    chunk[slot] = place;
    chunk[slot + 1] = at;
    return true;
  }

  /** 0: no such packet. */
  placeAt(sequence: number): number {
    const key = Math.floor(sequence / CHUNK_NUMBERS);
    return this.#find(key)?.[2 * (sequence - key * CHUNK_NUMBERS)] ?? 0;
  }

  /** Unix ms; 0: no such packet. */
  timeAt(sequence: number): number {
    const key = Math.floor(sequence / CHUNK_NUMBERS);
    return this.#find(key)?.[2 * (sequence - key * CHUNK_NUMBERS) + 1] ?? 0;
  }

  /** The nearest number that has a packet, from `sequence` on, not beyond `limit`; downwards when that is lower. */
  nearest(sequence: number, limit: number): number | undefined {
    const step = limit < sequence ? -1 : 1;
    // Hole by hole, not number by number.
    let at = sequence;
    while (step > 0 ? at <= limit : at >= limit) {
      const key = Math.floor(at / CHUNK_NUMBERS);
      if (this.#find(key) === undefined) {
        at = step > 0 ? (key + 1) * CHUNK_NUMBERS : key * CHUNK_NUMBERS - 1;
        continue;
      }
      if (this.placeAt(at) !== 0) return at;
      at += step;
    }
    return undefined;
  }

  #find(key: number): Float64Array | undefined {
    if (key !== this.#key) {
      this.#key = key;
      this.#chunk = this.#chunks.get(key);
    }
    return this.#chunk;
  }
}
