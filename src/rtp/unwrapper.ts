/**
 * Extends a counter that wraps (16-bit sequence numbers, 32-bit timestamps) to one that does not. Each value is taken
 * as the nearest to the newest before it, so values up to half the range late or early keep their place.
 */
export class Unwrapper {
  readonly #modulus: number;
  #highest: number | undefined;

  /** @param bits at most 32 */
  constructor(bits: number) {
    this.#modulus = 2 ** bits;
  }

  /** The highest so far. */
  get highest(): number | undefined {
    return this.#highest;
  }

  /** The extended value. The first one begins in cycle 1, so that what is a little older stays above zero. */
  unwrap(value: number): number {
    if (this.#highest === undefined) {
      this.#highest = this.#modulus + value;
      return this.#highest;
    }
    const extended = this.peek(value);
    if (extended > this.#highest) this.#highest = extended;
    return extended;
  }

  /** What `unwrap` would give, without moving on. */
  peek(value: number): number {
    if (this.#highest === undefined) return this.#modulus + value;
    const half = this.#modulus / 2;
    let distance = (value - this.#highest) % this.#modulus;
    if (distance < -half) distance += this.#modulus;
    else if (distance >= half) distance -= this.#modulus;
    return this.#highest + distance;
  }
}
