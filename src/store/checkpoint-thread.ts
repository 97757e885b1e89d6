import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { isBusy } from './store-error.ts';

/**
 * What waits for the disk does so here: the log's content goes into the file, and where that was all of it the log is begun anew
 * (sqlite.org/wal.html, 2.3 and 3.1). Each message is answered with what went wrong, or null.
 */
const { path, version } = workerData as { path: string; version: number };
const database = new DatabaseSync(path, { timeout: 0 });
database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');

parentPort?.on('message', () => {
  let failure: string | null = null;
  try {
    const { log, checkpointed } = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() ?? {};
    // The first to write after this syncs the log's new header: better we than who answers calls.
    if (log === checkpointed) database.exec(`PRAGMA user_version = ${version}`);
  } catch (error) {
    if (!isBusy(error)) failure = messageOf(error);
  }
  parentPort?.postMessage(failure);
});
