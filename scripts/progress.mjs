// Shows on stderr what set-up is doing: a live line with the elapsed time on a terminal, plain lines
// elsewhere. What a step's commands print is shown only when the step fails.

import { spawn } from 'node:child_process';

const plainIntervalMs = 15_000;
// Of what a step prints: npm gives the reason first, compilers and ninja last.
const keptFirstLines = 20;
const keptLastLines = 50;
const sigtermExitCode = 143;
const terminal = process.stderr.isTTY === true;

export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** A failure whose message says all there is to say: shown without a stack. */
export class SetupError extends Error {}

/**
 * Runs one step of the set-up.
 * @template T
 * @param {string} title
 * @param {(step: { run: typeof runCommand, note: (line: string) => void,
 *   conclude: (mark: string) => void }) => Promise<T>} work conclude: says what to show instead of `done`
 * @returns {Promise<T>}
 */
export async function withProgress(title, work) {
  const startedMs = performance.now();
  const elapsed = () => `${((performance.now() - startedMs) / 1000).toFixed(terminal ? 0 : 1)} s`;
  const output = [];
  let latest = '';
  let mark = 'done';
  const note = (line) => {
    latest = line.trim();
    output.push(line);
    if (output.length > keptFirstLines + keptLastLines) output.splice(keptFirstLines, 1);
  };
  const draw = () => {
    const width = Math.max((process.stderr.columns || 80) - 1, 20);
    process.stderr.write(`\r\x1b[2K${`  ${title}  ${elapsed()}  ${latest}`.slice(0, width)}`);
  };
  if (terminal) draw();
  else say(`  ${title} ...`);
  const timer = setInterval(
    () => (terminal ? draw() : say(`  ${title} ... ${elapsed()}  ${latest}`.trimEnd())),
    terminal ? 500 : plainIntervalMs,
  );
  const finish = () => say(`${terminal ? '\r\x1b[2K' : ''}  ${title}: ${mark} after ${elapsed()}`);
  try {
    const result = await work({
      note,
      conclude: (text) => {
        mark = text;
      },
      run: (command, args, options) => runCommand(command, args, { ...options, onLine: note }),
    });
    finish();
    return result;
  } catch (error) {
    mark = 'FAILED';
    finish();
    for (const line of output) say(`    ${line}`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/**
 * Runs a command without stdin and hands its output on by line.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void }} [options]
 * @returns {Promise<void>} rejects when the command cannot start or does not exit with 0
 */
async function runCommand(command, args, { cwd, env, onLine = () => {} } = {}) {
  await new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('data', (chunk) => {
        const lines = (rest + chunk).split(/\r?\n|\r/);
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim() !== '') onLine(line);
      });
      stream.on('end', () => rest.trim() !== '' && onLine(rest));
    }
    const stop = () => {
      child.kill('SIGTERM');
      process.exit(sigtermExitCode);
    };
    process.on('SIGTERM', stop);
    child.on('error', (cause) => reject(new SetupError(`cannot run ${command}: ${cause.message}`)));
    child.on('close', (code, signal) => {
      process.off('SIGTERM', stop);
      if (code === 0) resolve(undefined);
      else reject(new SetupError(`${[command, ...args].join(' ')}: ended with ${signal ?? code}`));
    });
  });
}
