import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AffinityStore } from '../../../src/resource/affinity.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let dir: string;
let file: string;
let log: Record<string, unknown>[];
const clock = new ManualClock();

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tandem-affinity-'));
  file = path.join(dir, 'state', 'affinity.json');
  log = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function open(options: { clock?: ManualClock; entriesMax?: number } = {}): Promise<AffinityStore> {
  const write = (line: string) => log.push(JSON.parse(line) as Record<string, unknown>);
  return AffinityStore.create({ file, clock, logger: pino({}, { write }), ...options });
}

describe('affinity', () => {
  it('is known after a restart, without what was released', async () => {
    const before = await open();
    before.set('rec-1', 'r1');
    before.set('rec-2', 'r2');
    before.set('rec-3', 'r1');
    before.delete('rec-2');
    await before.close();
    const after = await open();
    expect(after.get('rec-1')).toBe('r1');
    expect(after.get('rec-2')).toBeUndefined();
    expect([after.count('r1'), after.count('r2'), after.size]).toEqual([2, 0, 2]);
  });

  it('is on disk a moment after a change, many changes in one write', async () => {
    const store = await open();
    for (let n = 0; n < 1_000; n += 1) store.set(`rec-${n}`, 'r1');
    expect(clock.pending).toBe(1);
    await clock.advance(100);
    await store.close();
    const { entries } = JSON.parse(await readFile(file, 'utf8')) as { entries: unknown[] };
    expect(entries).toHaveLength(1_000);
    expect(await readdir(path.dirname(file))).toEqual(['affinity.json']);
  });

  it.each([
    ['cut off', '{"version":1,"entries":[["rec-1","r1"'],
    ['empty', ''],
    ['of another shape', '{"version":1,"entries":{"rec-1":"r1"}}'],
    ['of another version', '{"version":2,"entries":[]}'],
  ])('starts without a file that is %s, keeps it aside and says so', async (_title, content) => {
    await (await open()).close();
    await writeFile(file, content);
    const store = await open();
    expect(store.size).toBe(0);
    expect(await readFile(`${file}.corrupt`, 'utf8')).toBe(content);
    expect(log.at(-1)).toMatchObject({ level: 50, file, aside: `${file}.corrupt` });
    store.set('rec-1', 'r1');
    await store.close();
    expect((await open()).get('rec-1')).toBe('r1');
  });

  it('remembers no more than its bound: the oldest go', async () => {
    const store = await open({ entriesMax: 2 });
    for (const id of ['rec-1', 'rec-2', 'rec-3']) store.set(id, 'r1');
    expect([store.get('rec-1'), store.get('rec-2'), store.get('rec-3')]).toEqual([
      undefined,
      'r1',
      'r1',
    ]);
    await store.close();
  });

  it('drops what is older than a day', async () => {
    const store = await open();
    store.set('rec-1', 'r1');
    await store.close();
    const later = new ManualClock(clock.now() + 25 * 3_600_000);
    expect((await open({ clock: later })).size).toBe(0);
  });

  it('goes on in memory when the file cannot be written, and says so once', async () => {
    await writeFile(path.join(dir, 'state'), 'a file where the folder should be');
    const store = await open();
    store.set('rec-1', 'r1');
    await store.close();
    await store.close();
    expect(store.get('rec-1')).toBe('r1');
    expect(log.filter(({ msg }) => msg === 'affinities cannot be written')).toHaveLength(1);
  });
});
