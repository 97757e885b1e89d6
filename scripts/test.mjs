// `npm test`: vitest for a few files at a time, two of them beside each other, each with a network of its own: integration
// tests open ports, kill what listens on them and look at what ICMP says, so they share no network. Where that is not
// allowed (it takes root), and where files or tests are named, one vitest runs all that is asked for, one file at a time.

import { spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { rootDir } from './paths.mjs';

const besideMax = 2;
const filesPerRun = 4;
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
const children = new Set();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(signal, () => {
    for (const child of children) child.kill(signal);
  });
}
const isWhole = args.every((arg) => arg.startsWith('--project='));
process.exitCode = isWhole && canIsolate() ? await runBeside() : await runAlone();

function canIsolate() {
  const [file, ...rest] = isolated;
  return availableParallelism() > 1 && spawnSync(file, [...rest, 'true']).status === 0;
}

async function runAlone() {
  const { code } = await run(process.execPath, [...vitest, ...args], 'inherit');
  return code;
}

/** The output of each run is shown when it has ended; the summary for machines is that of all of them. */
async function runBeside() {
  const waiting = runsOf();
  const total = waiting.length;
  const totals = [0, 0, 0];
  const failures = [];
  let exitCode = 0;
  const workOff = async () => {
    for (let files = waiting.shift(); files !== undefined; files = waiting.shift()) {
      process.stdout.write(`run ${total - waiting.length} of ${total}: ${files.join(' ')}\n`);
      const [file, ...rest] = isolated;
      const command = [...rest, process.execPath, ...vitest, ...args, ...files];
      const { code, output } = await run(file, command, 'pipe');
      process.stdout.write(output.replace(failureLine, '').replace(countsLine, ''));
      const counts = countsLine.exec(output);
      exitCode ||= code || (counts === null ? 1 : 0);
      failures.push(...(output.match(failureLine) ?? []));
      counts?.slice(1).forEach((count, at) => (totals[at] += Number(count)));
    }
  };
  await Promise.all(Array.from({ length: besideMax }, workOff));
  const [passed, failed, skipped] = totals;
  process.stdout.write(
    `\n${failures.join('')}${passed} passed, ${failed} failed, ${skipped} skipped\n`,
  );
  return exitCode;
}

/** Neighbours by name take long for the same reasons: they are dealt to different runs. */
function runsOf() {
  const isAsked = (project) => args.length === 0 || args.includes(`--project=${project}`);
  const files = isAsked('integration')
    ? globSync('test/integration/**/*.test.ts', { cwd: rootDir }).sort()
    : [];
  const count = Math.ceil(files.length / filesPerRun);
  const dealt = Array.from({ length: count }, (_, run) =>
    files.filter((_file, index) => index % count === run),
  );
  return isAsked('unit') ? [['test/unit/'], ...dealt] : dealt;
}

function run(file, rest, stdout) {
  return new Promise((resolve) => {
    const child = spawn(file, rest, { cwd: rootDir, stdio: ['ignore', stdout, 'inherit'] });
    children.add(child);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve({ code: 1, output });
    });
    child.on('close', (code) => {
      children.delete(child);
      resolve({ code: code ?? 1, output });
    });
  });
}
