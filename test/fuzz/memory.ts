import assert from 'node:assert';
import { loadAddon } from '../../src/edge/addon.ts';
import { generator } from './random.ts';

const bytesPerChange = 5;
/** Of eight regions, the header's beginning refuses nearly everything: what lies behind it has its turn more often. */
const changesMax = 12;
const telling = [0, 1, 0x7f, 0x80, 0xff];

/**
 * The memory of an edge with anything written into it, read by a view, for that many seconds. A crash or a sanitizer ends the
 * process; the same seed writes the same again.
 */
export function fuzzMemory(seconds: number, seed: number): { executions: number } {
  const addon = loadAddon();
  const random = generator(seed);
  assert(addon.fuzzMemory(new Uint8Array()));
  const endsAt = Date.now() + seconds * 1_000;
  let executions = 0;
  while (Date.now() < endsAt) {
    for (let i = 0; i < 200; ++i) {
      const changes = Buffer.alloc(bytesPerChange * (1 + random(changesMax)));
      for (let at = 0; at < changes.length; at += bytesPerChange) {
        changes[at] = random(16) === 0 ? random(256) : 8 * random(32) + 1 + random(7);
        changes.writeUIntBE(random(1 << 24), at + 1, 3);
        changes[at + 4] = random(2) === 0 ? random(256) : telling[random(telling.length)]!;
      }
      addon.fuzzMemory(changes);
      executions += 1;
    }
  }
  return { executions };
}
