import { readSync } from 'node:fs';
import { TandemError } from '../errors.ts';
import { lengthOf, offsetOf } from './place.ts';

const WINDOW_BYTES = 32_768;
/** A packet that came a little late lies before its neighbours. */
const BEFORE_BYTES = 4_096;

/** Reads packets by their places, which mostly rise: through a window of 32 KiB, or a packet's size where that is more. */
export class PacketWindow {
  readonly #fd: number;
  readonly #file: string;
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;

  constructor(fd: number, file: string) {
    this.#fd = fd;
    this.#file = file;
  }

  /** Valid until the next read. Errors: INTERNAL when the file is shorter than it was. */
  read(place: number): Buffer {
    const offset = offsetOf(place);
    const length = lengthOf(place);
    if (offset < this.#start || offset + length > this.#end) this.#fill(offset, length);
    const from = offset - this.#start;
    return (this.#buffer as Buffer).subarray(from, from + length);
  }

  #fill(offset: number, length: number): void {
    const start = Math.max(0, offset - BEFORE_BYTES);
    let buffer = this.#buffer;
    if (buffer === undefined || buffer.length < BEFORE_BYTES + length) {
      buffer = Buffer.allocUnsafeSlow(Math.max(WINDOW_BYTES, BEFORE_BYTES + length));
      this.#buffer = buffer;
    }
    let filled = 0;
    while (filled < buffer.length) {
      const count = readSync(this.#fd, buffer, filled, buffer.length - filled, start + filled);
      if (count === 0) break;
      filled += count;
    }
    this.#start = start;
    this.#end = start + filled;
    if (offset + length > this.#end) {
      throw new TandemError('INTERNAL', `${this.#file}: changed while it was merged`);
    }
  }
}
