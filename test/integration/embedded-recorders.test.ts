import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TandemProcess } from '../support/tandem-process.ts';
import type { RecorderInfo } from '../support/tandem-process.ts';

let tandem: TandemProcess;

beforeEach(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tandem-embedded-'));
  tandem = await TandemProcess.start(
    {
      media: { path: 'direct' },
      recorders: {
        embedded: { count: 1, dir: join(dir, 'recordings'), restart: { initialMs: 400 } },
      },
    },
    dir,
  );
});

afterEach(async () => {
  await tandem.dispose();
});

const first = async (): Promise<RecorderInfo> => (await tandem.recorders())[0]!;
const portOf = ({ uri }: RecorderInfo): number => Number(/:(\d+);/.exec(uri)?.[1]);

/** Resolves with the recorder as it was. */
async function kill(): Promise<RecorderInfo> {
  const before = await first();
  process.kill(before.pid!, 'SIGKILL');
  await tandem.until(first, ({ pid }) => pid === undefined);
  return before;
}

it('brings a recorder back at another address when its port was taken meanwhile', async () => {
  const before = await kill();
  const other = createSocket('udp4');
  other.bind(portOf(before), '127.0.0.1');
  await once(other, 'listening');
  const after = await tandem.until(first, ({ state, pid }) => state === 'up' && pid !== undefined);
  expect(portOf(after)).not.toBe(portOf(before));
  expect(after.pid).not.toBe(before.pid);
  other.close();
});

it('clears away a folder in which a killed recorder had not written anything yet', async () => {
  const folder = join(tandem.dir, 'recordings', 'r1', 'killed-at-once');
  mkdirSync(folder);
  await kill();
  await tandem.until(first, ({ pid }) => pid !== undefined);
  expect(existsSync(folder)).toBe(false);
});
