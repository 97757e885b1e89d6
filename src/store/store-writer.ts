import type { Clock, Timer } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Change, RecordKind, Store } from './store.ts';

export interface StoreWriterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Calls back when what happens now has happened. Default: `setImmediate`. */
  readonly atEndOfTurn?: (callback: () => void) => void;
  /** It cannot be written, and will be tried again; told once until it can. */
  readonly onFailing?: (error: unknown) => void;
  readonly onWell?: () => void;
}

const retryMs = 1_000;
/** Records that may wait while the store fails: each stands once, however often it changes. */
const waitingMax = 200_000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers what changes in one turn of the event loop into one batch; of one record only the last. One batch is out at a time. What
 * the store did not take stays, under what came after it, and is tried again.
 */
export class StoreWriter {
  readonly #options: StoreWriterOptions;
  readonly #atEndOfTurn: (callback: () => void) => void;
  #waiting = new Map<string, Change>();
  #waiters: Waiter[] = [];
  #state: 'idle' | 'gathering' | 'writing' = 'idle';
  #retry: Timer | undefined;
  /** Why it could not be written last; undefined: it could. */
  #failure: Error | undefined;
  /** Something was given up, for this reason: what is in the store is not the whole any more. */
  #incomplete: Error | undefined;
  #closed = false;

  constructor(options: StoreWriterOptions) {
    this.#options = options;
    this.#atEndOfTurn = options.atEndOfTurn ?? setImmediate;
  }

  /** @param data plain data that nobody changes any more */
  put(kind: RecordKind, id: string, data: object): void {
    this.#add({ kind, id, data });
  }

  remove(kind: RecordKind, id: string): void {
    this.#add({ kind, id, data: undefined });
  }

  /**
   * Resolves when all that was put until now is in the store.
   * @throws as `Store.apply`; it stays to be written
   */
  flush(): Promise<void> {
    if (this.#incomplete !== undefined) return Promise.reject(this.#incomplete);
    if (this.#waiting.size === 0 && this.#state !== 'writing') return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#gather();
    });
  }

  /** Writes what waits, once more. The store is the caller's to close. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.flush().catch(() => undefined);
    this.#closed = true;
    this.#stopRetry();
  }

  #add(change: Change): void {
    if (this.#closed) return;
    const key = keyOf(change);
    // Behind the others: what depends on others is put after them.
    this.#waiting.delete(key);
    if (this.#failure !== undefined && this.#waiting.size >= waitingMax) {
      this.#incomplete ??= this.#failure;
      return;
    }
    this.#waiting.set(key, change);
    if (this.#retry === undefined) this.#gather();
  }

  #gather(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'gathering';
    this.#stopRetry();
    this.#atEndOfTurn(() => {
      void this.#write();
    });
  }

  async #write(): Promise<void> {
    const batch = this.#waiting;
    const waiters = this.#waiters;
    this.#waiting = new Map();
    this.#waiters = [];
    this.#state = 'writing';
    try {
      if (batch.size > 0) await this.#options.store.apply([...batch.values()]);
      this.#state = 'idle';
      this.#well();
      for (const { resolve } of waiters) resolve();
    } catch (error) {
      this.#state = 'idle';
      this.#putBack(batch);
      this.#failed(error);
      for (const { reject } of waiters) reject(error);
    }
    if (this.#waiting.size > 0 || this.#waiters.length > 0) {
      if (this.#failure === undefined || this.#waiters.length > 0) this.#gather();
      else this.#retryLater();
    }
  }

  #putBack(batch: Map<string, Change>): void {
    const newer = this.#waiting;
    this.#waiting = batch;
    for (const [key, change] of newer) {
      this.#waiting.delete(key);
      this.#waiting.set(key, change);
    }
  }

  #well(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.logger.info('store: is written again');
    this.#options.onWell?.();
  }

  #failed(error: unknown): void {
    const isNews = this.#failure === undefined;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    if (!isNews) return;
    this.#options.logger.error({ reason: messageOf(error) }, 'store: cannot be written');
    this.#options.onFailing?.(error);
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    this.#retry = this.#options.clock.setTimeout(() => {
      this.#retry = undefined;
      this.#gather();
    }, retryMs);
  }

  #stopRetry(): void {
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    this.#retry = undefined;
  }
}

function keyOf({ kind, id }: Change): string {
  return `${kind} ${id}`;
}
