import { Worker } from 'node:worker_threads';
import type { Logger } from '../logger.ts';

export interface CheckpointerOptions {
  readonly path: string;
  /** Of the layout, as it stands in the file. */
  readonly version: number;
  readonly logger: Logger;
}

/** Of heap: it holds no record. */
const heapMbMax = 16;

/** Brings what SQLite has in its log into its file, on a thread of its own, begun when it is first needed. */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #worker: Worker | undefined;
  #running = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
  }

  /** While one runs, another is not begun. */
  begin(): void {
    if (this.#running) return;
    this.#running = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage(null);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #start(): Worker {
    const { path, version, logger } = this.#options;
    const worker = new Worker(new URL('./checkpoint-thread.ts', import.meta.url), {
      workerData: { path, version },
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    });
    const over = (): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#running = false;
    };
    worker.unref();
    worker.on('message', (failure: string | null) => {
      this.#running = false;
      if (failure !== null) logger.warn({ path, reason: failure }, 'store: log not emptied');
    });
    worker.on('error', (error) => {
      logger.warn({ path, err: error }, 'store: log not emptied');
      over();
    });
    worker.on('exit', over);
    return worker;
  }
}
