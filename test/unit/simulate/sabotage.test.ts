import { expect, it } from 'vitest';
import { runBatch } from '../../../simulate/batch.ts';
import type { SabotageName } from '../../../simulate/sabotages.ts';

/** By what each fault that is put in on purpose must be found. */
const found: Readonly<Record<SabotageName, string>> = {
  'confirms too much': 'confirmed is held',
  'names not all that is missing': 'missing is named',
  'calls the unproven complete': 'verdict is true',
  'calls the missing merged': 'verdict is true',
  'ignores whom to leave out': 'legs apart',
  'runs out of recorders': 'leg is recorded',
  'hears no evil': 'leg is recorded',
  'releases nothing': 'nothing left behind',
  'says no BYE': 'nothing left behind',
  'acknowledges a pause early': 'pause is kept',
  'answers before it obeys': 'pause is kept',
  'lets a pause be overtaken': 'pause is kept',
  'replays what was kept out': 'pause is kept',
  'closes no ports': 'nothing left behind',
  'gives a leg up': 'leg is recorded',
  'waits for itself': 'orders are answered',
  'throws where nobody catches': 'nothing is thrown',
  'stores no legs': 'sessions go on',
  'stores no sessions': 'nothing left behind',
  'stores no copies': 'leg is recorded',
  'stores calls once': 'pause is kept',
  'answers before it is stored': 'missing is named',
};

const seedsMax = 1_000;
/** Where the first is found late: one that finds it, so that the test need not look at all before it. Any other does as well. */
const foundAt: Partial<Readonly<Record<SabotageName, number>>> = {
  'hears no evil': 124,
  'gives a leg up': 125,
};
const timeoutMs = 180_000;

it.each(Object.entries(found) as [SabotageName, string][])(
  'finds a part that %s: %s',
  async (sabotage, checker) => {
    let foundBy = 0;
    const look = (firstSeed: number, seeds: number): Promise<void> =>
      runBatch({
        firstSeed,
        seeds,
        sabotage,
        onResult: ({ seed, violations }) => {
          if (violations.some((violation) => violation.checker === checker)) foundBy = seed;
          return foundBy > 0;
        },
      });
    await look(foundAt[sabotage] ?? 1, 1);
    if (foundBy === 0) await look(1, seedsMax);
    expect(foundBy).toBeGreaterThan(0);
  },
  timeoutMs,
);

it('finds nothing where nothing was put in', async () => {
  const violations: string[] = [];
  await runBatch({
    firstSeed: 1,
    seeds: 20,
    onResult: ({ seed, violations: all }) => {
      violations.push(...all.map(({ checker, text }) => `seed ${seed}: ${checker}: ${text}`));
      return false;
    },
  });
  expect(violations).toEqual([]);
}, 60_000);
