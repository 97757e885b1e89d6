import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

interface Waiting {
  readonly resolve: (message: never) => void;
  readonly reject: (error: Error) => void;
}

/** A program that takes lines of text and answers with lines of JSON, each with the name of its event. */
export class LineProcess {
  readonly name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  /** Answers that nobody has asked for yet, and questions that have no answer yet, by event. */
  readonly #arrived = new Map<string, unknown[]>();
  readonly #waiting = new Map<string, Waiting[]>();
  #ended: Error | undefined;

  constructor(name: string, file: string) {
    this.name = name;
    this.#child = spawn(file, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.on('error', (cause) => {
      this.#end(new Error(`${name} did not start`, { cause }));
    });
    this.#child.on('close', (code, signal) => {
      this.#end(new Error(`${name} ended: ${signal ?? String(code)}`));
    });
    // It may end while it is written to; `close` then says so.
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#take(JSON.parse(line) as { event: string });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.#child.pid;
  }

  send(...lines: string[]): void {
    this.#child.stdin.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Resolves with the next message of this event; rejects if the program ends before. */
  next<T>(event: string): Promise<T> {
    const arrived = this.#arrived.get(event)?.shift();
    if (arrived !== undefined) return Promise.resolve(arrived as T);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(event) ?? [];
      this.#waiting.set(event, [...waiting, { resolve, reject }]);
    });
  }

  /** Ends its input, at which it ends itself. Idempotent. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    await ended;
  }

  #take(message: { event: string }): void {
    const [first, ...rest] = this.#waiting.get(message.event) ?? [];
    if (first === undefined) {
      this.#arrived.set(message.event, [...(this.#arrived.get(message.event) ?? []), message]);
      return;
    }
    this.#waiting.set(message.event, rest);
    first.resolve(message as never);
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of [...this.#waiting.values()].flat()) reject(error);
    this.#waiting.clear();
  }
}
