// `npm run check`: the static checks and the tests, each with its name and time, all of them even
// when one fails; then a summary. `npm run check -- lint types` runs only the steps named.

import { spawn } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { rootDir } from './paths.mjs';

const bin = (name) => join(rootDir, 'node_modules', '.bin', name);
const launcher = join(rootDir, 'scripts', 'run.mjs');

const nativeSources = () =>
  globSync(['native/*/**/*.{cc,h}'], { cwd: rootDir }).filter(
    (path) => !path.startsWith('native/build'),
  );

// The counts of a test run and the lines that name what failed stand at its end.
const outputTailLength = 10_000;

const steps = [
  { name: 'format', command: bin('prettier'), args: ['--check', '--log-level=warn', '.'] },
  {
    name: 'format-native',
    command: 'clang-format',
    args: ['--dry-run', '-Werror', ...nativeSources()],
  },
  { name: 'lint', command: bin('eslint'), args: ['--max-warnings=0', '.'] },
  { name: 'types', command: bin('tsc'), args: ['-p', '.'] },
  { name: 'unused', command: bin('knip'), args: [] },
  { name: 'simulate', command: process.execPath, args: [launcher, 'simulate', '--seeds', '300'] },
  { name: 'test', command: process.execPath, args: [launcher, 'test'] },
  { name: 'test-asan', command: process.execPath, args: [launcher, 'test:asan'] },
];

const named = process.argv.slice(2);
const unknown = named.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  process.stderr.write(`no such step: ${unknown.join(', ')}\n`);
  process.exit(2);
}

const results = [];
for (const step of steps.filter(({ name }) => named.length === 0 || named.includes(name))) {
  process.stdout.write(`\n== ${step.name}\n`);
  const startedMs = performance.now();
  const { ok, counts, failures } = await runStep(step);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`== ${step.name}: ${ok ? 'ok' : 'FAILED'}, ${seconds} s\n`);
  results.push({ ...step, ok, seconds, counts, failures });
}

process.stdout.write('\n== summary\n');
for (const { name, ok, seconds, counts, failures } of results) {
  process.stdout.write(
    `${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(14)} ${seconds.padStart(7)} s  ${counts ?? ''}\n`,
  );
  // Whoever reads only the end of it still learns what to look at.
  for (const failure of failures) process.stdout.write(`        ${failure}\n`);
}
// As `npm test` ends, so that whoever reads the one can read the other.
const tests = results.find(({ name }) => name === 'test');
if (tests?.counts !== undefined) process.stdout.write(`${tests.counts}\n`);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;

/** Shows the step's output as it comes; picks out the line of test counts. */
function runStep({ command, args }) {
  return new Promise((resolve) => {
    if (command.startsWith('/') && !existsSync(command)) {
      resolve({ ok: false, counts: `no such command: ${command}`, failures: [] });
      return;
    }
    const child = spawn(command, args, { cwd: rootDir, stdio: ['ignore', 'pipe', 'inherit'] });
    const stop = (signal) => child.kill(signal);
    process.on('SIGTERM', stop).on('SIGINT', stop);
    let tail = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      tail = (tail + chunk.toString()).slice(-outputTailLength);
    });
    child.on('error', (error) => resolve({ ok: false, counts: error.message, failures: [] }));
    child.on('close', (code) => {
      process.off('SIGTERM', stop).off('SIGINT', stop);
      const counts = /^\d+ passed, \d+ failed, \d+ skipped$/m.exec(tail)?.[0];
      const failures = tail.match(/^failed: .*$/gm) ?? [];
      resolve({ ok: code === 0, counts, failures });
    });
  });
}
