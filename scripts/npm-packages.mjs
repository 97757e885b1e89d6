// node_modules as the lock file has it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, withProgress } from './progress.mjs';
import { pinnedNode, rootDir } from './paths.mjs';

export async function ensureNpmPackages() {
  if (isInstalled()) return;
  await withProgress('npm packages', ({ run }) =>
    run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
      cwd: rootDir,
      // Naming any worker keeps mediasoup's own install script from fetching or building one: the
      // worker is a step of its own. npm 11 would skip the script by itself, npm 10 would not.
      env: { ...process.env, MEDIASOUP_WORKER_BIN: '/nonexistent' },
    }),
  );
  if (!existsSync(pinnedNode)) {
    throw new SetupError(
      'npm has not run the install script of the package `node`: is ignore-scripts set?',
    );
  }
}

/** npm writes its own copy of the lock file into node_modules as the last thing it does. */
function isInstalled() {
  const installedLock = join(rootDir, 'node_modules', '.package-lock.json');
  if (!existsSync(installedLock) || !existsSync(pinnedNode)) return false;
  const wanted = lockedPackages(join(rootDir, 'package-lock.json'));
  const installed = lockedPackages(installedLock);
  return Object.entries(wanted).every(([path, entry]) => {
    const there = installed[path];
    // Optional packages for other platforms are left out of node_modules.
    if (path === '' || (there === undefined && entry.optional === true)) return true;
    return there?.version === entry.version && there?.integrity === entry.integrity;
  });
}

/** @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }>} */
function lockedPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/** @returns {string} the version of a package that the lock file pins */
export function lockedVersion(name) {
  const version = lockedPackages(join(rootDir, 'package-lock.json'))[`node_modules/${name}`]
    ?.version;
  if (version === undefined) throw new Error(`package-lock.json does not have ${name}`);
  return version;
}
