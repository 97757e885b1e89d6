import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { identityOf } from '../../../src/supervisor/process-identity.ts';
import {
  isStillThere,
  ProcessRegistry,
  type RegistryEntry,
} from '../../../src/supervisor/process-registry.ts';

let dir: string;
const logger = pino({ level: 'silent' });
const file = (): string => join(dir, 'processes.json');
const own = identityOf(process.pid)!;
const entry: RegistryEntry = {
  ...{ role: 'recorder', id: 'r1', starts: 3, deaths: 2 },
  last: { ...own, startedAt: '2026-11-30T12:00:00.000Z', wasReady: true },
  facts: { role: 'recorder', uri: 'sip:127.0.0.1:9;transport=tcp', capacity: 5, reportsEveryMs: 9 },
};

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-registry-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

it('gives the next supervisor what it was given, and is for its user alone', () => {
  ProcessRegistry.read(dir, logger).put(entry);
  const again = ProcessRegistry.read(dir, logger);
  expect(again.list()).toEqual([entry]);
  expect(again.get({ role: 'recorder', id: 'r1' })).toEqual(entry);
  expect(again.isLost).toBe(false);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
});

it('is empty where there is none, and after an end that was asked for', () => {
  const registry = ProcessRegistry.read(dir, logger);
  expect([registry.list(), registry.isLost]).toEqual([[], false]);
  registry.put(entry);
  registry.remove();
  expect(ProcessRegistry.read(dir, logger).list()).toEqual([]);
});

it.each(['{"version":1,', '[]', '{"version":2,"bootId":"x","processes":[]}'])(
  'is lost, not half believed, when it reads %s',
  (text) => {
    writeFileSync(file(), text);
    const registry = ProcessRegistry.read(dir, logger);
    expect([registry.list(), registry.isLost]).toEqual([[], true]);
  },
);

it('says nothing of processes of before the machine was started', () => {
  ProcessRegistry.read(dir, logger).put(entry);
  const content = JSON.parse(readFileSync(file(), 'utf8')) as object;
  writeFileSync(file(), JSON.stringify({ ...content, bootId: 'another' }));
  const registry = ProcessRegistry.read(dir, logger);
  expect([registry.list(), registry.isLost]).toEqual([[], false]);
});

it('takes no process for another one that has its id now', () => {
  const last = { ...own, startedAt: '2026-11-30T12:00:00.000Z', wasReady: true };
  expect(isStillThere({ ...entry, last })).toBe(true);
  expect(isStillThere({ ...entry, last: { ...last, startTicks: own.startTicks - 1 } })).toBe(false);
});
