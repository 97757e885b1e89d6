import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';

const BUFFER_SAMPLES = 32_768;

/**
 * One channel on its way to a WAV: samples go to any place, in any order, into a sparse file of their own. Neighbours are
 * gathered into one write.
 */
export class WavChannel {
  readonly #file: string;
  readonly #fd: number;
  readonly #samplesMax: number;
  readonly #pending = new Int16Array(BUFFER_SAMPLES);
  #pendingAt = 0;
  #pendingCount = 0;

  constructor(file: string, samplesMax: number) {
    this.#file = file;
    this.#samplesMax = samplesMax;
    this.#fd = openSync(file, 'w+');
  }

  /** What lies before 0 or beyond the end is cut. */
  write(at: number, samples: Int16Array): void {
    const from = Math.max(0, -at);
    const to = Math.min(samples.length, this.#samplesMax - at);
    if (from >= to) return;
    const part = samples.subarray(from, to);
    const start = at + from;
    const follows = start === this.#pendingAt + this.#pendingCount;
    if (!follows || this.#pendingCount + part.length > BUFFER_SAMPLES) {
      this.#flush();
      this.#pendingAt = start;
    }
    if (part.length > BUFFER_SAMPLES) {
      this.#writeAt(start, part);
      this.#pendingAt = start + part.length;
      return;
    }
    this.#pending.set(part, this.#pendingCount);
    this.#pendingCount += part.length;
  }

  /** Samples from `at` on; silence where nothing was written. */
  read(at: number, into: Int16Array): void {
    this.#flush();
    const bytes = Buffer.from(into.buffer, into.byteOffset, into.byteLength);
    let filled = 0;
    while (filled < bytes.length) {
      const count = readSync(this.#fd, bytes, filled, bytes.length - filled, at * 2 + filled);
      if (count === 0) break;
      filled += count;
    }
    bytes.fill(0, filled);
  }

  close(): void {
    closeSync(this.#fd);
    rmSync(this.#file, { force: true });
  }

  #flush(): void {
    if (this.#pendingCount === 0) return;
    this.#writeAt(this.#pendingAt, this.#pending.subarray(0, this.#pendingCount));
    this.#pendingAt += this.#pendingCount;
    this.#pendingCount = 0;
  }

  #writeAt(at: number, samples: Int16Array): void {
    const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
    let written = 0;
    while (written < bytes.length) {
      written += writeSync(this.#fd, bytes, written, bytes.length - written, at * 2 + written);
    }
  }
}
