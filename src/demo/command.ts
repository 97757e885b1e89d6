import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.ts';
import { callFromCapture } from './captured-call.ts';
import type { DemoResult } from './demo-result.ts';
import { Display } from './display.ts';
import type { Output } from './display.ts';
import type { MediaSource } from './media-source.ts';
import { demoUsage, readDemoOptions } from './options.ts';
import type { DemoOptions } from './options.ts';
import { recordCall } from './recorded-call.ts';
import { foldersOf, waitUntilWhole } from './recording-folders.ts';
import { reportLines } from './report.ts';
import { speechFromWav } from './speech.ts';
import { TandemClient } from './tandem-client.ts';
import { TandemProcess } from './tandem-process.ts';
import { judge } from './verdict.ts';

export interface DemoIo {
  readonly stdout: Output;
  readonly stderr: Output;
}

const recorders = 3;
const zones = ['zone-1', 'zone-2'];
const ownSpeech = fileURLToPath(new URL('../../assets/phone-call.wav', import.meta.url));
/** What a shell expects of a command that a signal ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof exitCodes;

/**
 * `tandem demo`: a call recorded twice, whose first recorder is killed. Resolves to the exit code: 0 when all that is
 * promised held, 1 when not, 128 + n after a signal.
 */
export async function runDemo(args: readonly string[], io: DemoIo = process): Promise<number> {
  const options = readDemoOptions(args);
  if (options === undefined) {
    io.stdout.write(demoUsage);
    return 0;
  }
  const interrupt = new AbortController();
  let exitCode: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    exitCode = exitCodes[signal as StopSignal];
    interrupt.abort();
  };
  const signals = Object.keys(exitCodes) as StopSignal[];
  for (const signal of signals) process.on(signal, onSignal);
  // With --json standard output is the document's alone.
  const display = new Display(options.json ? io.stderr : io.stdout);
  try {
    const result = await demonstrate(options, display, io, interrupt.signal);
    return result.ok ? 0 : 1;
  } catch (error) {
    if (exitCode === undefined) throw error;
    display.line(`  stopped: ${messageOf(error)}`);
    return exitCode;
  } finally {
    display.clear();
    for (const signal of signals) process.off(signal, onSignal);
  }
}

async function demonstrate(
  options: DemoOptions,
  display: Display,
  io: DemoIo,
  signal: AbortSignal,
): Promise<DemoResult> {
  display.line('Tandem: one call, two recordings, and a recorder that dies in the middle of it');
  display.line();
  const source = mediaSource(options);
  display.field('speech', source.description);
  const dir = resolve(options.dir ?? `demo-recordings/${timeName(new Date())}`);
  mkdirSync(dir, { recursive: true });
  display.field('files', dir);

  const beganAt = performance.now();
  display.status('  tandem      starting');
  const { path, replay } = options;
  const tandem = await TandemProcess.create({ dir, path, replay, recorders, zones }, signal);
  try {
    const seconds = ((performance.now() - beganAt) / 1_000).toFixed(1);
    display.field(
      'tandem',
      `${tandem.url}, ${recorders} recorders in ${zones.length} zones, ready in ${seconds} s`,
    );
    display.line();
    const client = new TandemClient(tandem.url);
    const call = await recordCall(client, source, display, signal);
    display.status('              waiting until the files are whole');
    const folders = call.state.recordings.flatMap((recording) => foldersOf(dir, recording));
    const unfinished = await waitUntilWhole(folders, signal);
    const result = judge(call, source, { dir, path, replay }, unfinished);
    for (const line of reportLines(result)) display.line(line);
    if (options.json) io.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    if (options.keep) await keep(tandem.url, display, signal);
    return result;
  } finally {
    display.clear();
    await tandem.close();
  }
}

function mediaSource({ wav, pcap, seconds }: DemoOptions): MediaSource {
  return pcap === undefined
    ? speechFromWav(wav ?? ownSpeech, seconds)
    : callFromCapture(pcap, seconds);
}

async function keep(url: string, display: Display, signal: AbortSignal): Promise<void> {
  display.line();
  display.line(`Tandem goes on at ${url} until Ctrl-C. Try: curl ${url}/v1/recorders`);
  if (signal.aborted) return;
  await new Promise((resolveKeep) => {
    signal.addEventListener('abort', resolveKeep, { once: true });
  });
}

/** Local time, for a folder's name: 2026-11-21-140509. */
function timeName(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day}-${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join('')}`;
}
