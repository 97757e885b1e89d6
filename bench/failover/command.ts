import { fork } from 'node:child_process';
import {
  accessSync,
  appendFileSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNativePrograms } from '../native-programs.ts';
import { readVersions } from '../versions.ts';
import { faultNames, faults } from './faults.ts';
import type { FaultName } from './faults.ts';
import { removeHostNetwork } from './host-network.ts';
import type { TrialJob, TrialResult } from './job.ts';
import { writePage } from './page.ts';
import { unmountBelow } from './small-disk.ts';
import { summarize } from './summary.ts';
import { formatReport } from './tables.ts';
import { judgeAll } from './targets.ts';

const usage = `usage: npm run bench -- failover [OPTIONS]

  --calls N      calls at once, each recorded twice on 4 recorders in 2 zones       [100]
  --trials T     of each fault                                                      [20]
  --faults LIST  of ${faultNames.slice(0, 8).join(', ')},
                 ${faultNames.slice(8).join(', ')}   [all]
  --seed N       which recorder, and when in the packet interval                    [1]
  --seconds S    media after the fault                            [as each fault needs]
  --ptime MS     of the parties' PCMU: 10, 20, 30, 40 or 60                         [20]
  --path P       mediasoup or direct                                       [mediasoup]
  --out DIR      report.jsonl, report.html, and logs of trials that lost something
                                                                      [bench-results]

Faults:
${faultNames.map((name) => `  ${name.padEnd(11)} ${faults[name].what}${faults[name].needsRoot ? ' (needs root)' : ''}`).join('\n')}

Every trial has processes of its own: tandem serve, four tandem recorders, the load generator. What the generator logged as
sent, from when both legs of all calls record to the end of media, is compared with the files on disk packet by packet.
The exit code is 1 when a target other than a time is not met.
`;

const trialProgram = fileURLToPath(new URL('trial.ts', import.meta.url));
const CALLS_MAX = 2_000;
/** Folders, namespaces and links of trials so far: each has names of its own. */
let spaces = 0;
/** Longer than any set-up or end of a trial takes: then something hangs. */
const TRIAL_OVERHEAD_MS_MAX = 120_000;

interface Settings {
  readonly calls: number;
  readonly trials: number;
  readonly faults: readonly FaultName[];
  readonly seed: number;
  readonly seconds: number | null;
  readonly ptimeMs: number;
  readonly path: 'mediasoup' | 'direct';
  readonly out: string;
}

interface FailedTrial {
  readonly fault: FaultName;
  readonly trial: number;
  readonly error: string;
}

export async function runFailover(args: string[]): Promise<number> {
  const settings = readSettings(args);
  if (settings === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  // So that what the trial under way has made is removed.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(1));
  }
  const startedAt = Date.now();
  const versions = readVersions();
  const { load } = await buildNativePrograms();
  mkdirSync(settings.out, { recursive: true });
  const report = join(settings.out, 'report.jsonl');
  writeFileSync(report, '');
  const write = (line: object): void => {
    appendFileSync(report, `${JSON.stringify(line)}\n`);
  };
  const chosen = settings.faults.filter(isPossible);
  const results: TrialResult[] = [];
  const failed: FailedTrial[] = [];
  // In turn, so that whatever changes on the machine meanwhile meets every fault alike.
  for (let trial = 1; trial <= settings.trials; trial++) {
    for (const fault of chosen) {
      const seed = settings.seed * 100_000 + trial * 100 + faultNames.indexOf(fault);
      try {
        const result = await runTrial(settings, fault, trial, seed, load);
        results.push(result);
        write({ kind: 'trial', ...result, versions });
        progress(`trial ${trial} of ${settings.trials}: ${oneLine(result)}`);
      } catch (error) {
        const { message } = error as Error;
        failed.push({ fault, trial, error: message });
        write({ kind: 'failed-trial', fault, trial, seed, error: message, versions });
        progress(`trial ${trial} of ${settings.trials}: ${fault} FAILED: ${message}`);
      }
    }
  }
  const summaries = summarize(results);
  const verdicts = judgeAll(summaries);
  const elapsedS = Math.round((Date.now() - startedAt) / 1_000);
  write({ kind: 'summary', settings, versions, elapsedS, faults: summaries, verdicts, failed });
  const { commit, node, kernel, mediasoup, cpu, cores } = versions;
  const heading =
    `${settings.calls} calls of PCMU, ${settings.ptimeMs} ms a packet, two legs each on 4 recorders in 2 zones; ` +
    `${settings.trials} trials a fault, seed ${settings.seed}; ${elapsedS} s; commit ${commit ?? 'unknown'}, ` +
    `Node ${node}, mediasoup ${mediasoup}, Linux ${kernel}, ${cores} x ${cpu}`;
  const page = join(settings.out, 'report.html');
  writeFileSync(
    page,
    writePage({ heading, command: commandOf(settings), results, summaries, verdicts }),
  );
  process.stdout.write(`\n${heading}\n\n${formatReport(summaries, verdicts)}`);
  for (const { fault, trial, error } of failed) {
    process.stdout.write(`failed: ${fault}, trial ${trial}: ${error}\n`);
  }
  process.stdout.write(`Report: ${page}, ${report}\n`);
  return failed.length > 0 || verdicts.some(({ met, isTime }) => !met && !isTime) ? 1 : 0;
}

function isPossible(fault: FaultName): boolean {
  if (!faults[fault].needsRoot || process.getuid?.() === 0) return true;
  progress(`${fault} is left out: it needs root (${faults[fault].what})`);
  return false;
}

/** @returns undefined when help is asked for */
function readSettings(args: string[]): Settings | undefined {
  const { values } = parseArgs({
    args,
    options: {
      calls: { type: 'string', default: '100' },
      trials: { type: 'string', default: '20' },
      faults: { type: 'string', default: faultNames.join(',') },
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string' },
      ptime: { type: 'string', default: '20' },
      path: { type: 'string', default: 'mediasoup' },
      out: { type: 'string', default: 'bench-results' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { seconds } = values;
  return {
    calls: wholeNumber('--calls', values.calls, 1, CALLS_MAX),
    trials: wholeNumber('--trials', values.trials, 1, 1_000),
    faults: values.faults.split(',').map((text) => oneOf('--faults', text, faultNames)),
    seed: wholeNumber('--seed', values.seed, 0, 10_000),
    seconds: seconds === undefined ? null : wholeNumber('--seconds', seconds, 1, 600),
    ptimeMs: Number(oneOf('--ptime', values.ptime, ['10', '20', '30', '40', '60'] as const)),
    path: oneOf('--path', values.path, ['mediasoup', 'direct'] as const),
    out: values.out,
  };
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw badOption(`${option} ${text}: a whole number from ${min} to ${max}`);
}

function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found === undefined) throw badOption(`${option} ${text}: one of ${known.join(', ')}`);
  return found;
}

/** As parseArgs throws it. */
function badOption(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_BENCH_OPTION' });
}

function commandOf({
  calls,
  trials,
  faults: chosen,
  seed,
  seconds,
  ptimeMs,
  path,
}: Settings): string {
  return [
    `npm run bench -- failover --calls ${calls} --trials ${trials} --seed ${seed}`,
    ...(chosen.length === faultNames.length ? [] : [`--faults ${chosen.join(',')}`]),
    ...(seconds === null ? [] : [`--seconds ${seconds}`]),
    ...(ptimeMs === 20 ? [] : [`--ptime ${ptimeMs}`]),
    ...(path === 'mediasoup' ? [] : [`--path ${path}`]),
  ].join(' ');
}

async function runTrial(
  settings: Settings,
  fault: FaultName,
  trial: number,
  seed: number,
  loadProgram: string,
): Promise<TrialResult> {
  const dir = mkdtempSync(join(memoryDir(), 'tandem-failover-'));
  spaces += 1;
  const tag = `${process.pid.toString(36)}${spaces.toString(36)}`;
  const { calls, ptimeMs, path, seconds } = settings;
  const afterMs = seconds === null ? null : seconds * 1_000;
  const clear = (): void => {
    if (faults[fault].network === 'hosts') removeHostNetwork(tag);
    if (faults[fault].needsRoot) unmountBelow(dir);
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', clear);
  const keepLogs = (): void => {
    copyLogs(dir, join(settings.out, 'logs', `${fault}-${trial}`));
  };
  try {
    const job = { fault, trial, calls, ptimeMs, path, seed, afterMs, loadProgram, dir, tag };
    const result = await runProcess(job);
    if (isRemarkable(result)) keepLogs();
    return result;
  } catch (error) {
    keepLogs();
    throw error;
  } finally {
    clear();
    process.off('exit', clear);
  }
}

/** Recordings are kept in memory: the disk is not what is measured. */
function memoryDir(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

function runProcess(job: TrialJob): Promise<TrialResult> {
  return new Promise((resolve, reject) => {
    const child = fork(trialProgram, [JSON.stringify(job)], { stdio: ['ignore', 2, 2, 'ipc'] });
    const limitMs = (job.afterMs ?? faults[job.fault].afterMs) + TRIAL_OVERHEAD_MS_MAX;
    const timer = setTimeout(() => child.kill('SIGTERM'), limitMs);
    let result: TrialResult | undefined;
    child.on('message', (message) => {
      result = message as TrialResult;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (result !== undefined) resolve(result);
      else reject(new Error(`ended without a result: ${signal ?? String(code)}`));
    });
  });
}

/** Something that one would want to see the logs of. */
function isRemarkable({
  fault,
  legs,
  moved,
  missingAfterMerge,
  unmovedLegs,
  party,
}: TrialResult): boolean {
  const { legLosesByFault } = faults[fault];
  return (
    missingAfterMerge + unmovedLegs + party.lostPackets > 0 ||
    moved.some(({ isFalseAlarm }) => isFalseAlarm) ||
    legs.some(({ lostPackets, concerned }) => lostPackets > 0 && !(legLosesByFault && concerned))
  );
}

function copyLogs(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (name.endsWith('.log') && !name.startsWith('sent'))
      copyFileSync(join(from, name), join(to, name));
  }
}

function oneLine(result: TrialResult): string {
  const { fault, moved, legs, missingAfterMerge, party, harness } = result;
  const lost = legs.reduce((sum, { lostPackets }) => sum + lostPackets, 0);
  const latest = Math.max(0, ...moved.map(({ detectionMs }) => detectionMs));
  return (
    `${fault}: ${moved.length} legs moved, all known after ${latest.toFixed(0)} ms; ` +
    `lost ${lost}, missing after merge ${missingAfterMerge}, between the parties ${party.lostPackets}; ` +
    `${(harness.elapsedMs / 1_000).toFixed(1)} s`
  );
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
