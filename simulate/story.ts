import type { SimClock } from './clock.ts';

/** What happened, line by line: what a failing seed is read by, and what two runs of one seed are compared by. */
export class Story {
  readonly #clock: SimClock;
  readonly #startedAt: number;
  readonly #lines: string[] = [];
  #hash = 0x811c9dc5;

  constructor(clock: SimClock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  tell(text: string): void {
    const seconds = ((this.#clock.now() - this.#startedAt) / 1_000).toFixed(3).padStart(9);
    const line = `${seconds}  ${text}`;
    this.#lines.push(line);
    for (let index = 0; index < line.length; index += 1) {
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(index), 0x01000193);
    }
  }
}
