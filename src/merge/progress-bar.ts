export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

const BAR_WIDTH = 30;
const REDRAW_MS = 100;
/** Where a line cannot be drawn over, one in so long. */
const PLAIN_MS = 2_000;

/** How far a phase is: a bar on a terminal, a line now and then elsewhere. */
export class ProgressBar {
  readonly #output: Output;
  #drawnAt = performance.now();
  #isDrawn = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** @param done 0 to 1 */
  update(phase: string, done: number): void {
    const now = performance.now();
    const isTerminal = this.#output.isTTY === true;
    if (now - this.#drawnAt < (isTerminal ? REDRAW_MS : PLAIN_MS)) return;
    this.#drawnAt = now;
    const percent = `${Math.floor(done * 100)} %`;
    if (!isTerminal) {
      this.#output.write(`${phase} ${percent}\n`);
      return;
    }
    const filled = Math.round(done * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    this.#output.write(`\r\u001b[K  ${phase.padEnd(10)} ${bar} ${percent}`);
    this.#isDrawn = true;
  }

  clear(): void {
    if (this.#isDrawn) this.#output.write('\r\u001b[K');
    this.#isDrawn = false;
  }
}
