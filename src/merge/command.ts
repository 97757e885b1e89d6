import { resolve } from 'node:path';
import { messageOf, TandemError } from '../errors.ts';
import { merge } from './merge.ts';
import type { MergeReport } from './merge-report.ts';
import { mergeUsage, readMergeOptions } from './options.ts';
import type { MergeOptions } from './options.ts';
import { ProgressBar } from './progress-bar.ts';
import type { Output } from './progress-bar.ts';
import { complaintLine, reportLines } from './report-lines.ts';

export interface MergeIo {
  readonly stdout: Output;
  readonly stderr: Output;
}

const exitCodes = { merged: 0, nothing: 1, usage: 2, complaints: 3 } as const;
/** What a shell expects of a command that a signal ended. */
const signalCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof signalCodes;

/** `tandem merge`. Resolves to the exit code, which `mergeUsage` explains; 128 + n after a signal. */
export async function runMerge(args: readonly string[], io: MergeIo = process): Promise<number> {
  const options = optionsOf(args, io);
  if (typeof options === 'number') return options;
  const interrupt = new AbortController();
  let signalCode: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    signalCode = signalCodes[signal as StopSignal];
    interrupt.abort();
  };
  const signals = Object.keys(signalCodes) as StopSignal[];
  for (const signal of signals) process.on(signal, onSignal);
  const bar = new ProgressBar(io.stderr);
  try {
    const report = await merge({
      paths: options.inputs,
      out: resolve(options.out ?? `merged-${timeName(new Date())}`),
      onProgress: (phase, done) => {
        bar.update(phase, done);
      },
      pause: async () => {
        await new Promise((next) => setImmediate(next));
        interrupt.signal.throwIfAborted();
      },
    });
    bar.clear();
    return tell(report, options, io);
  } catch (error) {
    bar.clear();
    if (signalCode !== undefined) return signalCode;
    const code = error instanceof TandemError ? `${error.code}: ` : '';
    io.stderr.write(`tandem merge: ${code}${messageOf(error)}\n`);
    return exitCodes.nothing;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

function optionsOf(args: readonly string[], io: MergeIo): MergeOptions | number {
  try {
    const options = readMergeOptions(args);
    if (options !== undefined) return options;
    io.stdout.write(mergeUsage);
    return exitCodes.merged;
  } catch (error) {
    io.stderr.write(`tandem merge: ${messageOf(error)}\n\n${mergeUsage}`);
    return exitCodes.usage;
  }
}

function tell(report: MergeReport, { report: format }: MergeOptions, io: MergeIo): number {
  for (const complaint of report.complaints) {
    io.stderr.write(`tandem merge: ${complaintLine(complaint)}\n`);
  }
  io.stdout.write(
    format === 'json'
      ? `${JSON.stringify(report, null, 2)}\n`
      : `${reportLines(report).join('\n')}\n`,
  );
  if (report.out === null) return exitCodes.nothing;
  const isClean = report.complaints.length === 0 && report.differenceCount === 0;
  return isClean ? exitCodes.merged : exitCodes.complaints;
}

/** Local time, for a folder's name: 2026-11-21-140509. */
function timeName(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day}-${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join('')}`;
}
