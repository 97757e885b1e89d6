import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RECORDING_FILE, SESSION_PARTIAL_FILE } from '../../src/recorder/session-file.ts';

const sweepMs = 500;

/** Removes recordings as they become whole, so that a day's worth of them does not fill the disk. */
export class RecordingsSweeper {
  readonly #dir: string;
  #removed = 0;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param dir holds a folder of recordings for each recorder */
  constructor(dir: string) {
    this.#dir = dir;
  }

  get removed(): number {
    return this.#removed;
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#sweeping = this.sweep().then(() => {
        this.start();
      });
    }, sweepMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  /** Resolves with how many folders are not whole yet. */
  async sweep(): Promise<number> {
    let unfinished = 0;
    for (const recorder of await readdir(this.#dir)) {
      for (const recordId of await readdir(join(this.#dir, recorder))) {
        const folder = join(this.#dir, recorder, recordId);
        const has = (file: string): boolean => existsSync(join(folder, file));
        if (has(RECORDING_FILE) && !has(SESSION_PARTIAL_FILE)) {
          await rm(folder, { recursive: true });
          this.#removed += 1;
        } else {
          unfinished += 1;
        }
      }
    }
    return unfinished;
  }
}
