import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePcap } from '../support/captures.ts';
import type { CapturedDatagram } from '../support/captures.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const tellPeak =
  "data:text/javascript,process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))";

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-merge-memory-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Two parties' PCMU for so many packets each; every `hole`th packet is missing. */
function* call(count: number, hole: number): Generator<CapturedDatagram> {
  for (let index = 0; index < count; index += 1) {
    if (index % 100 === hole) continue;
    for (const ssrc of [1, 2]) {
      const payload = Buffer.alloc(172, index & 0xff);
      payload.writeUInt16BE(0x8000, 0);
      payload.writeUInt16BE(index & 0xffff, 2);
      payload.writeUInt32BE((index * 160) % 2 ** 32, 4);
      payload.writeUInt32BE(ssrc, 8);
      yield { at: 1_790_000_000_000 + index * 20 + ssrc, payload, destinationPort: 50_000 + ssrc };
    }
  }
}

/** Peak resident memory of a merge of two legs: MB. */
function peakMbOf(name: string, packets: number): { peakMb: number; inputMb: number } {
  const files = [1, 2].map((leg) => join(dir, `${name}-${leg}.pcap`));
  for (const [leg, file] of files.entries()) writePcap(file, call(packets, leg));
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', tellPeak, main, 'merge', '--out', join(dir, name), ...files],
    { encoding: 'utf8' },
  );
  expect(status).toBe(0);
  return {
    peakMb: Number(/peak (\d+)/.exec(stderr)![1]) / 1_024,
    inputMb: files.reduce((sum, file) => sum + statSync(file).size, 0) / 1e6,
  };
}

// The sanitizers keep freed memory back, to find who still uses it.
describe.skipIf(process.env['TANDEM_EDGE_ADDON'] !== undefined)('memory of tandem merge', () => {
  it('grows by much less than its input', () => {
    const small = peakMbOf('small', 500);
    const large = peakMbOf('large', 110_000);

    expect(large.inputMb).toBeGreaterThan(100);
    expect(large.peakMb - small.peakMb).toBeLessThan(100);
  });
});
