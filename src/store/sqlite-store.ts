import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { Checkpointer } from './checkpointer.ts';
import type { Layout } from './layout.ts';
import { layout as currentLayout } from './layout.ts';
import { isBusy, storeError, storeErrorOf } from './store-error.ts';
import { inTransaction, moveStoreFileAside, openStoreFile } from './store-file.ts';
import { StoreLock } from './store-lock.ts';
import type { Change, RecordKind, Store, StoredRecord } from './store.ts';

export interface SqliteStoreOptions {
  /** Made where there is none. Holds `tandem.db` and `tandem.lock`, both readable by their owner alone. */
  readonly dir: string;
  readonly logger: Logger;
  /** Records of a kind that are kept: of more, those that were put first go. */
  readonly kept?: Partial<Readonly<Record<RecordKind, number>>>;
  /** Puts the file that is there aside under this suffix, and begins without a past. */
  readonly forgetAs?: string;
  /** Default: this program's. */
  readonly layout?: Layout;
}

/** Then the log is brought into the file, in bytes of records. */
const checkpointBytes = 8_388_608;
/** Records that are kept beyond `kept`, so that not every one that comes has another removed by itself. */
const pruneSlack = 100;
/** The checkpoint has the file for as long as the disk takes to sync one page. */
const busyRetryMs = 1;
const busyRetriesMax = 5_000;

/**
 * The store of one process on this machine: one SQLite file with a write-ahead log. What was applied outlives the process, not the
 * machine: nothing waits for the disk. Writes are made on the caller's thread: one record costs less than telling another thread.
 */
export class SqliteStore implements Store {
  /** Where the file went that was there; undefined: nothing was put aside. */
  readonly forgotten: string | undefined;
  readonly #path: string;
  readonly #lock: StoreLock;
  readonly #database: DatabaseSync;
  readonly #layout: Layout;
  readonly #kept: Partial<Readonly<Record<RecordKind, number>>>;
  readonly #checkpointer: Checkpointer;
  readonly #statements: Readonly<
    Record<'update' | 'insert' | 'remove' | 'prune' | 'read', StatementSync>
  >;
  readonly #counts: Map<RecordKind, number>;
  #bytes = 0;
  #closed = false;

  private constructor(parts: {
    path: string;
    lock: StoreLock;
    database: DatabaseSync;
    layout: Layout;
    kept: Partial<Readonly<Record<RecordKind, number>>>;
    checkpointer: Checkpointer;
    forgotten: string | undefined;
  }) {
    const { database } = parts;
    this.#path = parts.path;
    this.#lock = parts.lock;
    this.#database = database;
    this.#layout = parts.layout;
    this.#kept = parts.kept;
    this.#checkpointer = parts.checkpointer;
    this.forgotten = parts.forgotten;
    this.#statements = {
      update: database.prepare(
        'UPDATE records SET version = ?, data = ? WHERE kind = ? AND id = ?',
      ),
      insert: database.prepare('INSERT INTO records (version, data, kind, id) VALUES (?, ?, ?, ?)'),
      remove: database.prepare('DELETE FROM records WHERE kind = ? AND id = ?'),
      prune: database.prepare(
        'DELETE FROM records WHERE place IN (SELECT place FROM records WHERE kind = ? ORDER BY place LIMIT ?)',
      ),
      read: database.prepare('SELECT id, version, data FROM records WHERE kind = ? ORDER BY place'),
    };
    this.#counts = countsIn(database);
  }

  /** @throws STORE_HELD with the pid that holds it, STORE_CORRUPT, STORE_NEWER, STORE_FULL, STORE_UNWRITABLE */
  static create(options: SqliteStoreOptions): Promise<SqliteStore> {
    // Nothing in it can be awaited.
    return new Promise((resolve) => {
      resolve(SqliteStore.#open(options));
    });
  }

  static #open({
    dir,
    logger,
    kept = {},
    forgetAs,
    layout = currentLayout,
  }: SqliteStoreOptions): SqliteStore {
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw storeErrorOf(dir, error);
    }
    const path = join(dir, 'tandem.db');
    const lock = StoreLock.take(path);
    let database: DatabaseSync | undefined;
    try {
      const forgotten = forgetAs === undefined ? undefined : moveStoreFileAside(path, forgetAs);
      database = openStoreFile(path, layout);
      database.exec('PRAGMA wal_autocheckpoint = 0');
      const checkpointer = new Checkpointer({ path, version: layout.version, logger });
      return new SqliteStore({ path, lock, database, layout, kept, checkpointer, forgotten });
    } catch (error) {
      database?.close();
      lock.release();
      throw storeErrorOf(path, error);
    }
  }

  async apply(batch: readonly Change[]): Promise<void> {
    for (let retries = 0; ; retries++) {
      try {
        this.#apply(batch);
        break;
      } catch (error) {
        if (!isBusy(error) || retries >= busyRetriesMax) throw storeErrorOf(this.#path, error);
      }
      await wait(busyRetryMs);
    }
    if (this.#bytes < checkpointBytes) return;
    this.#bytes = 0;
    this.#checkpointer.begin();
  }

  records(kind: RecordKind): Promise<readonly StoredRecord[]> {
    return new Promise((resolve) => {
      resolve(this.#records(kind));
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#checkpointer.close();
    this.#database.close();
    this.#lock.release();
  }

  #apply(batch: readonly Change[]): void {
    if (this.#closed) throw storeError('STORE_UNWRITABLE', this.#path, 'the store is closed');
    const counts = new Map(this.#counts);
    let bytes = 0;
    inTransaction(this.#database, () => {
      for (const { kind, id, data } of batch) {
        const count = counts.get(kind) ?? 0;
        if (data === undefined) {
          counts.set(kind, count - Number(this.#statements.remove.run(kind, id).changes));
          continue;
        }
        const text = JSON.stringify(data);
        const values = [this.#layout.version, text, kind, id] as const;
        bytes += text.length;
        if (this.#statements.update.run(...values).changes === 0) {
          this.#statements.insert.run(...values);
          counts.set(kind, count + 1);
        }
      }
      this.#prune(counts);
    });
    this.#bytes += bytes;
    for (const [kind, count] of counts) this.#counts.set(kind, count);
  }

  #prune(counts: Map<RecordKind, number>): void {
    for (const [kind, kept = Infinity] of Object.entries(this.#kept) as [RecordKind, number?][]) {
      const excess = (counts.get(kind) ?? 0) - kept;
      if (excess <= pruneSlack) continue;
      this.#statements.prune.run(kind, excess);
      counts.set(kind, kept);
    }
  }

  #records(kind: RecordKind): readonly StoredRecord[] {
    try {
      const rows = this.#statements.read.all(kind);
      return rows
        .slice(Math.max(0, rows.length - (this.#kept[kind] ?? Infinity)))
        .map((row) => recordOf(this.#path, kind, row));
    } catch (error) {
      throw storeErrorOf(this.#path, error);
    }
  }
}

function countsIn(database: DatabaseSync): Map<RecordKind, number> {
  const rows = database.prepare('SELECT kind, count(*) AS count FROM records GROUP BY kind').all();
  return new Map(rows.map(({ kind, count }) => [kind as RecordKind, Number(count)]));
}

function recordOf(path: string, kind: RecordKind, row: Record<string, unknown>): StoredRecord {
  const { id, version, data } = row;
  try {
    return { kind, id: String(id), version: Number(version), data: JSON.parse(String(data)) };
  } catch (cause) {
    throw storeError('STORE_CORRUPT', path, `${kind} ${String(id)} cannot be read`, { cause });
  }
}
