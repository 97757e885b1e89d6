// The mediasoup worker: one that the environment names, a cached one, mediasoup's own prebuilt one,
// or one built here from source; in this order.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { arch, release } from 'node:os';
import { dirname, join } from 'node:path';
import { buildMediasoupWorker, recipeDir } from '../native/mediasoup-worker/build.mjs';
import { lockedVersion } from './npm-packages.mjs';
import { cacheDir, childEnvironment, inputsHash, rootDir } from './paths.mjs';
import { SetupError, withProgress } from './progress.mjs';

const connectTimeoutMs = 5_000;
const downloadTimeoutMs = 120_000;
// What a worker answers when it was not started by mediasoup: proof that it runs on this system.
const runsByItselfExitCode = 41;

/**
 * Where the worker for this checkout and system is kept; the file need not be there yet.
 * A worker from source is linked to the system's libraries, so a new release of the system gets its own.
 */
export function cachedWorkerPath() {
  const version = lockedVersion('mediasoup');
  const key = inputsHash([version, arch(), systemRelease()], [recipeDir]);
  return join(cacheDir, 'mediasoup-worker', `${version}-${key}`, 'mediasoup-worker');
}

/** @returns {string | undefined} the worker to run, when there is one without any work */
export function findWorker() {
  const named = process.env.MEDIASOUP_WORKER_BIN;
  if (named && existsSync(named)) return named;
  const cached = cachedWorkerPath();
  return existsSync(cached) ? cached : undefined;
}

/** @returns {Promise<boolean>} whether mediasoup's prebuilt worker could be had; it is in the cache then */
export async function downloadWorker() {
  return await withProgress('mediasoup worker, prebuilt', async ({ note, run, conclude }) => {
    const version = lockedVersion('mediasoup');
    const base =
      process.env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL ||
      'https://github.com/versatica/mediasoup/releases/download';
    const kernel = release().split('.')[0];
    const url = `${base}/${version}/mediasoup-worker-${version}-linux-${arch()}-kernel${kernel}.tgz`;
    const workDir = scratchDir('download');
    try {
      note(url);
      writeFileSync(join(workDir, 'worker.tgz'), await download(url));
      await run('tar', ['-xzf', 'worker.tgz'], { cwd: workDir });
      install(join(workDir, 'mediasoup-worker'));
      return true;
    } catch (error) {
      conclude(`not to be had (${reasonOf(error)})`);
      return false;
    } finally {
      rmSync(workDir, { recursive: true, force: true });
    }
  });
}

/** Builds the worker from the installed npm package; takes some minutes. */
export async function buildWorker() {
  await withProgress(
    'mediasoup worker, from source (about 3 minutes on two cores, once)',
    async ({ run }) => {
      const workDir = scratchDir('build');
      try {
        const built = await buildMediasoupWorker({
          packageDir: join(rootDir, 'node_modules', 'mediasoup'),
          workDir,
          run: (command, args) => run(command, args, { env: childEnvironment() }),
        });
        install(built);
      } finally {
        rmSync(workDir, { recursive: true, force: true });
      }
    },
  );
}

/** The connection must stand soon, so that a network without a way out costs little; the rest may take its time. */
async function download(url) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error('no answer')), connectTimeoutMs);
  const response = await fetch(url, {
    signal: AbortSignal.any([abort.signal, AbortSignal.timeout(downloadTimeoutMs)]),
  }).finally(() => clearTimeout(timer));
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

function install(worker) {
  chmodSync(worker, 0o755);
  const { status } = spawnSync(worker, { env: {}, stdio: 'ignore' });
  if (status !== runsByItselfExitCode)
    throw new SetupError('the worker does not run on this system');
  const target = cachedWorkerPath();
  mkdirSync(dirname(target), { recursive: true });
  // By way of a temporary name in the same folder: nobody ever sees half a file.
  const temporary = `${target}.${process.pid}`;
  copyFileSync(worker, temporary);
  renameSync(temporary, target);
}

/** Only one set-up runs at a time, so a fixed name will do; what an interrupted one left goes. */
function scratchDir(purpose) {
  const dir = join(cacheDir, `mediasoup-worker-${purpose}`);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  return dir;
}

function systemRelease() {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return text
    .split('\n')
    .filter((line) => /^(ID|VERSION_ID)=/.test(line))
    .sort()
    .join(' ');
}

function reasonOf(error) {
  return error.cause?.code ?? error.cause?.message ?? error.message;
}
