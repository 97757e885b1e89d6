import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TrialResult } from '../../bench/failover/job.ts';
import type { FaultSummary } from '../../bench/failover/summary.ts';
import type { Verdict } from '../../bench/failover/targets.ts';
import type { Versions } from '../../bench/versions.ts';

const run = promisify(execFile);
const bench = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));

type TrialLine = TrialResult & { readonly kind: 'trial'; readonly versions: Versions };
/** Hosts are network namespaces. */
const isRoot = process.getuid?.() === 0;
const chosen = isRoot ? ['kill', 'none', 'refuse-host'] : ['kill', 'none'];

interface SummaryLine {
  readonly kind: 'summary';
  readonly faults: readonly FaultSummary[];
  readonly verdicts: readonly Verdict[];
}

describe('bench failover', () => {
  // So many that a recorder has more legs than the six ICMP errors that a host sends at once.
  const calls = 16;
  const out = mkdtempSync(join(tmpdir(), 'tandem-bench-test-'));
  let table = '';
  let trials: TrialLine[] = [];
  let summary: SummaryLine;

  beforeAll(async () => {
    const { stdout } = await run(process.execPath, [
      bench,
      'failover',
      ...['--calls', String(calls), '--trials', '1', '--faults', chosen.join(',')],
      ...['--seed', '7', '--out', out],
    ]);
    table = stdout;
    const lines = readFileSync(join(out, 'report.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as TrialLine | SummaryLine);
    trials = lines.filter((line) => line.kind === 'trial');
    summary = lines.find((line) => line.kind === 'summary')!;
  }, 240_000);

  afterAll(() => {
    rmSync(out, { recursive: true, force: true });
  });

  const trialOf = (fault: string): TrialLine => trials.find((trial) => trial.fault === fault)!;

  test('has one line a trial and a summary of each fault', () => {
    expect(trials.map(({ fault }) => fault)).toEqual(chosen);
    expect(summary.faults.map(({ fault }) => fault).sort()).toEqual(chosen.toSorted());
    expect(table).toMatch(/^kill /m);
    expect(trials[0]?.versions.node).toBe(process.version);
  });

  test.each(chosen)('finds every packet that was sent on every leg: %s', (fault) => {
    const { sentPackets, legs, files, missingAfterMerge, party, harness } = trialOf(fault);
    expect(harness).toMatchObject({ sendErrors: 0, kernelDrops: 0 });
    // Two parties a call, 50 packets a second, for more than 4 seconds.
    expect(sentPackets).toBeGreaterThan(calls * 2 * 50 * 4);
    expect(files.packets).toBeGreaterThanOrEqual(2 * sentPackets);
    expect(files).toMatchObject({ damagedPackets: 0, foreignPackets: 0 });
    expect(legs).toHaveLength(2 * calls);
    expect(legs.filter(({ lostPackets }) => lostPackets > 0)).toEqual([]);
    expect(missingAfterMerge).toBe(0);
    expect(party).toMatchObject({ lostPackets: 0, duplicatePackets: 0 });
  });

  test.skipIf(!isRoot)(
    'moves all legs off ports that are closed, though few ICMP errors come back (needs root: network namespaces)',
    () => {
      const { moved, legs, unmovedLegs } = trialOf('refuse-host');
      expect(moved).toHaveLength(legs.filter(({ concerned }) => concerned).length);
      expect(moved.filter(({ isFalseAlarm }) => isFalseAlarm)).toEqual([]);
      for (const { reason } of moved) expect(['icmp', 'rtcp_silence']).toContain(reason);
      expect(unmovedLegs).toBe(0);
    },
  );

  test('moves all legs off the recorder that is killed, and no other', () => {
    const { moved, legs, unmovedLegs, faultyRecorders, timeline } = trialOf('kill');
    const concerned = legs.filter((leg) => leg.concerned);
    expect(concerned.length).toBeGreaterThan(0);
    expect(moved).toHaveLength(concerned.length);
    expect(unmovedLegs).toBe(0);
    for (const { from, isFalseAlarm } of moved) {
      expect(faultyRecorders).toContain(from);
      expect(isFalseAlarm).toBe(false);
    }
    expect(timeline?.newMs.some((ms) => ms !== null)).toBe(true);
    expect(trialOf('none').moved).toEqual([]);
  });

  test('finds the ledger in agreement with the files', () => {
    for (const { ledger } of trials) {
      expect(ledger).toMatchObject({ lostPackets: 0, differenceMax: 0, differenceMin: 0 });
    }
  });

  test('holds the figures to their targets', () => {
    expect(summary.verdicts.filter(({ met, isTime }) => !met && !isTime)).toEqual([]);
    expect(summary.verdicts.filter(({ isTime }) => isTime)).not.toEqual([]);
    expect(table).toMatch(/^met {6}kill: every leg whole after replay/m);
  });

  test('writes a page that needs nothing from elsewhere', () => {
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page.match(/<svg /g)?.length).toBeGreaterThanOrEqual(5);
    expect(page).not.toMatch(/<(script|link|img|iframe)|https?:|url\(/);
  });

  test('keeps no logs of trials that lost nothing', () => {
    expect(readdirSync(out).sort()).toEqual(['report.html', 'report.jsonl']);
  });

  test('names an option that it cannot use', async () => {
    const args = [bench, 'failover', '--faults', 'flood'];
    const failure: unknown = await run(process.execPath, args).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 2 });
    expect((failure as { stderr: string }).stderr).toContain('--faults flood: one of none, kill');
  });
});
