import { chmodSync, closeSync, existsSync, openSync, readSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Layout } from './layout.ts';
import { storeError, storeErrorOf } from './store-error.ts';
import type { RecordKind } from './store.ts';

/** `TAND`, so that no other program's file is taken for ours. */
const applicationId = 0x54_41_4e_44;
const magic = 'SQLite format 3\0';
/** Where SQLite has `user_version` in its header (sqlite.org/fileformat2.html, 1.3), which here is the version of the layout. */
const versionOffset = 60;
const headerBytes = 100;
/** SQLite keeps what is not in the file yet, and an index of that, beside it. */
const companions = ['', '-wal', '-shm'];

/**
 * Opens the file, makes it where there is none, and brings what is in it to this layout.
 * @throws STORE_CORRUPT, STORE_NEWER before anything in the file is changed; STORE_FULL, STORE_UNWRITABLE
 */
export function openStoreFile(path: string, layout: Layout): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    refuseByHeader(path, layout);
    // Made by us, and not by SQLite, which gives what it puts beside it the same mode.
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    database = new DatabaseSync(path, { timeout: 0 });
    prepare(database, path, layout);
    return database;
  } catch (error) {
    database?.close();
    throw storeErrorOf(path, error);
  }
}

/**
 * Puts the file aside; it can still be opened by hand.
 * @param suffix of its new name
 * @returns that name; undefined: there was none
 */
export function moveStoreFileAside(path: string, suffix: string): string | undefined {
  const aside = `${path}.${suffix}`;
  try {
    for (const companion of companions)
      if (existsSync(path + companion)) renameSync(path + companion, aside + companion);
  } catch (error) {
    throw storeErrorOf(path, error);
  }
  return existsSync(aside) ? aside : undefined;
}

/** For a version that is newer: SQLite would write to the file, or beside it, as soon as it looks. */
function refuseByHeader(path: string, layout: Layout): void {
  if (!existsSync(path)) return;
  const header = Buffer.alloc(headerBytes);
  const fd = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(fd, header, 0, headerBytes, 0);
  } finally {
    closeSync(fd);
  }
  if (length === 0) return;
  if (length < headerBytes || header.toString('latin1', 0, magic.length) !== magic)
    throw storeError('STORE_CORRUPT', path, 'this is no SQLite database');
  refuseNewer(path, header.readInt32BE(versionOffset), layout);
}

function refuseNewer(path: string, version: number, layout: Layout): void {
  if (version <= layout.version) return;
  throw storeError(
    'STORE_NEWER',
    path,
    `it is of version ${version}, and this program knows versions up to ${layout.version}`,
    { details: { version, known: layout.version } },
  );
}

function prepare(database: DatabaseSync, path: string, layout: Layout): void {
  const [check] = database.prepare('PRAGMA quick_check(1)').all();
  const verdict = check?.['quick_check'];
  if (verdict !== 'ok') throw storeError('STORE_CORRUPT', path, String(verdict));
  const owner = numberOf(database, 'application_id');
  const version = numberOf(database, 'user_version');
  const isEmpty = database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined;
  if (owner !== applicationId && !isEmpty)
    throw storeError('STORE_CORRUPT', path, 'it is the database of another program');
  refuseNewer(path, version, layout);
  // What is put must outlive this process, not the machine: no write waits for the disk.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  if (!isEmpty && version === layout.version) return;
  inTransaction(database, () => {
    if (isEmpty) create(database);
    else migrate(database, path, version, layout);
    database.exec(`PRAGMA user_version = ${layout.version}`);
  });
  // From here on an older program sees it in the header.
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

export function inTransaction(database: DatabaseSync, change: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    change();
    database.exec('COMMIT');
  } catch (error) {
    // A full disk has SQLite roll back by itself.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function create(database: DatabaseSync): void {
  database.exec(`
    PRAGMA application_id = ${applicationId};
    CREATE TABLE records (
      place INTEGER PRIMARY KEY,
      kind TEXT NOT NULL,
      id TEXT NOT NULL,
      version INTEGER NOT NULL,
      data TEXT NOT NULL,
      UNIQUE (kind, id)
    )
  `);
}

function migrate(database: DatabaseSync, path: string, from: number, layout: Layout): void {
  const rows = database.prepare('SELECT place, kind, id, version, data FROM records').all();
  const put = database.prepare('UPDATE records SET version = ?, data = ? WHERE place = ?');
  const remove = database.prepare('DELETE FROM records WHERE place = ?');
  for (const { place, kind, id, version, data } of rows) {
    if (typeof data !== 'string' || typeof id !== 'string' || place === undefined)
      throw storeError('STORE_CORRUPT', path, 'a record is not as it should be');
    let migrated: unknown = JSON.parse(data);
    for (const { to, migrate: step } of layout.migrations) {
      if (migrated === undefined || to <= Number(version ?? from)) continue;
      migrated = step({ kind: kind as RecordKind, id, data: migrated });
    }
    if (migrated === undefined) remove.run(place);
    else put.run(layout.version, JSON.stringify(migrated), place);
  }
}

function numberOf(database: DatabaseSync, pragma: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}
