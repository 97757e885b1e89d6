// What every npm script starts: sets the clone up, then runs the command on the pinned Node.
// Plain JavaScript for the system's own Node 20 or newer, without node_modules.

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { addonPath } from './addon.mjs';
import { cacheDir, childEnvironment, pinnedNode, rootDir } from './paths.mjs';
import { SetupError, say } from './progress.mjs';
import { ensureSetup } from './setup.mjs';

const oldestNodeMajor = 20;

/** @typedef {'build' | 'test' | 'check'} PackageGroup */
/** @typedef {{ groups: PackageGroup[], addons: ('release' | 'asan')[], command: (args: string[]) => string[],
 *   environment?: () => Record<string, string> }} Task */

/** @returns {Task} a command of Tandem itself */
const tandem = (...command) => ({
  groups: ['build'],
  addons: ['release'],
  command: (args) => ['src/main.ts', ...command, ...args],
});

/** @type {Record<string, Task>} */
const tasks = {
  tandem: tandem(),
  serve: tandem('serve'),
  demo: tandem('demo'),
  bench: { ...tandem(), command: (args) => ['bench/main.ts', ...args] },
  // With the sanitizers: what a parser reads out of bounds need not crash.
  fuzz: {
    groups: ['build'],
    addons: ['asan'],
    command: (args) => ['test/fuzz/main.ts', ...args],
    environment: sanitizerEnvironment,
  },
  simulate: { groups: ['build'], addons: [], command: (args) => ['simulate/main.ts', ...args] },
  test: {
    groups: ['build', 'test'],
    addons: ['release'],
    command: (args) => ['scripts/test.mjs', ...args],
  },
  'test:asan': {
    groups: ['build', 'test'],
    addons: ['asan'],
    command: (args) => ['scripts/test.mjs', '--project=integration', ...args],
    environment: sanitizerEnvironment,
  },
  check: {
    groups: ['build', 'test', 'check'],
    addons: ['release', 'asan'],
    command: (args) => ['scripts/check.mjs', ...args],
  },
  build: { ...tandem(), command: (args) => ['scripts/build.mjs', ...args] },
  setup: { groups: ['build', 'test', 'check'], addons: ['release', 'asan'], command: () => [] },
};

try {
  process.exitCode = await main(process.argv[2] ?? '', process.argv.slice(3));
} catch (error) {
  say(error instanceof SetupError ? `\n${error.message}` : error.stack);
  process.exitCode = 1;
}

/** @returns {Promise<number>} the exit code */
async function main(name, args) {
  const task = tasks[name];
  if (task === undefined) throw new SetupError(`usage: run.mjs ${Object.keys(tasks).join(' | ')}`);
  if (Number(process.versions.node.split('.')[0]) < oldestNodeMajor) {
    throw new SetupError(`Node ${oldestNodeMajor} or newer is needed; this is ${process.version}`);
  }
  const { workerPath } = await ensureSetup({ packageGroups: task.groups, addons: task.addons });
  const command = task.command(args);
  if (command.length === 0) return 0;
  const environment = {
    MEDIASOUP_WORKER_BIN: workerPath,
    // A process that is started again is there in half the time.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(cacheDir, 'node'),
    ...task.environment?.(),
  };
  return await runToEnd(command, childEnvironment(environment));
}

/** The edge as built with the sanitizers, in a Node that has their runtime loaded before all else. */
function sanitizerEnvironment() {
  const runtimes = ['libasan.so', 'libubsan.so'].map((name) =>
    spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim(),
  );
  return {
    TANDEM_EDGE_ADDON: addonPath('asan'),
    LD_PRELOAD: runtimes.join(':'),
    // Node itself keeps memory to its end; what the edge leaks is seen by its own counters.
    ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
}

/** Runs the pinned Node in this terminal, hands signals on, and takes over how it ended. */
function runToEnd(args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(pinnedNode, args, { cwd: rootDir, env, stdio: 'inherit' });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
      process.on(signal, () => {
        // Ctrl-C on a terminal reaches the whole process group, the child too.
        if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(signal);
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal === null) {
        resolve(code ?? 1);
        return;
      }
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    });
  });
}
