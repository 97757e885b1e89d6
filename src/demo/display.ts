export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** Progress for a person: lines that stay, and one line below them that changes. */
export class Display {
  readonly #output: Output;
  readonly #plainIntervalMs = 5_000;
  #plainAt = performance.now();
  #hasStatus = false;

  constructor(output: Output) {
    this.#output = output;
  }

  line(text = ''): void {
    this.clear();
    this.#output.write(`${text}\n`);
  }

  /** A label of its own column, then the text. */
  field(label: string, text: string): void {
    this.line(`  ${label.padEnd(11)} ${text}`);
  }

  /** The changing line; where lines cannot change, one of them every five seconds. */
  status(text: string): void {
    if (this.#output.isTTY === true) {
      this.#output.write(`\r\u001b[K${text}`);
      this.#hasStatus = true;
      return;
    }
    const now = performance.now();
    if (now - this.#plainAt < this.#plainIntervalMs) return;
    this.#plainAt = now;
    this.#output.write(`${text}\n`);
  }

  /** Takes the changing line away. */
  clear(): void {
    if (!this.#hasStatus) return;
    this.#output.write('\r\u001b[K');
    this.#hasStatus = false;
  }
}
