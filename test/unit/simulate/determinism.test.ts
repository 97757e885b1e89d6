import { expect, it } from 'vitest';
import { runBatch } from '../../../simulate/batch.ts';

async function hashes(firstSeed: number, seeds: number): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  await runBatch({
    firstSeed,
    seeds,
    threads: 1,
    onResult: ({ seed, hash }) => {
      found.set(seed, hash);
      return false;
    },
  });
  return found;
}

it('tells the same story of a seed every time, whatever ran before it', async () => {
  const together = await hashes(1, 6);
  const alone = await hashes(5, 2);
  expect(alone.get(5)).toBe(together.get(5));
  expect(alone.get(6)).toBe(together.get(6));
  expect(new Set(together.values()).size).toBe(together.size);
}, 60_000);
