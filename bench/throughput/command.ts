import { fork } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { buildNativePrograms } from '../native-programs.ts';
import { readVersions } from '../versions.ts';
import { paths } from './job.ts';
import type { MeasuredPath, TrialJob, TrialResult } from './job.ts';
import { formatSummary, summarize } from './summary.ts';

const usage = `usage: npm run bench -- throughput [OPTIONS]

  --calls N     calls at once, each recorded twice: 100 packets/s in, 300 out       [100]
  --seconds S   measured part of a trial; a warm-up of up to 2 s comes before it    [10]
  --trials T    rounds; every round has one trial of each path, in turn             [3]
  --paths P,..  mediasoup, direct, floor (a bare fork, the yardstick), none
                (the parties send to each other)                   [mediasoup,direct,floor]
  --seed N      order and phase of the streams                                      [1]
  --json FILE   also write the results there: JSON lines, one a trial, then the summary

CPU is that of the system under test alone: serve and its mediasoup workers. Delay is from a party's send to
the kernel's receive time at the other party. Memory is what a call adds, its rings filled for as long as it lasted.
`;

const trialProgram = fileURLToPath(new URL('trial.ts', import.meta.url));
const WARMUP_MS_MAX = 2_000;
/** Longer than any set-up or end of a trial takes: then something hangs. */
const TRIAL_OVERHEAD_MS_MAX = 180_000;
/** Each takes four sockets of tandem serve's (a process may have 20,000 files) and two of the floor's 8,192. */
const CALLS_MAX = 2_000;

interface Settings {
  readonly calls: number;
  readonly seconds: number;
  readonly trials: number;
  readonly seed: number;
  readonly paths: readonly MeasuredPath[];
  readonly json: string | undefined;
}

export async function runThroughput(args: string[]): Promise<number> {
  const settings = readSettings(args);
  if (settings === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const versions = readVersions();
  const programs = await buildNativePrograms();
  const measureMs = settings.seconds * 1_000;
  const { json } = settings;
  if (json !== undefined) writeFileSync(json, '');
  const write = (line: object): void => {
    if (json !== undefined) appendFileSync(json, `${JSON.stringify(line)}\n`);
  };
  const results: TrialResult[] = [];
  for (let trial = 1; trial <= settings.trials; trial++) {
    for (const path of settings.paths) {
      progress(
        `trial ${trial} of ${settings.trials}: ${path}, ${settings.calls} calls, ${settings.seconds} s`,
      );
      const result = await runTrial({
        path,
        trial,
        calls: settings.calls,
        warmupMs: Math.min(WARMUP_MS_MAX, Math.round(measureMs / 6)),
        measureMs,
        seed: settings.seed * 1_000 + trial,
        programs,
      });
      results.push(result);
      write({ kind: 'trial', ...result, versions });
      progress(`  ${result.cpuUsPerPacket.total.toFixed(2)} us CPU a packet`);
    }
  }
  const summaries = summarize(results);
  write({ kind: 'summary', settings, versions, paths: summaries });
  const { commit, node, kernel, mediasoup, cpu, cores } = versions;
  process.stdout.write(
    `\n${settings.calls} calls of PCMU, two legs each, ${settings.trials} trials of ${settings.seconds} s; ` +
      `commit ${commit ?? 'unknown'}, Node ${node}, mediasoup ${mediasoup}, Linux ${kernel}, ${cores} x ${cpu}\n\n` +
      formatSummary(summaries, results),
  );
  return 0;
}

/** @returns undefined when help is asked for */
function readSettings(args: string[]): Settings | undefined {
  const { values } = parseArgs({
    args,
    options: {
      calls: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '10' },
      trials: { type: 'string', default: '3' },
      paths: { type: 'string', default: 'mediasoup,direct,floor' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    calls: wholeNumber('--calls', values.calls, 1, CALLS_MAX),
    seconds: wholeNumber('--seconds', values.seconds, 1, 3_600),
    trials: wholeNumber('--trials', values.trials, 1, 1_000),
    seed: wholeNumber('--seed', values.seed, 0, 1_000_000),
    paths: values.paths.split(',').map(readPath),
    json: values.json,
  };
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw badOption(`${option} ${text}: a whole number from ${min} to ${max}`);
}

function readPath(text: string): MeasuredPath {
  const path = paths.find((name) => name === text);
  if (path === undefined) throw badOption(`--paths ${text}: one of ${paths.join(', ')}`);
  return path;
}

/** As parseArgs throws it. */
function badOption(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_BENCH_OPTION' });
}

function runTrial(job: TrialJob): Promise<TrialResult> {
  return new Promise((resolve, reject) => {
    const child = fork(trialProgram, [JSON.stringify(job)], {
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const timer = setTimeout(
      () => child.kill('SIGTERM'),
      job.warmupMs + job.measureMs + TRIAL_OVERHEAD_MS_MAX,
    );
    let result: TrialResult | undefined;
    child.on('message', (message) => {
      result = message as TrialResult;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (result !== undefined) resolve(result);
      else
        reject(new Error(`trial of ${job.path} ended without result: ${signal ?? String(code)}`));
    });
  });
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
