// Where things are. Nothing here needs node_modules.

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const rootDir = dirname(dirname(fileURLToPath(import.meta.url)));

/** What set-up builds is kept here, outside the clone, by the hash of what it was built from. */
export const cacheDir = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tandem');

/** The Node that the lock file pins; the system's own may be older. */
export const pinnedNode = join(rootDir, 'node_modules', 'node', 'bin', 'node');

/** Environment for child processes: the pinned Node and the packages' commands come first. */
export function childEnvironment(extra = {}) {
  const binDir = join(rootDir, 'node_modules', '.bin');
  return { ...process.env, PATH: `${binDir}:${process.env.PATH ?? ''}`, ...extra };
}

/**
 * Hash of strings and of the files below paths, names included.
 * @param {string[]} strings
 * @param {string[]} paths files or folders
 * @returns {string} 16 hex digits
 */
export function inputsHash(strings, paths) {
  const hash = createHash('sha256');
  for (const text of strings) hash.update(text).update('\0');
  for (const path of paths) addPath(hash, path, '');
  return hash.digest('hex').slice(0, 16);
}

function addPath(hash, path, name) {
  if (!statSync(path).isDirectory()) {
    hash.update(name).update('\0').update(readFileSync(path)).update('\0');
    return;
  }
  for (const entry of readdirSync(path).sort())
    addPath(hash, join(path, entry), `${name}/${entry}`);
}

/** The file's text without the last line end, or undefined when there is no such file. */
export function readStamp(path) {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}
