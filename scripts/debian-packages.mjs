// The Debian packages that set-up, tests and checks need, and how they get installed.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { SetupError, say, withProgress } from './progress.mjs';

/** Package names by what they are for. */
const packageGroups = {
  /** The addon, and npm packages with native parts. */
  build: ['g++', 'make', 'python3'],
  /** The mediasoup worker, when it has to be built from source. */
  worker: [
    'meson',
    'ninja-build',
    'pkg-config',
    'libuv1-dev',
    'libssl-dev',
    'libsrtp2-dev',
    'libflatbuffers-dev',
    'flatbuffers-compiler',
    'flatbuffers-compiler-dev',
  ],
  /** Independent senders, receivers and readers for the tests. */
  test: ['curl', 'sip-tester', 'tshark', 'ffmpeg', 'iproute2', 'iptables', 'tcpdump'],
  check: ['clang-format'],
};

/** @typedef {keyof typeof packageGroups} PackageGroup */

/**
 * Installs what is missing, or stops with the one command to run.
 * @param {PackageGroup[]} groups
 */
export async function ensureDebianPackages(groups) {
  const wanted = groups.flatMap((group) => packageGroups[group]);
  if (!existsSync('/usr/bin/dpkg-query')) {
    say(
      `  not a Debian system: make sure that these, or their like, are there: ${wanted.join(' ')}`,
    );
    return;
  }
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;

  const asRoot = privilege();
  if (asRoot === undefined) {
    throw new SetupError(
      `Debian packages are missing, and installing them needs root. Run this, then try again:\n\n` +
        `  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing.join(' ')}\n`,
    );
  }
  await withProgress(`Debian packages: ${missing.join(' ')}`, async ({ run }) => {
    // Through env, because sudo drops the environment. No question may wait for an answer:
    // wireshark-common, for one, asks whether everybody may capture.
    const aptGet = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
    const call = (...args) => run(aptGet[0], [...aptGet.slice(1), ...args]);
    await call('update');
    await call('install', '-y', '--no-install-recommends', ...missing);
  });
}

function missingPackages(names) {
  const { stdout } = spawnSync(
    'dpkg-query',
    ['-W', '-f', '${Package} ${db:Status-Status}\\n', ...names],
    {
      encoding: 'utf8',
    },
  );
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}

/** @returns {string[] | undefined} what to put before a command so that it runs as root */
function privilege() {
  if (process.getuid?.() === 0) return [];
  if (spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) return ['sudo', '-n'];
  return undefined;
}
