import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ErrorCode } from '../errors.ts';
import { messageOf, TandemError } from '../errors.ts';

/** Of SQLite (sqlite.org/rescode.html), as `errcode & 0xff`. */
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

export function storeError(
  code: ErrorCode,
  path: string,
  reason: string,
  more: { cause?: unknown; details?: object } = {},
): TandemError {
  const { cause, details } = more;
  return new TandemError(code, `${path}: ${reason}`, {
    cause,
    details: { path, reason, ...details },
  });
}

/** Whatever went wrong with the file at `path`, in our words. */
export function storeErrorOf(path: string, cause: unknown): TandemError {
  if (cause instanceof TandemError) return cause;
  return storeError(codeOf(path, cause), path, messageOf(cause), { cause });
}

/** Somebody else is at the file just now. */
export function isBusy(error: unknown): boolean {
  return sqliteCodeOf(error) === SQLITE_BUSY;
}

function codeOf(path: string, cause: unknown): ErrorCode {
  switch (sqliteCodeOf(cause)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return 'STORE_CORRUPT';
    case SQLITE_FULL:
      return 'STORE_FULL';
    case SQLITE_IOERR:
      // Beside its file SQLite has others, and does not say of them what the system said.
      return isFull(path) ? 'STORE_FULL' : 'STORE_UNWRITABLE';
    default:
      return systemCodeOf(cause) === 'ENOSPC' ? 'STORE_FULL' : 'STORE_UNWRITABLE';
  }
}

function sqliteCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

function systemCodeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function isFull(path: string): boolean {
  try {
    return statfsSync(dirname(path)).bavail === 0;
  } catch {
    return false;
  }
}
