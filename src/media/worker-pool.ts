import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createWorker } from 'mediasoup';
import type { Worker } from 'mediasoup/types';
import type { Clock } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { takePrecedence } from '../edge/precedence.ts';

const restartDelayInitialMs = 50;
const restartDelayMaxMs = 5_000;
/** Workers are asked whether they are there, media or not. */
const askEveryMs = 1_000;
const answerWithinMs = 2_000;
/** One that media does not come out of is given less. */
const suspectAnswerWithinMs = 500;
const graceMs = 250;

export interface WorkerPoolOptions {
  readonly workers: number;
  /** Their nice value, where the system allows it. */
  readonly nice: number;
  /** Path of the mediasoup-worker binary; undefined: mediasoup's own. */
  readonly workerBin: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A worker is alive and does nothing any more; it is killed, `died` follows. */
  readonly onHung?: () => void;
}

/** One worker process's life. Its successor is another slot of the same `index`. */
export class WorkerSlot {
  readonly index: number;
  readonly worker: Worker;
  /** To whether it is there, while it is awaited. */
  answer: Promise<void> | undefined;
  /** Media does not come out of it. */
  suspect = false;
  killed = false;
  #calls = 0;

  constructor(index: number, worker: Worker) {
    this.index = index;
    this.worker = worker;
  }

  get calls(): number {
    return this.#calls;
  }

  enter(): this {
    this.#calls += 1;
    return this;
  }

  leave(): void {
    this.#calls -= 1;
  }
}

export interface WorkerProcess {
  readonly index: number;
  readonly pid: number;
  /** Unix ms, by the clock of the pool. */
  readonly startedAt: number;
  /** How many there were of this index, this one included. */
  readonly starts: number;
}

export interface WorkerPoolEvents {
  /** Everything on the slot is gone, at `at` (Unix ms); its successor is already being started. */
  died: [slot: WorkerSlot, at: number];
  /** One is alive again that takes a dead one's place. */
  restarted: [];
}

export class WorkerPool extends EventEmitter<WorkerPoolEvents> {
  readonly #options: WorkerPoolOptions;
  /** By index: a slot, or the promise of its successor. */
  readonly #slots: (WorkerSlot | Promise<WorkerSlot>)[] = [];
  /** By index: of the worker that was started last, and which one of that index it is. */
  readonly #starts: { readonly startedAt: number; readonly starts: number }[] = [];
  readonly #abort = new AbortController();
  #asking: NodeJS.Timeout | undefined;

  private constructor(options: WorkerPoolOptions) {
    super();
    this.#options = options;
  }

  /** Errors: WORKER_LOST when a worker does not start. */
  static async create(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    const indices = Array.from({ length: options.workers }, (_, index) => index);
    const results = await Promise.allSettled(indices.map((index) => pool.#start(index)));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure) {
      pool.close();
      throw failure.reason;
    }
    pool.#asking = setInterval(() => {
      for (const slot of pool.#live()) void pool.#examine(slot, answerWithinMs);
    }, askEveryMs).unref();
    return pool;
  }

  get alive(): number {
    return this.#live().length;
  }

  /** Workers that media does not come out of, or that have yet to be started again. */
  get missing(): number {
    const well = this.#live().filter(({ suspect }) => !suspect).length;
    return this.#abort.signal.aborted ? 0 : this.#options.workers - well;
  }

  /** Those alive; `startedAt`: Unix ms, by the clock of the pool. */
  workers(): readonly WorkerProcess[] {
    return this.#live().flatMap(({ index, worker: { pid } }) => {
      const started = this.#starts[index];
      return started === undefined ? [] : [{ index, pid, ...started }];
    });
  }

  /** Media does not come out of this worker. Whether it hangs; it is killed then, and `died` follows. */
  async examine(slot: WorkerSlot): Promise<boolean> {
    if (slot.worker.closed) return true;
    slot.suspect = true;
    const hangs = await this.#examine(slot, suspectAnswerWithinMs);
    slot.suspect = hangs;
    return hangs;
  }

  /** A place on the least-loaded worker, or undefined when there is none alive. */
  enter(): WorkerSlot | undefined {
    const live = this.#live();
    const well = live.filter(({ suspect }) => !suspect);
    const [first, ...others] = well.length > 0 ? well : live;
    if (!first) return undefined;
    return others.reduce((least, slot) => (slot.calls < least.calls ? slot : least), first).enter();
  }

  /**
   * A place on the worker that takes the dead one's, so that the others are not overrun; on another one if it does not start
   * within `waitMs`.
   */
  async enterSuccessor(dead: WorkerSlot, waitMs: number): Promise<WorkerSlot | undefined> {
    const successor = await this.#orTimeout(this.#slots[dead.index], waitMs);
    return successor && !successor.worker.closed ? successor.enter() : this.enter();
  }

  /** Whether a worker is alive, waiting for one that is being started. */
  async ready(waitMs: number): Promise<boolean> {
    const slot = await this.enterSoon(waitMs);
    slot?.leave();
    return slot !== undefined;
  }

  /** A place on any worker, waiting for one that is being started. */
  async enterSoon(waitMs: number): Promise<WorkerSlot | undefined> {
    const now = this.enter();
    if (now) return now;
    const starting = this.#slots.filter((slot) => slot instanceof Promise);
    if (starting.length === 0) return undefined;
    await this.#orTimeout(Promise.any(starting), waitMs);
    return this.enter();
  }

  /** Idempotent; ends the processes. */
  close(): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    clearInterval(this.#asking);
    for (const { worker } of this.#live()) worker.close();
    this.#slots.length = 0;
  }

  #live(): WorkerSlot[] {
    return this.#slots.filter(
      (slot): slot is WorkerSlot => slot instanceof WorkerSlot && !slot.worker.closed,
    );
  }

  async #start(index: number): Promise<WorkerSlot> {
    const { workerBin, logger } = this.#options;
    let worker: Worker;
    try {
      worker = await createWorker({
        logLevel: 'error',
        ...(workerBin !== undefined && { workerBin }),
      });
    } catch (cause) {
      throw new TandemError('WORKER_LOST', `mediasoup worker does not start: ${messageOf(cause)}`, {
        cause,
        details: { workerBin: workerBin ?? null },
      });
    }
    if (this.#abort.signal.aborted) {
      worker.close();
      throw new TandemError('WORKER_LOST', 'mediasoup workers are being shut down');
    }
    this.#takePrecedence(worker);
    const starts = (this.#starts[index]?.starts ?? 0) + 1;
    this.#starts[index] = { startedAt: this.#options.clock.now(), starts };
    const slot = new WorkerSlot(index, worker);
    this.#slots[index] = slot;
    worker.once('died', (error) => {
      const at = this.#options.clock.now();
      logger.error({ worker: worker.pid, calls: slot.calls, err: error }, 'mediasoup worker died');
      const successor = this.#restart(index);
      successor.catch(() => undefined);
      if (!this.#abort.signal.aborted) this.#slots[index] = successor;
      this.emit('died', slot, at);
    });
    logger.info({ worker: worker.pid, index }, 'mediasoup worker started');
    return slot;
  }

  /** One question at a time: whoever asks with less patience waits for no longer than that. */
  async #examine(slot: WorkerSlot, withinMs: number): Promise<boolean> {
    const answer = (slot.answer ??= this.#ask(slot)).then(() => slot);
    const answered =
      (await this.#orTimeout(answer, withinMs)) ??
      // When this process was itself held up, the time is over before the answer is read.
      (await this.#orTimeout(answer, graceMs));
    if (answered !== undefined || slot.worker.closed || this.#abort.signal.aborted) return false;
    if (!slot.killed) this.#kill(slot, withinMs);
    return true;
  }

  async #ask(slot: WorkerSlot): Promise<void> {
    try {
      await slot.worker.getResourceUsage();
    } catch {
      // An answer, too; or it has just died, which is told otherwise.
    } finally {
      slot.answer = undefined;
    }
  }

  #kill(slot: WorkerSlot, withinMs: number): void {
    slot.killed = true;
    const { logger, onHung } = this.#options;
    const { pid } = slot.worker;
    logger.error({ worker: pid, calls: slot.calls, withinMs }, 'mediasoup worker hangs: killed');
    onHung?.();
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      logger.warn({ worker: pid, err: error }, 'mediasoup worker could not be killed');
    }
  }

  #takePrecedence({ pid }: Worker): void {
    const { nice, logger } = this.#options;
    if (nice < 0 && !takePrecedence(pid, nice)) {
      logger.debug({ worker: pid, nice }, 'worker has no priority');
    }
  }

  async #restart(index: number): Promise<WorkerSlot> {
    const { signal } = this.#abort;
    for (let waitMs = restartDelayInitialMs; ; waitMs = Math.min(waitMs * 2, restartDelayMaxMs)) {
      signal.throwIfAborted();
      try {
        const slot = await this.#start(index);
        this.emit('restarted');
        return slot;
      } catch (error) {
        this.#options.logger.error(
          { index, err: error },
          'mediasoup worker could not be restarted',
        );
      }
      await delay(waitMs, undefined, { signal });
    }
  }

  async #orTimeout(
    slot: WorkerSlot | Promise<WorkerSlot> | undefined,
    waitMs: number,
  ): Promise<WorkerSlot | undefined> {
    const timer = new AbortController();
    try {
      return await Promise.race([slot, delay(waitMs, undefined, { signal: timer.signal })]);
    } catch {
      return undefined;
    } finally {
      timer.abort();
    }
  }
}
