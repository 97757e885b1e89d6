/** How far a time that is read off a line may be from when the packet came. */
export const timeErrorMs = 500;

/**
 * Which slopes a line from a range's first packet to its newest may have and go past none in between by more than that: each
 * narrows them ("swinging door").
 */
export class TimeLine {
  #lowest = -Infinity;
  #highest = Infinity;

  /** The packet so many numbers behind the first came so long after it. */
  pass(numbers: number, ms: number): void {
    this.#lowest = Math.max(this.#lowest, (ms - timeErrorMs) / numbers);
    this.#highest = Math.min(this.#highest, (ms + timeErrorMs) / numbers);
  }

  /** Whether a line may end there. */
  mayEndAt(numbers: number, ms: number): boolean {
    const slope = ms / numbers;
    return slope >= this.#lowest && slope <= this.#highest;
  }
}
