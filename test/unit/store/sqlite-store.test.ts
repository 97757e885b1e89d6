import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Layout } from '../../../src/store/layout.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import type { SqliteStoreOptions } from '../../../src/store/sqlite-store.ts';

let dir: string;
let file: string;
const open: SqliteStore[] = [];

beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'tandem-store-')), 'state');
  file = join(dir, 'tandem.db');
});

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
  rmSync(join(dir, '..'), { recursive: true, force: true });
});

async function storeWith(options: Partial<SqliteStoreOptions> = {}): Promise<SqliteStore> {
  const store = await SqliteStore.create({ dir, logger: pino({ level: 'silent' }), ...options });
  open.push(store);
  return store;
}

const refusal = (options: Partial<SqliteStoreOptions> = {}) =>
  storeWith(options).then(
    () => 'opened',
    (error: unknown) => error,
  );

const call = (id: string, state: unknown) => ({ kind: 'call', id, data: { state } }) as const;

describe('the store', () => {
  it('has what was put, in the order in which it was put first', async () => {
    const store = await storeWith();
    await store.apply([call('c2', 1), call('c1', 1), { kind: 'leg', id: 'c1', data: {} }]);
    await store.apply([call('c2', 2), { kind: 'leg', id: 'gone', data: undefined }]);
    await store.close();
    const again = await storeWith();
    expect(await again.records('call')).toEqual([
      { kind: 'call', id: 'c2', version: 1, data: { state: 2 } },
      { kind: 'call', id: 'c1', version: 1, data: { state: 1 } },
    ]);
    await again.apply([{ kind: 'call', id: 'c2', data: undefined }]);
    expect((await again.records('call')).map(({ id }) => id)).toEqual(['c1']);
  });

  it('takes all of a batch or nothing', async () => {
    const store = await storeWith();
    const loop: { self?: unknown } = {};
    loop.self = loop;
    await expect(store.apply([call('c1', 1), call('c2', loop)])).rejects.toMatchObject({
      code: 'STORE_UNWRITABLE',
    });
    expect(await store.records('call')).toEqual([]);
  });

  it('is for its owner alone', async () => {
    const store = await storeWith();
    await store.apply([call('c1', 1)]);
    for (const name of ['tandem.db', 'tandem.db-wal', 'tandem.db-shm', 'tandem.lock'])
      expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
  });

  it('keeps so many of a kind, the newest', async () => {
    const store = await storeWith({ kept: { ended: 3 } });
    for (let at = 0; at < 250; at++) await store.apply([{ kind: 'ended', id: `c${at}`, data: {} }]);
    expect((await store.records('ended')).map(({ id }) => id)).toEqual(['c247', 'c248', 'c249']);
    await store.close();
    const database = new DatabaseSync(file);
    const { count } = database.prepare('SELECT count(*) AS count FROM records').get() ?? {};
    database.close();
    expect(count).toBeLessThan(3 + 101);
  });

  it('brings its log into its file while it is written', async () => {
    const store = await storeWith();
    const data = { text: 'x'.repeat(100_000) };
    const grown = () => statSync(file).size > 1_000_000;
    for (let at = 0; !grown(); at = (at + 1) % 100)
      await store.apply([{ kind: 'ended', id: `c${at}`, data }]);
    expect((await store.records('ended')).length).toBeGreaterThan(80);
  });

  it('is held by one', async () => {
    await storeWith();
    expect(await refusal()).toMatchObject({
      code: 'STORE_HELD',
      details: { path: join(dir, 'tandem.lock'), pid: process.pid },
    });
  });

  it('can be held by the next when it is closed', async () => {
    const store = await storeWith();
    await store.close();
    await store.close();
    await expect(store.apply([call('c1', 1)])).rejects.toMatchObject({ code: 'STORE_UNWRITABLE' });
    await storeWith();
  });
});

describe('a file that cannot be used', () => {
  it.each([
    ['is no database', Buffer.alloc(8_192, 'hello ')],
    ['is cut off', Buffer.from('SQLite format 3\0')],
  ])('because it %s is said with its path, and left as it is', async (_, bytes) => {
    const store = await storeWith();
    await store.close();
    writeFileSync(file, bytes);
    expect(await refusal()).toMatchObject({ code: 'STORE_CORRUPT', details: { path: file } });
    expect(readFileSync(file)).toEqual(bytes);
  });

  it('because its pages are broken is said', async () => {
    const store = await storeWith();
    for (let at = 0; at < 100; at++) await store.apply([call(`c${at}`, 'x'.repeat(2_000))]);
    await store.close();
    const bytes = readFileSync(file);
    bytes.fill(0xff, 4_096, 40_960);
    writeFileSync(file, bytes);
    expect(await refusal()).toMatchObject({ code: 'STORE_CORRUPT', details: { path: file } });
  });

  it('because it is of another program is said', async () => {
    await (await storeWith()).close();
    rmSync(file);
    const other = new DatabaseSync(file);
    other.exec('CREATE TABLE songs (title TEXT)');
    other.close();
    expect(await refusal()).toMatchObject({ code: 'STORE_CORRUPT', details: { path: file } });
  });

  it('because its folder is a file is said', async () => {
    writeFileSync(dir, '');
    expect(await refusal()).toMatchObject({ code: 'STORE_UNWRITABLE', details: { path: dir } });
  });

  it('can be put aside, and is kept', async () => {
    await (await storeWith()).close();
    writeFileSync(file, 'broken');
    const store = await storeWith({ forgetAs: '20261130T040000Z' });
    expect(store.forgotten).toBe(`${file}.20261130T040000Z`);
    expect(readFileSync(`${file}.20261130T040000Z`, 'utf8')).toBe('broken');
    expect(await store.records('call')).toEqual([]);
    await store.close();
    await (await storeWith()).close();
    expect(existsSync(file)).toBe(true);
  });

  it('is put aside with what is only in its log', async () => {
    const store = await storeWith();
    await store.apply([call('c1', 1)]);
    // As a process leaves it that is killed.
    const names = ['tandem.db', 'tandem.db-wal'];
    const killed = names.map((name) => readFileSync(join(dir, name)));
    await store.close();
    for (const [at, name] of names.entries()) writeFileSync(join(dir, name), killed[at] ?? '');
    const { forgotten } = await storeWith({ forgetAs: 'old' });
    const old = new DatabaseSync(forgotten ?? '');
    expect(old.prepare('SELECT id FROM records').get()).toMatchObject({ id: 'c1' });
    old.close();
  });

  it('is not missed where there is none', async () => {
    expect((await storeWith({ forgetAs: 'old' })).forgotten).toBeUndefined();
  });
});

describe('the layout of the records', () => {
  const newer: Layout = {
    version: 3,
    migrations: [
      {
        to: 2,
        migrate: ({ kind, id, data }) =>
          kind === 'leg' ? undefined : { ...(data as object), name: id },
      },
      { to: 3, migrate: ({ data }) => ({ was: data }) },
    ],
  };

  it('is brought to that of the program, one version after the other', async () => {
    const before = await storeWith();
    await before.apply([call('c1', 1), { kind: 'leg', id: 'l1', data: {} }]);
    await before.close();
    const store = await storeWith({ layout: newer });
    expect(await store.records('call')).toEqual([
      { kind: 'call', id: 'c1', version: 3, data: { was: { state: 1, name: 'c1' } } },
    ]);
    expect(await store.records('leg')).toEqual([]);
  });

  it('that is newer is refused before anything is touched', async () => {
    const before = await storeWith({ layout: newer });
    await before.apply([call('c1', 1)]);
    await before.close();
    const bytes = readFileSync(file);
    expect(await refusal()).toMatchObject({
      code: 'STORE_NEWER',
      details: { path: file, version: 3, known: 1 },
    });
    expect(readFileSync(file)).toEqual(bytes);
    expect(existsSync(`${file}-wal`)).toBe(false);
  });

  it('is not changed by half where a record stops it', async () => {
    const before = await storeWith();
    await before.apply([call('c1', 1), call('c2', 2)]);
    await before.close();
    const failing: Layout = {
      version: 2,
      migrations: [
        {
          to: 2,
          migrate: ({ id }) => {
            if (id === 'c2') throw new Error('what is this');
            return {};
          },
        },
      ],
    };
    expect(await refusal({ layout: failing })).toMatchObject({ details: { path: file } });
    const store = await storeWith();
    expect((await store.records('call')).map(({ data }) => data)).toEqual([
      { state: 1 },
      { state: 2 },
    ]);
  });
});
