import { parseArgs } from 'node:util';
import { runBatch } from './batch.ts';
import { markNames } from './marks.ts';
import type { MarkName } from './marks.ts';
import type { SeedResult } from './run-seed.ts';
import { sabotageNames } from './sabotages.ts';
import type { SabotageName } from './sabotages.ts';

const usage = `npm run simulate -- [--seeds N] [--seed S] [--verbose] [--json] [--sabotage NAME]

  --seeds N        how many, one after the other (1,000)
  --seed S         the first of them (1)
  --verbose        the whole story of every seed that fails, and marks that were not reached
  --json           a summary in JSON on standard output
  --sabotage NAME  with a fault put in on purpose: ${sabotageNames.join('; ')}
`;

const storiesMax = 3;
const storyLinesMax = 120;
const progressMs = 1_000;

interface Options {
  readonly seeds: number;
  readonly seed: number;
  readonly verbose: boolean;
  readonly json: boolean;
  readonly sabotage: SabotageName | undefined;
}

const options = readOptions();
if (options === undefined) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else {
  process.exitCode = await simulate(options);
}

function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string' },
        seed: { type: 'string' },
        verbose: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        sabotage: { type: 'string' },
      },
    });
    const seeds = Number(values.seeds ?? (values.seed === undefined ? 1_000 : 1));
    const seed = Number(values.seed ?? 1);
    const sabotage = values.sabotage as SabotageName | undefined;
    if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(seed)) return undefined;
    if (sabotage !== undefined && !sabotageNames.includes(sabotage)) return undefined;
    return { seeds, seed, verbose: values.verbose, json: values.json, sabotage };
  } catch {
    return undefined;
  }
}

async function simulate({ seeds, seed, verbose, json, sabotage }: Options): Promise<number> {
  const startedAt = performance.now();
  const failed: SeedResult[] = [];
  const marks = new Map<MarkName, number>();
  let done = 0;
  let simulatedMs = 0;
  let shownAt = startedAt;
  const progress = (last: boolean): void => {
    const now = performance.now();
    if (!last && now - shownAt < progressMs) return;
    shownAt = now;
    const seconds = ((now - startedAt) / 1_000).toFixed(0);
    const hours = (simulatedMs / 3_600_000).toFixed(1);
    const line = `${done} of ${seeds} seeds, ${hours} hours simulated in ${seconds} s, ${failed.length} failed`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}\u001b[K${last ? '\n' : ''}`);
    else process.stderr.write(`${line}\n`);
  };
  await runBatch({
    firstSeed: seed,
    seeds,
    ...(sabotage === undefined ? {} : { sabotage }),
    onResult: (result) => {
      done += 1;
      simulatedMs += result.simulatedMs;
      for (const name of Object.keys(result.marks) as MarkName[]) {
        marks.set(name, (marks.get(name) ?? 0) + 1);
      }
      if (result.violations.length > 0) {
        failed.push(result);
        if (failed.length <= storiesMax) tellStory(result, verbose || seeds === 1);
      } else if (seeds === 1) {
        process.stderr.write(`seed ${result.seed}: hash ${result.hash}\n`);
      }
      progress(false);
      return false;
    },
  });
  progress(true);
  const unreached = markNames.filter((name) => !marks.has(name));
  if (json) {
    const failures = failed.map((result) => ({ ...result, story: undefined }));
    const summary = { seeds, seed, failures, marks: Object.fromEntries(marks), simulatedMs };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  } else {
    if (seeds > 1 || verbose) tellMarks(marks, unreached, verbose);
    tellFailures(failed);
  }
  return failed.length === 0 ? 0 : 1;
}

function tellStory({ seed, story, violations, hash }: SeedResult, whole: boolean): void {
  const shown = whole ? story : story.slice(-storyLinesMax);
  const left = story.length - shown.length;
  process.stderr.write(
    [
      '',
      `seed ${seed}: ${violations.map(({ checker }) => checker).join(', ')} (hash ${hash})`,
      ...(left > 0 ? [`  ... ${left} lines before`] : []),
      ...shown.map((line) => `  ${line}`),
      `  again: npm run simulate -- --seed ${seed} --verbose`,
      '',
    ].join('\n'),
  );
}

function tellMarks(
  marks: ReadonlyMap<MarkName, number>,
  unreached: readonly MarkName[],
  verbose: boolean,
): void {
  if (verbose) {
    for (const [name, count] of marks) process.stderr.write(`  ${name}: in ${count} seeds\n`);
  }
  const text = unreached.length === 0 ? 'all' : `all but ${unreached.join(', ')}`;
  process.stderr.write(`marks reached: ${text}\n`);
}

/** By what did not hold. */
function tellFailures(failed: readonly SeedResult[]): void {
  const checkers = new Map<string, string[]>();
  for (const { seed, violations } of failed) {
    for (const { checker, text } of violations) {
      const seeds = checkers.get(checker) ?? [];
      checkers.set(checker, seeds);
      seeds.push(`seed ${seed}: ${text.split('\n').slice(0, 4).join(' ')}`);
    }
  }
  for (const [checker, texts] of checkers) {
    process.stderr.write(`${checker}: ${texts.length} seeds\n`);
    for (const text of texts.slice(0, 5)) process.stderr.write(`  ${text}\n`);
  }
}
