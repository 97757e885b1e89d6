import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { formatTable } from '../table.ts';
import { readVersions } from '../versions.ts';
import { inspectorOptions } from './garbage-collector.ts';
import { compare, isLeftBehind } from './left-behind.ts';
import type { Figure } from './left-behind.ts';
import { Soak } from './soak.ts';
import type { SoakProgress, SoakReport } from './soak.ts';

const usage = `usage: npm run bench -- soak [OPTIONS]

  --calls N        short calls, after the warm-up                                [20000]
  --warmup N       calls before what is held is measured first                    [3000]
  --concurrency N  calls at once                                                    [12]
  --kill-every N   calls between two kills of a recorder                            [50]
  --rest S         without a call before either measurement                         [35]
  --seed N         order, kinds and lengths of the calls, and who is killed          [1]
  --json FILE      also write the results there

A day's worth of calls in fast motion: created, answered, paused, re-offered, deleted early or late, on both media
paths, while one recorder after the other is killed. Exits with 1 if anything of them is left behind. The warm-up is as long as
the JavaScript heap takes to get as large as it will: what lies between its collections is no leak.
`;

/** In memory, and emptied all the time. */
const parentDir = '/dev/shm';

export async function runSoak(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      calls: { type: 'string', default: '20000' },
      warmup: { type: 'string', default: '3000' },
      concurrency: { type: 'string', default: '12' },
      'kill-every': { type: 'string', default: '50' },
      rest: { type: 'string', default: '35' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const settings = {
    calls: wholeNumber('--calls', values.calls, 1, 10_000_000),
    warmupCalls: wholeNumber('--warmup', values.warmup, 1, 1_000_000),
    concurrency: wholeNumber('--concurrency', values.concurrency, 1, 200),
    killEvery: wholeNumber('--kill-every', values['kill-every'], 1, 1_000_000),
    restMs: wholeNumber('--rest', values.rest, 0, 3_600) * 1_000,
    seed: wholeNumber('--seed', values.seed, 0, 1_000_000),
  };
  // Inherited by serve and its recorders, which then listen for a debugger when they are told to.
  process.env['NODE_OPTIONS'] = [process.env['NODE_OPTIONS'] ?? '', inspectorOptions].join(' ');
  // So that what is to be done at the exit is done.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const soak = await Soak.create({
    ...settings,
    parentDir,
    collectsGarbage: true,
    onProgress: showProgress(settings.calls + settings.warmupCalls),
  });
  let report: SoakReport;
  try {
    report = await soak.run();
  } finally {
    await soak.close();
  }
  const figures = compare(report);
  if (values.json !== undefined) {
    const result = { settings, versions: readVersions(), figures, ...report };
    writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  process.stdout.write(summary(report, figures));
  return figures.some(isLeftBehind) ? 1 : 0;
}

function summary({ tally, kills, elapsedMs, recordingsRemoved }: SoakReport, figures: Figure[]) {
  const reasons = Object.entries(tally.failoversByReason).map(([name, n]) => `${name} ${n}`);
  const rows = figures.map((figure) => [
    figure.name,
    show(figure, figure.warm),
    show(figure, figure.end),
    show(figure, figure.endMax),
    isLeftBehind(figure) ? 'LEFT BEHIND' : 'ok',
  ]);
  return [
    '',
    `${tally.calls} calls in ${(elapsedMs / 1_000).toFixed(0)} s, ${kills} recorders killed, ` +
      `${tally.failovers} failovers (${reasons.join(', ')}), ${recordingsRemoved} recordings`,
    `packets: ${tally.sentPackets} sent by parties, ${tally.receivedPackets} received by the ` +
      `others, ${tally.recordedPackets} recorded, ${tally.lostPackets} lost`,
    '',
    formatTable([['', 'warm', 'end', 'at most', ''], ...rows]),
    '',
    ...tally.problems,
    '',
  ].join('\n');
}

function show({ name }: Figure, value: number): string {
  return name.endsWith('bytes') ? `${(value / 1_048_576).toFixed(1)} MiB` : String(value);
}

function showProgress(total: number): (progress: SoakProgress) => void {
  let shownAt = 0;
  return ({ calls, kills, elapsedMs }) => {
    if (elapsedMs - shownAt < 5_000) return;
    shownAt = elapsedMs;
    const rate = (calls / elapsedMs) * 1_000;
    process.stderr.write(
      `${calls} of ${total} calls, ${kills} recorders killed, ${rate.toFixed(1)} calls/s\n`,
    );
  };
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw Object.assign(new TypeError(`${option} ${text}: a whole number from ${min} to ${max}`), {
    code: 'ERR_BENCH_OPTION',
  });
}
