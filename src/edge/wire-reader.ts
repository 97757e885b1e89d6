import type { SocketAddress } from './types.ts';

/** The fields of one frame. Throws RangeError where there are fewer bytes than fields. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#step(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#step(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#step(4));
  }

  f64(): number {
    return this.#bytes.readDoubleLE(this.#step(8));
  }

  flag(): boolean {
    return this.u8() !== 0;
  }

  choice<T extends string>(names: readonly T[]): T {
    const name = names[this.u8()];
    if (name === undefined) throw new RangeError('a choice that there is not');
    return name;
  }

  text(): string {
    const size = this.u16();
    const at = this.#step(size);
    return this.#bytes.toString('utf8', at, at + size);
  }

  address(): SocketAddress {
    return { ip: this.text(), port: this.u16() };
  }

  /** Absent unless the flag before it is set. */
  optional<T>(read: () => T): T | undefined {
    return this.flag() ? read() : undefined;
  }

  list<T>(read: () => T): T[] {
    const length = this.u32();
    // Each is a byte at least: what is longer than the frame is not begun.
    if (length > this.#bytes.length) throw new RangeError('a list is longer than its frame');
    return Array.from({ length }, read);
  }

  /** That many numbers in one piece. */
  numbers(count: number): Float64Array {
    const at = this.#step(count * Float64Array.BYTES_PER_ELEMENT);
    const numbers = new Float64Array(count);
    this.#bytes.copy(new Uint8Array(numbers.buffer), 0, at, this.#at);
    return numbers;
  }

  #step(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) throw new RangeError('a frame is shorter than its fields');
    this.#at += bytes;
    return at;
  }
}
