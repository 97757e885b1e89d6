// Makes a clone ready for a command: each step looks first, and does nothing when all is there.

import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureAddon } from './addon.mjs';
import { ensureDebianPackages } from './debian-packages.mjs';
import { buildWorker, cachedWorkerPath, downloadWorker, findWorker } from './mediasoup-worker.mjs';
import { ensureNpmPackages } from './npm-packages.mjs';
import { cacheDir, readStamp } from './paths.mjs';
import { say } from './progress.mjs';

const lockPollMs = 300;

/**
 * @param {{ packageGroups: import('./debian-packages.mjs').PackageGroup[],
 *   addons: import('./addon.mjs').AddonBuild[] }} needs
 * @returns {Promise<{ workerPath: string }>}
 */
export async function ensureSetup({ packageGroups, addons }) {
  const unlock = await lock();
  try {
    const fromSource = findWorker() === undefined && !(await downloadWorker());
    await ensureDebianPackages(fromSource ? [...packageGroups, 'worker'] : packageGroups);
    await ensureNpmPackages();
    for (const build of addons) await ensureAddon(build);
    if (fromSource) await buildWorker();
    return { workerPath: findWorker() ?? cachedWorkerPath() };
  } finally {
    unlock();
  }
}

/** Two commands started in a fresh clone at once must not both set it up. */
async function lock() {
  mkdirSync(cacheDir, { recursive: true });
  const path = join(cacheDir, 'setup.lock');
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  for (let told = false; ;) {
    try {
      // A link, so that the lock appears with its owner in it.
      linkSync(mine, path);
      rmSync(mine);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(readStamp(path));
    if (owner > 0 && !isAlive(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) say(`  waiting for another set-up (process ${owner}) to finish`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, lockPollMs));
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
