import type { SocketAddress } from './types.ts';
import { type WireCommand, wireCommands } from './wire.ts';

const lengthBytes = 4;

/** One command as a frame. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(256);
  #size = lengthBytes;

  /** @param number that its answer will carry */
  constructor(command: WireCommand, number: number) {
    this.u8(wireCommands[command]);
    this.u32(number);
  }

  /** The whole frame. */
  end(): Buffer {
    this.#bytes.writeUInt32LE(this.#size - lengthBytes, 0);
    return this.#bytes.subarray(0, this.#size);
  }

  u8(value: number): void {
    this.#size = this.#room(1).writeUInt8(value, this.#size);
  }

  u16(value: number): void {
    this.#size = this.#room(2).writeUInt16LE(value, this.#size);
  }

  u32(value: number): void {
    this.#size = this.#room(4).writeUInt32LE(value, this.#size);
  }

  f64(value: number): void {
    this.#size = this.#room(8).writeDoubleLE(value, this.#size);
  }

  flag(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** The value's place among the names. */
  choice<T extends string>(names: readonly T[], value: T): void {
    this.u8(names.indexOf(value));
  }

  text(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.u16(bytes);
    this.#size += this.#room(bytes).write(text, this.#size);
  }

  address({ ip, port }: SocketAddress): void {
    this.text(ip);
    this.u16(port);
  }

  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.u16(items.length);
    items.forEach(write);
  }

  ids(ids: readonly number[]): void {
    this.list(ids, (id) => {
      this.u32(id);
    });
  }

  #room(bytes: number): Buffer {
    if (this.#size + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * (this.#size + bytes));
      this.#bytes.copy(larger, 0, 0, this.#size);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}
