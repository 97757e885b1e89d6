import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LedgerArchive } from '../../src/ledger-archive.ts';
import type { Ledger } from '../../src/recording/account/ledger.ts';
import { ManualClock } from '../support/manual-clock.ts';

let parent: string;
let dir: string;
let clock: ManualClock;
let outcomes: string[];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'tandem-ledgers-'));
  dir = join(parent, 'state', 'ledgers');
  clock = new ManualClock();
  outcomes = [];
});

afterEach(() => {
  rmSync(parent, { recursive: true });
});

const ledger = (callId: string): Ledger => ({ callId, streams: [], legs: [], verdict: 'complete' });

function archive(kept = 10): LedgerArchive {
  return new LedgerArchive({
    dir,
    kept,
    clock,
    logger: pino({ level: 'silent' }),
    onWritten: () => outcomes.push('written'),
    onDropped: (reason) => outcomes.push(reason),
  });
}

async function keep(ledgers: LedgerArchive, ...callIds: string[]): Promise<void> {
  for (const callId of callIds) {
    await clock.advance(1_000);
    ledgers.keep(ledger(callId));
  }
  await ledgers.close();
}

const callIds = (): string[] =>
  readdirSync(dir)
    .sort()
    .map((name) => /^\d{8}T\d{9}Z-(.+)\.json$/.exec(name)?.[1] ?? name);

it('writes each ledger to a file of its own, whole', async () => {
  await keep(archive(), 'c1', 'c2');
  expect(callIds()).toEqual(['c1', 'c2']);
  const [file = ''] = readdirSync(dir).sort();
  expect(JSON.parse(readFileSync(join(dir, file), 'utf8'))).toEqual(ledger('c1'));
  expect(outcomes).toEqual(['written', 'written']);
});

it('keeps both ledgers of an id that was used twice', async () => {
  await keep(archive(), 'c1', 'c1');
  expect(callIds()).toEqual(['c1', 'c1']);
});

it('removes the oldest, also those of an earlier run', async () => {
  await keep(archive(3), 'c1', 'c2', 'c3');
  await keep(archive(3), 'c4', 'c5');
  expect(callIds()).toEqual(['c3', 'c4', 'c5']);
});

it('removes what an earlier run left half written, and nothing that is not its own', async () => {
  await keep(archive(1), 'c1');
  writeFileSync(join(dir, '20200101T000000000Z-c0.json.tmp'), '{');
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  await keep(archive(1), 'c2');
  expect(callIds()).toEqual(['c2', 'notes.txt']);
});

it('counts what cannot be written, and goes on when it can', async () => {
  writeFileSync(join(parent, 'state'), 'not a folder');
  const ledgers = archive();
  await keep(ledgers, 'c1');
  rmSync(join(parent, 'state'));
  await keep(ledgers, 'c2');
  expect(outcomes).toEqual(['write', 'written']);
  expect(callIds()).toEqual(['c2']);
});

it('lets no more than so many wait', async () => {
  const ledgers = archive(2_000);
  for (let index = 0; index < 1_100; index += 1) ledgers.keep(ledger(`c${index}`));
  await ledgers.close();
  expect(outcomes.filter((outcome) => outcome === 'queue-full').length).toBeGreaterThan(90);
  expect(callIds()).toHaveLength(outcomes.filter((outcome) => outcome === 'written').length);
});

it('writes none when none is to be kept', async () => {
  const ledgers = archive(0);
  ledgers.keep(ledger('c1'));
  await ledgers.close();
  expect(readdirSync(parent)).toEqual([]);
});
