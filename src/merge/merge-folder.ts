import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf, TandemError } from '../errors.ts';

/**
 * The output under a temporary name beside its own, so that it appears as a whole.
 *
 * Errors: INVALID_REQUEST when it exists, STORAGE_UNWRITABLE when it cannot be made.
 */
export class MergeFolder {
  readonly out: string;
  readonly path: string;
  #isDone = false;

  private constructor(out: string, path: string) {
    this.out = out;
    this.path = path;
  }

  static create(out: string): MergeFolder {
    MergeFolder.refuseExisting(out);
    const path = join(dirname(out), `.${basename(out)}.${process.pid}.partial`);
    try {
      mkdirSync(dirname(out), { recursive: true });
      mkdirSync(path);
    } catch (cause) {
      throw new TandemError('STORAGE_UNWRITABLE', `${out}: ${messageOf(cause)}`, { cause });
    }
    return new MergeFolder(out, path);
  }

  static refuseExisting(out: string): void {
    if (existsSync(out)) throw new TandemError('INVALID_REQUEST', `${out}: exists already`);
  }

  copy(file: string, name: string): void {
    copyFileSync(file, join(this.path, name));
  }

  /** Gives it its name. */
  finish(): void {
    MergeFolder.refuseExisting(this.out);
    renameSync(this.path, this.out);
    this.#isDone = true;
  }

  /** Takes away what was not finished. */
  close(): void {
    if (!this.#isDone) rmSync(this.path, { recursive: true, force: true });
  }
}
