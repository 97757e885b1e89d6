import { answerBytesMax } from './wire.ts';

const lengthBytes = 4;

/** Bytes of a stream, in frames without their lengths. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** What `chunk` made whole. Throws RangeError for a frame that is longer than any may be. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (let length = this.#length(); length <= this.#bytes; length = this.#length()) {
      const held = this.#joined();
      this.#chunks = [held.subarray(length)];
      this.#bytes -= length;
      yield held.subarray(lengthBytes, length);
    }
  }

  /** Of the frame that comes next, as far as is known. */
  #length(): number {
    if (this.#bytes < lengthBytes) return Infinity;
    const [first] = this.#chunks;
    const head = first !== undefined && first.length >= lengthBytes ? first : this.#joined();
    const length = head.readUInt32LE(0);
    if (length > answerBytesMax) throw new RangeError(`a frame of ${length} bytes`);
    return lengthBytes + length;
  }

  /** Once a frame, not once a chunk: a report may come in thousands of them. */
  #joined(): Buffer {
    const held = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const all = held ?? Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}
