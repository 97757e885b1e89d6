import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compare, isLeftBehind } from '../../bench/soak/left-behind.ts';
import { Soak } from '../../bench/soak/soak.ts';
import type { SoakReport } from '../../bench/soak/soak.ts';

const parentDir = mkdtempSync(join(tmpdir(), 'tandem-soak-test-'));
const concurrency = 6;
const storeThreadFds = 7;
let report: SoakReport;

beforeAll(async () => {
  const soak = await Soak.create({
    calls: 60,
    warmupCalls: 20,
    concurrency,
    killEvery: 20,
    seed: 7,
    restMs: 0,
    parentDir,
    collectsGarbage: false,
    onProgress: () => undefined,
  });
  try {
    report = await soak.run();
  } finally {
    await soak.close();
  }
});

afterAll(() => {
  rmSync(parentDir, { recursive: true, force: true });
});

it('leaves nothing of short calls behind, whose recorders were killed', () => {
  expect(report.kills).toBe(4);
  // Connections of the API are kept open for a while, at most one a caller. The store's thread is begun when there is
  // much in its log: before the end of the warm-up, or after it.
  const count = concurrency + storeThreadFds;
  const figures = compare(report, { memoryFraction: 1, memoryBytes: 2 ** 26, count });
  // Too short a run to wait for: SIP keeps the transaction of an INVITE for 32 s.
  const compared = figures.filter(({ name }) => name !== 'serve: timers');
  expect(compared.filter(isLeftBehind)).toEqual([]);
  expect(compared.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['pinned ports', 'forks', 'packets lost']),
  );
});

it('has nothing to say against any of them', () => {
  expect(report.tally.problems).toEqual([]);
});
