import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Ledger } from './recording/account/ledger.ts';

export interface LedgerArchiveOptions {
  readonly dir: string;
  /** Files; the oldest are removed. 0: none is written. */
  readonly kept: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onWritten: () => void;
  /** `reason`: it could not be written, or too many were waiting. */
  readonly onDropped: (reason: 'write' | 'queue-full') => void;
}

const queueMax = 1_000;
/** `20261121T023113123Z-c1.json`: in the order of their names they are in the order of time. */
const fileName = /^\d{8}T\d{9}Z-.+\.json$/;

/** The ledgers of calls that have ended, a JSON file each. Written one after the other; nothing waits for it. */
export class LedgerArchive {
  readonly #options: LedgerArchiveOptions;
  readonly #queue: { name: string; ledger: Ledger }[] = [];
  /** Files that are there, oldest first; undefined until the folder could be read. */
  #names: string[] | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: LedgerArchiveOptions) {
    this.#options = options;
  }

  keep(ledger: Ledger): void {
    const { clock, kept, onDropped } = this.#options;
    if (kept === 0) return;
    if (this.#queue.length >= queueMax) {
      onDropped('queue-full');
      return;
    }
    const time = new Date(clock.wallOf(clock.now())).toISOString().replace(/[-:.]/g, '');
    this.#queue.push({ name: `${time}-${ledger.callId}.json`, ledger });
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when what was kept is on disk, or could not be written. Idempotent. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    const { logger, onDropped, onWritten } = this.#options;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await this.#write(next.name, next.ledger);
        onWritten();
      } catch (error) {
        logger.error({ file: next.name, error: messageOf(error) }, 'ledger was not written');
        onDropped('write');
      }
    }
    this.#writing = undefined;
  }

  async #write(name: string, ledger: Ledger): Promise<void> {
    const { dir, kept } = this.#options;
    this.#names ??= await this.#read();
    const file = join(dir, name);
    const temporary = `${file}.tmp`;
    try {
      await writeFile(temporary, `${JSON.stringify(ledger, null, 2)}\n`);
      await rename(temporary, file);
    } catch (error) {
      // The folder may have been taken away: it is looked at again.
      this.#names = undefined;
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    this.#names.push(name);
    for (const old of this.#names.splice(0, this.#names.length - kept)) {
      await rm(join(dir, old), { force: true });
    }
  }

  async #read(): Promise<string[]> {
    const { dir } = this.#options;
    await mkdir(dir, { recursive: true });
    const names = await readdir(dir);
    const cutOff = names.filter(
      (name) => name.endsWith('.tmp') && fileName.test(name.slice(0, -4)),
    );
    await Promise.all(cutOff.map((name) => rm(join(dir, name), { force: true })));
    return names.filter((name) => fileName.test(name)).sort();
  }
}
