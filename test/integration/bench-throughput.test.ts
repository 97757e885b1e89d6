import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TrialResult } from '../../bench/throughput/job.ts';
import type { PathSummary } from '../../bench/throughput/summary.ts';
import type { Versions } from '../../bench/versions.ts';

const run = promisify(execFile);
const bench = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));

type TrialLine = TrialResult & { readonly kind: 'trial'; readonly versions: Versions };
interface SummaryLine {
  readonly kind: 'summary';
  readonly paths: readonly PathSummary[];
}

describe('bench throughput', () => {
  const calls = 3;
  const seconds = 1;
  const dir = mkdtempSync(join(tmpdir(), 'tandem-bench-test-'));
  let table = '';
  let trials: TrialLine[] = [];
  let summary: SummaryLine;

  beforeAll(async () => {
    const file = join(dir, 'report.jsonl');
    const { stdout } = await run(process.execPath, [
      bench,
      'throughput',
      ...['--calls', String(calls), '--seconds', String(seconds), '--trials', '1'],
      ...['--paths', 'mediasoup,direct,floor,none', '--seed', '7', '--json', file],
    ]);
    table = stdout;
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as TrialLine | SummaryLine);
    trials = lines.filter((line) => line.kind === 'trial');
    summary = lines.find((line) => line.kind === 'summary')!;
  });

  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  test('has one line a trial and a summary of each path', () => {
    const paths = ['mediasoup', 'direct', 'floor', 'none'];
    expect(trials.map(({ path }) => path)).toEqual(paths);
    expect(summary.paths.map(({ path }) => path)).toEqual(paths);
    for (const path of paths) expect(table).toMatch(new RegExp(`^${path} `, 'm'));
  });

  test.each(['mediasoup', 'direct', 'floor'])('no packet is lost on the %s path', (path) => {
    const trial = trials.find((line) => line.path === path)!;
    expect(trial.harness).toMatchObject({ sendErrors: 0, kernelDrops: 0 });
    expect(trial.lostPackets).toEqual({ party: 0, leg1: 0, leg2: 0 });
    expect(trial).toMatchObject({
      duplicatePackets: 0,
      damagedPackets: 0,
      misroutedPackets: 0,
      failovers: 0,
    });
  });

  test('drives two parties a call with 50 packets a second', () => {
    for (const { measuredPackets } of trials) {
      // The packets at either end of the measured part may fall to one side or the other.
      expect(Math.abs(measuredPackets - calls * 2 * 50 * seconds)).toBeLessThanOrEqual(2 * calls);
    }
  });

  test('states CPU, delay and memory, and what they were measured with', () => {
    for (const { path, cpuUsPerPacket, delayUs, memoryBytesPerCall, versions } of trials) {
      expect(delayUs?.count).toBeGreaterThan(0);
      expect(versions.node).toBe(process.version);
      expect(versions.mediasoup).toMatch(/^\d+\.\d+\.\d+/);
      if (path === 'none') continue;
      expect(cpuUsPerPacket.total).toBeGreaterThan(0);
      expect(cpuUsPerPacket.user + cpuUsPerPacket.system).toBeCloseTo(cpuUsPerPacket.total, 6);
      expect(memoryBytesPerCall).not.toBeNull();
    }
    expect(summary.paths.find(({ path }) => path === 'floor')?.timesFloor).toBe(1);
  });

  test('names an option that it cannot use', async () => {
    const args = [bench, 'throughput', '--paths', 'fast'];
    const failure: unknown = await run(process.execPath, args).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 2 });
    expect((failure as { stderr: string }).stderr).toContain('--paths fast: one of mediasoup');
  });
});
