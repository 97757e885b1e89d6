import { chmodSync, closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isBusy, storeError, storeErrorOf } from './store-error.ts';

/** Where SQLite has `user_version` in its header (sqlite.org/fileformat2.html, 1.3), which here is the pid. */
const pidOffset = 60;

/** By path. The system's locks are a process's: whoever closes a file loses them all, so it is not looked into a second time. */
const heldHere = new Set<string>();

/**
 * One process holds a folder. The lock is the system's (fcntl, by SQLite, as Node has none), so that it goes with the process that
 * holds it, however that dies, and nobody is taken for it who was given its pid later. The file tells the pid of who holds it.
 */
export class StoreLock {
  readonly #path: string;
  readonly #database: DatabaseSync;
  #held = true;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
  }

  /** @throws STORE_HELD with `details.pid`; STORE_FULL, STORE_UNWRITABLE, STORE_CORRUPT */
  static take(file: string): StoreLock {
    const path = join(realpathSync(dirname(file)), 'tandem.lock');
    if (heldHere.has(path)) throw heldBy(path, process.pid);
    let database: DatabaseSync | undefined;
    try {
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
      database = new DatabaseSync(path, { timeout: 0 });
      // Nothing in it is worth a journal.
      database.exec(
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF',
      );
      database.exec(`BEGIN EXCLUSIVE; PRAGMA user_version = ${process.pid}; COMMIT`);
    } catch (error) {
      database?.close();
      throw isBusy(error) ? heldBy(path, pidIn(path)) : storeErrorOf(path, error);
    }
    heldHere.add(path);
    return new StoreLock(path, database);
  }

  /** Idempotent. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#database.close();
    heldHere.delete(this.#path);
  }
}

function heldBy(path: string, pid: number): Error {
  return storeError('STORE_HELD', path, `process ${pid} holds it`, { details: { pid } });
}

function pidIn(path: string): number {
  const bytes = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, bytes, 0, bytes.length, pidOffset);
  } finally {
    closeSync(fd);
  }
  return bytes.readInt32BE(0);
}
