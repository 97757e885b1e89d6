// The edge's native addon and the edge as a program, built by node-gyp, and kept by the hash of what they were built from.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { lockedVersion } from './npm-packages.mjs';
import {
  cacheDir,
  childEnvironment,
  inputsHash,
  pinnedNode,
  readStamp,
  rootDir,
} from './paths.mjs';
import { withProgress } from './progress.mjs';

const nativeDir = join(rootDir, 'native');
const addonName = 'edge.node';
const programName = 'tandem-edge';
const stampName = 'inputs-hash';

/** The two builds: what runs, and the one with AddressSanitizer and UndefinedBehaviorSanitizer. */
const builds = {
  release: { gypDir: nativeDir, sanitize: 0, title: 'edge addon' },
  asan: { gypDir: join(nativeDir, 'build-asan'), sanitize: 1, title: 'edge addon with sanitizers' },
};

/** @typedef {keyof typeof builds} AddonBuild */

/** @param {AddonBuild} build */
export function addonPath(build) {
  return join(outputDir(build), addonName);
}

/**
 * Makes sure that the addon and the program are there and made from the sources as they are.
 * @param {AddonBuild} build
 */
export async function ensureAddon(build) {
  const hash = addonInputsHash(build);
  const output = outputDir(build);
  if (readStamp(join(output, stampName)) === hash && isBuilt(output)) return;
  const cached = join(cacheDir, 'addon', hash);
  if (isBuilt(cached)) {
    mkdirSync(output, { recursive: true });
    copyResults(cached, output);
  } else {
    await buildAddon(build);
    const temporary = `${cached}.${process.pid}`;
    mkdirSync(temporary, { recursive: true });
    copyResults(output, temporary);
    rmSync(cached, { recursive: true, force: true });
    renameSync(temporary, cached);
  }
  writeFileSync(join(output, stampName), `${hash}\n`);
}

function isBuilt(dir) {
  return [addonName, programName].every((name) => existsSync(join(dir, name)));
}

async function buildAddon(build) {
  const { gypDir, sanitize, title } = builds[build];
  await withProgress(title, async ({ run }) => {
    if (gypDir !== nativeDir) linkSources(gypDir);
    const nodeGyp = join(rootDir, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    await run(
      pinnedNode,
      [nodeGyp, 'rebuild', '--jobs=max', `--sanitize=${sanitize}`, ...nodeHeaders()],
      { cwd: gypDir, env: childEnvironment() },
    );
  });
}

/**
 * The addon keeps to Node-API, so the headers of the system's Node serve as well as the pinned
 * one's. Where there are none, node-gyp downloads them.
 */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return [prefix, '/usr', '/usr/local']
    .filter((dir) => existsSync(join(dir, 'include', 'node', 'node_api.h')))
    .slice(0, 1)
    .map((dir) => `--nodedir=${dir}`);
}

/** node-gyp builds below the folder of its binding.gyp: a second build needs a folder of its own. */
function linkSources(gypDir) {
  rmSync(gypDir, { recursive: true, force: true });
  mkdirSync(gypDir, { recursive: true });
  for (const name of sourceNames()) symlinkSync(join('..', name), join(gypDir, name));
}

function sourceNames() {
  return readdirSync(nativeDir).filter(
    (name) => !name.startsWith('build') && !name.startsWith('.') && name !== 'mediasoup-worker',
  );
}

function outputDir(build) {
  return join(builds[build].gypDir, 'build', 'Release');
}

function addonInputsHash(build) {
  const compiler = spawnSync(process.env.CXX || 'g++', ['--version'], { encoding: 'utf8' });
  return inputsHash(
    [
      arch(),
      compiler.stdout ?? '',
      lockedVersion('node-gyp'),
      lockedVersion('node-addon-api'),
      String(builds[build].sanitize),
      readFileSync(new URL(import.meta.url), 'utf8'),
    ],
    sourceNames()
      .sort()
      .map((name) => join(nativeDir, name)),
  );
}

/** The addon and the programs built beside it; not the object files. */
function copyResults(fromDir, toDir) {
  for (const name of readdirSync(fromDir)) {
    const { mode } = statSync(join(fromDir, name));
    const isFile = statSync(join(fromDir, name)).isFile();
    const isProgram = (mode & 0o100) !== 0 && !name.includes('.');
    if (isFile && (name.endsWith('.node') || isProgram)) {
      // A process may have the old file mapped: replace it, do not write into it.
      copyFileSync(join(fromDir, name), join(toDir, `${name}.new`));
      renameSync(join(toDir, `${name}.new`), join(toDir, name));
    }
  }
}
