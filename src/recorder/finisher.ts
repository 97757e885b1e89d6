import { Worker } from 'node:worker_threads';
import type { Logger } from '../logger.ts';
import type { FinishRequest } from './finish-recording.ts';

const heapMbMax = 512;

interface Job {
  readonly request: FinishRequest;
  readonly done: (whole: boolean) => void;
}

/**
 * Finishes folders one after the other on a thread of its own: a long recording must not hold up another session's SIP.
 * A folder that the thread dies on is given up; the next start of the recorder tries it again.
 */
export class Finisher {
  readonly #logger: Logger;
  readonly #jobs: Job[] = [];
  #worker: Worker | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Resolves to whether the folder is whole; why it is not was logged. */
  finish(request: FinishRequest): Promise<boolean> {
    return new Promise((done) => {
      this.#jobs.push({ request, done });
      if (this.#jobs.length === 1) this.#begin();
    });
  }

  /** To be called when nothing is left to finish. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #begin(): void {
    const job = this.#jobs[0];
    if (job === undefined) return;
    this.#worker ??= this.#start();
    this.#worker.postMessage(job.request);
  }

  #end(failure: string | null): void {
    const job = this.#jobs.shift();
    if (job === undefined) return;
    const { folder } = job.request;
    if (failure !== null) {
      this.#logger.error({ folder, reason: failure }, 'recording could not be finished');
    }
    job.done(failure === null);
    this.#begin();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./finish-worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    });
    worker.on('message', (failure: string | null) => {
      this.#end(failure);
    });
    worker.on('error', (error: Error) => {
      this.#worker = undefined;
      this.#end(error.message);
    });
    return worker;
  }
}
