import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';

/** What is remembered at most; the oldest go first. */
const entriesMaxDefault = 100_000;
const fileBytesMax = 64 * 1024 * 1024;
const flushMsDefault = 100;
/** Entries of an earlier run are dropped after this time: no call lasts longer. */
const ageMsMax = 24 * 3_600_000;

const fileSchema = z.strictObject({
  version: z.literal(1),
  /** Record id, recorder, Unix ms. */
  entries: z.array(z.tuple([z.string().max(256), z.string().max(64), z.number()])),
});

export interface AffinityStoreOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly entriesMax?: number;
  readonly flushMs?: number;
}

interface Entry {
  readonly recorder: string;
  readonly at: number;
}

/**
 * Which recorder a record id belongs to, remembered over a restart in a small JSON file that is replaced whole. Trouble
 * with the file is logged and never stops a call: then it is remembered in memory only.
 */
export class AffinityStore {
  readonly #options: AffinityStoreOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Map<string, number>();
  #timer: Timer | undefined;
  #dirty = false;
  #writing: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  private constructor(options: AffinityStoreOptions) {
    this.#options = options;
  }

  static async create(options: AffinityStoreOptions): Promise<AffinityStore> {
    const store = new AffinityStore(options);
    await store.#load();
    return store;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(recordId: string): string | undefined {
    return this.#entries.get(recordId)?.recorder;
  }

  /** Record ids of one recorder. */
  count(recorder: string): number {
    return this.#counts.get(recorder) ?? 0;
  }

  set(recordId: string, recorder: string): void {
    this.#remove(recordId);
    this.#add(recordId, { recorder, at: Math.round(this.#options.clock.now()) });
    this.#changed();
  }

  delete(recordId: string): void {
    if (this.#remove(recordId)) this.#changed();
  }

  /** Idempotent. Resolves when the file says what is known. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    await this.#writing;
    if (this.#dirty) await this.#write();
  }

  #add(recordId: string, entry: Entry): void {
    this.#entries.set(recordId, entry);
    this.#counts.set(entry.recorder, this.count(entry.recorder) + 1);
    if (this.#entries.size <= (this.#options.entriesMax ?? entriesMaxDefault)) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#remove(oldest.value);
  }

  #remove(recordId: string): boolean {
    const entry = this.#entries.get(recordId);
    if (entry === undefined) return false;
    this.#entries.delete(recordId);
    const left = this.count(entry.recorder) - 1;
    if (left > 0) this.#counts.set(entry.recorder, left);
    else this.#counts.delete(entry.recorder);
    return true;
  }

  #changed(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    if (this.#writing === undefined) this.#schedule();
  }

  #schedule(): void {
    if (this.#closed) return;
    const { clock, flushMs = flushMsDefault } = this.#options;
    this.#timer = clock.setTimeout(() => {
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        if (this.#dirty) this.#schedule();
      });
    }, flushMs);
  }

  async #write(): Promise<void> {
    const { file, logger } = this.#options;
    const temporary = `${file}.tmp`;
    const entries = Array.from(this.#entries, ([recordId, { recorder, at }]) => [
      recordId,
      recorder,
      at,
    ]);
    this.#dirty = false;
    try {
      const handle = await open(temporary, 'w', 0o600);
      try {
        await handle.writeFile(JSON.stringify({ version: 1, entries }));
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
      if (this.#failing) logger.info({ file }, 'affinities can be written again');
      this.#failing = false;
    } catch (err) {
      // Once per bout of trouble; the next change tries again.
      if (!this.#failing) logger.error({ err, file }, 'affinities cannot be written');
      this.#failing = true;
    }
  }

  async #load(): Promise<void> {
    const { file, logger, clock } = this.#options;
    try {
      await mkdir(path.dirname(file), { recursive: true });
      const { size } = await stat(file);
      if (size > fileBytesMax) throw new RangeError(`${size} bytes are more than ${fileBytesMax}`);
      const { entries } = fileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
      const oldest = clock.now() - ageMsMax;
      for (const [recordId, recorder, at] of entries) {
        if (at >= oldest) {
          this.#remove(recordId);
          this.#add(recordId, { recorder, at });
        }
      }
      logger.info({ file, affinities: this.#entries.size }, 'affinities restored');
    } catch (err) {
      if (isMissing(err)) return;
      await this.#setAside(err);
    }
  }

  async #setAside(err: unknown): Promise<void> {
    const { file, logger } = this.#options;
    const aside = `${file}.corrupt`;
    try {
      await rename(file, aside);
      logger.error({ err, file, aside }, 'affinities cannot be read; the file was set aside');
    } catch (cause) {
      logger.error({ err, cause, file }, 'affinities cannot be read');
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
