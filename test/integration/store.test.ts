import { execFileSync, fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { StoreWriter } from '../../src/store/store-writer.ts';

const program = fileURLToPath(new URL('../support/store-program.ts', import.meta.url));
const logger = pino({ level: 'silent' });
const open: (() => unknown)[] = [];
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-store-'));
  open.push(() => {
    rmSync(dir, { recursive: true, force: true });
  });
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A process that writes batch after batch. `told`: the last that it was told is in the store. */
class WriterProcess {
  readonly child: ChildProcess = fork(program, [dir], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  readonly closed = once(this.child, 'close');
  told = 0;

  constructor() {
    this.child.on('message', (batch) => (this.told = Number(batch)));
    open.push(() => this.kill());
  }

  async hasTold(batch: number): Promise<void> {
    while (this.told < batch) await once(this.child, 'message');
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.closed;
  }
}

async function storeIn(folder: string): Promise<SqliteStore> {
  const store = await SqliteStore.create({ dir: folder, logger });
  open.push(() => store.close());
  return store;
}

it('has all that it answered for when its process is killed in the middle of a batch, and no batch by half', async () => {
  let least = 0;
  for (let round = 1; round <= 5; round++) {
    const writer = new WriterProcess();
    await writer.hasTold(20 * round);
    await writer.kill();
    const store = await SqliteStore.create({ dir, logger });
    const records = await store.records('call');
    await store.close();
    const batches = new Set(records.map(({ data }) => (data as { batch: number }).batch));
    expect(records).toHaveLength(40);
    expect(batches.size).toBe(1);
    least = writer.told;
    expect(Math.max(...batches)).toBeGreaterThanOrEqual(least);
  }
  expect(least).toBeGreaterThanOrEqual(100);
});

it('is refused to a second process, which is told who holds it', async () => {
  const writer = new WriterProcess();
  await writer.hasTold(1);
  const error: unknown = await storeIn(dir).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'STORE_HELD', details: { pid: writer.child.pid } });
  await writer.kill();
  await storeIn(dir);
});

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'tandem-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true });
  }
}

describe.skipIf(!canMount())('on a full disk (needs the right to mount a tmpfs)', () => {
  let disk: string;

  beforeEach(() => {
    disk = join(dir, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
    open.push(() => execFileSync('umount', ['-l', disk]));
  });

  const filler = () => join(disk, 'filler');
  const fill = (): void => {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler(), Buffer.alloc(bavail * bsize));
  };

  it('says so, and has it all once there is room again', async () => {
    const store = await storeIn(join(disk, 'state'));
    const writer = new StoreWriter({ store, clock: systemClock, logger });
    open.push(() => writer.close());
    writer.put('call', 'c1', { state: 'offered' });
    await writer.flush();
    fill();
    writer.put('call', 'c1', { state: 'answered', filling: 'x'.repeat(100_000) });
    await expect(writer.flush()).rejects.toMatchObject({
      code: 'STORE_FULL',
      details: { path: join(disk, 'state', 'tandem.db') },
    });
    expect(await store.records('call')).toMatchObject([{ data: { state: 'offered' } }]);
    rmSync(filler());
    writer.put('call', 'c2', {});
    await writer.flush();
    expect(await store.records('call')).toMatchObject([
      { id: 'c1', data: { state: 'answered' } },
      { id: 'c2' },
    ]);
  });

  it('cannot be begun, and says so', async () => {
    fill();
    const error: unknown = await storeIn(join(disk, 'state')).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'STORE_FULL' });
  });
});
