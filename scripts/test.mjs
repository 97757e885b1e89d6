// `npm test`: vitest, in as many processes as there are CPUs, two at most, each with a network of its own: integration
// tests open ports, kill what listens on them and look at what ICMP says, so they share no network. Where that is not
// allowed (it takes root), and where files or tests are named, one process runs all that is asked for, one file at a time.

import { spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { rootDir } from './paths.mjs';

const sharesMax = 2;
const vitest = [join('node_modules', 'vitest', 'vitest.mjs'), 'run'];
/** Mounts and named network namespaces of the tests are its own, and end with it. */
const isolated = [
  ...['unshare', '--net', '--mount', '--propagation', 'private', 'sh', '-c'],
  'ip link set lo up && mkdir -p /run/netns && mount -t tmpfs netns /run/netns && exec "$@"',
  'sh',
];
const countsLine = /^(\d+) passed, (\d+) failed, (\d+) skipped\n/m;
const failureLine = /^failed: .*\n/gm;

const args = process.argv.slice(2);
const shares = args.some((arg) => !arg.startsWith('--project=')) ? [[]] : sharesOf(args);
const children = new Set();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal);
  });
}
process.exitCode = shares.length === 1 ? await runAlone() : await runAll();

/** Of the files to be run: the unit tests go with the first share. */
function sharesOf(options) {
  const count = Math.min(availableParallelism(), sharesMax);
  const [file, ...rest] = isolated;
  if (count === 1 || spawnSync(file, [...rest, 'true']).status !== 0) return [[]];
  const isNamed = (project) => options.length === 0 || options.includes(`--project=${project}`);
  const shares = Array.from({ length: count }, () => []);
  if (isNamed('unit')) shares[0].push('test/unit/');
  const files = globSync('test/integration/**/*.test.ts', { cwd: rootDir }).sort();
  if (isNamed('integration')) {
    files.forEach((path, index) => shares[(index + 1) % count].push(path));
  }
  return shares;
}

async function runAlone() {
  const child = start(process.execPath, [...vitest, ...args], 'inherit');
  return await endOf(child);
}

/** Shows the first share's output as it comes, and that of each other one when those before it have ended. */
async function runAll() {
  const runs = shares.map((files) => {
    const [file, ...rest] = isolated;
    const child = start(file, [...rest, process.execPath, ...vitest, ...args, ...files], 'pipe');
    return { child, ended: endOf(child) };
  });
  const totals = [0, 0, 0];
  const failures = [];
  let exitCode = 0;
  // What the others print meanwhile is kept.
  const kept = runs.map(({ child }) => keep(child));
  for (const [index, { ended }] of runs.entries()) {
    kept[index].show();
    const code = await ended;
    const output = kept[index].text();
    const counts = countsLine.exec(output);
    exitCode ||= code || (counts === null ? 1 : 0);
    failures.push(...(output.match(failureLine) ?? []));
    counts?.slice(1).forEach((count, at) => (totals[at] += Number(count)));
  }
  const [passed, failed, skipped] = totals;
  process.stdout.write(
    `\n${failures.join('')}${passed} passed, ${failed} failed, ${skipped} skipped\n`,
  );
  return exitCode;
}

/** The summary for machines stands at the end of it all, so that of a share is not shown. */
function keep(child) {
  let text = '';
  let shown = 0;
  let isShown = false;
  const flush = (end) => {
    if (!isShown) return;
    const until = end ? text.length : text.lastIndexOf('\n') + 1;
    const lines = text.slice(shown, until).replace(failureLine, '').replace(countsLine, '');
    process.stdout.write(lines);
    shown = until;
  };
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    flush(false);
  });
  child.stdout.on('end', () => flush(true));
  return {
    text: () => text,
    show: () => {
      isShown = true;
      flush(false);
    },
  };
}

function start(file, rest, stdout) {
  const child = spawn(file, rest, { cwd: rootDir, stdio: ['ignore', stdout, 'inherit'] });
  children.add(child);
  return child;
}

function endOf(child) {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve(1);
    });
    child.on('close', (code) => {
      children.delete(child);
      resolve(code ?? 1);
    });
  });
}
