import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultName } from '../../bench/failover/faults.ts';
import type { MovedLeg, TrialJob, TrialResult } from '../../bench/failover/job.ts';
import { buildNativePrograms } from '../../bench/native-programs.ts';

// The faults that take a network, a disk or sockets of a recorder's own, or that end `tandem serve`; the others are in
// failover.test.ts. Each is one trial of the bench: what its generator logged as sent, against the files on disk.

const run = promisify(execFile);
const bench = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const trialProgram = fileURLToPath(new URL('../../bench/failover/trial.ts', import.meta.url));
const calls = 5;
/** Two parties, 50 packets a second, for more than 4 seconds; a restart is judged up to the kill, and again after it. */
const sentPacketsMin = calls * 2 * 50 * 3.5;

/** The bench asks for root; a root without these rights, as in a container, can do none of it either. */
const isRoot = process.getuid?.() === 0;
const canRun = (file: string, ...args: string[]): boolean => spawnSync(file, args).status === 0;
const canMount = isRoot && canRun('unshare', '--mount', 'true');
const canIsolate = canMount && canRun('unshare', '--net', 'true') && canRun('ip', 'netns', 'list');

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-faults-'));
});

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

type ReportLine =
  | ({ readonly kind: 'trial' } & TrialResult)
  | { readonly kind: 'failed-trial'; readonly error: string }
  | { readonly kind: 'summary' };

/** @param signal ends the bench, which then removes what it made */
async function trialOf(fault: FaultName, signal: AbortSignal): Promise<TrialResult> {
  const out = join(dir, fault);
  const options = ['--calls', String(calls), '--trials', '1', '--faults', fault, '--out', out];
  // It ends with 1 for a target that is not met: the tests say themselves what must hold.
  const ended: unknown = await run(process.execPath, [bench, 'failover', ...options], {
    signal,
  }).catch((error: unknown) => error);
  const report = join(out, 'report.jsonl');
  const lines = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n') : [];
  for (const line of lines.filter((text) => text !== '')) {
    const entry = JSON.parse(line) as ReportLine;
    if (entry.kind === 'failed-trial') throw new Error(entry.error);
    if (entry.kind === 'trial') return entry;
  }
  throw new Error('the bench ended without a trial', { cause: ended });
}

function lostPackets(legs: TrialResult['legs']): number {
  return legs.reduce((sum, leg) => sum + leg.lostPackets, 0);
}

/** What no fault may touch: the union of the legs, the legs elsewhere, and what the parties hear. */
function expectNothingMissing(trial: TrialResult): void {
  const { sentPackets, harness, legs, files, missingAfterMerge, party, ledger } = trial;
  expect(harness).toMatchObject({ sendErrors: 0, kernelDrops: 0 });
  expect(sentPackets).toBeGreaterThan(sentPacketsMin);
  expect(files).toMatchObject({ damagedPackets: 0, foreignPackets: 0 });
  expect(lostPackets(legs.filter(({ concerned }) => !concerned))).toBe(0);
  expect(missingAfterMerge).toBe(0);
  expect(party).toMatchObject({ lostPackets: 0, duplicatePackets: 0 });
  expect(ledger).toMatchObject({ lostInUsPackets: 0, lostBeforeUsPackets: 0 });
}

function expectWholeLegs(trial: TrialResult): void {
  expectNothingMissing(trial);
  expect(trial.legs.filter((leg) => leg.lostPackets > 0)).toEqual([]);
  expect(trial.ledger.differenceMax).toBeLessThanOrEqual(1);
  expect(trial.ledger.differenceMin).toBeGreaterThanOrEqual(-1);
}

function concernedLegs({ legs }: TrialResult): TrialResult['legs'] {
  const concerned = legs.filter((leg) => leg.concerned);
  expect(concerned).not.toEqual([]);
  return concerned;
}

/** Every leg of the recorder that failed, once, for one of these reasons; and no other. */
function expectAllMoved(trial: TrialResult, reasons: readonly MovedLeg['reason'][]): void {
  const { moved, unmovedLegs, faultyRecorders } = trial;
  const ids = (legs: readonly { callId: string; leg: 1 | 2 }[]): string[] =>
    legs.map(({ callId, leg }) => `${callId} leg ${leg}`).sort();
  expect(unmovedLegs).toBe(0);
  expect(ids(moved)).toEqual(ids(concernedLegs(trial)));
  for (const { from, to, reason, isFalseAlarm } of moved) {
    expect(faultyRecorders).toContain(from);
    expect(to).not.toBeNull();
    expect(reasons).toContain(reason);
    expect(isFalseAlarm).toBe(false);
  }
}

test('loses nothing when the RTP ports of a recorder that goes on are closed', async ({
  signal,
}) => {
  const trial = await trialOf('refuse', signal);
  expectAllMoved(trial, ['icmp']);
  expectWholeLegs(trial);
});

test.skipIf(!canIsolate)(
  `loses nothing when the link of a recorder's host goes down (needs root: network namespaces)`,
  async ({ signal }) => {
    const trial = await trialOf('partition', signal);
    // Nothing answers, nothing refuses: which silence is noticed first is a matter of milliseconds.
    expectAllMoved(trial, ['rtcp_silence', 'options_timeout']);
    expectWholeLegs(trial);
  },
);

test("moves no leg when only a recorder's signalling hangs: its media lives", async ({
  signal,
}) => {
  const { load: loadProgram } = await buildNativePrograms();
  // By hand, so that the logs stay: without a move only they tell that there was a fault. Even trials hang.
  const own = mkdtempSync(join(dir, 'sip-only-'));
  const job: TrialJob = {
    ...{ fault: 'sip-only', trial: 2, calls, ptimeMs: 20, path: 'mediasoup', seed: 1 },
    ...{ afterMs: null, loadProgram, dir: own, tag: 'unused' },
  };
  const { stdout } = await run(process.execPath, [trialProgram, JSON.stringify(job)], { signal });
  const trial = JSON.parse(stdout) as TrialResult;
  const doubted = readFileSync(join(own, 'tandem.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('signalling of the recorder failed'))
    .map((line) => JSON.parse(line) as { callId: string; leg: number; recorder: string });
  for (const { callId, leg } of concernedLegs(trial)) {
    const recorder = trial.faultyRecorders[0];
    expect(doubted).toContainEqual(expect.objectContaining({ callId, leg, recorder }));
  }
  expect(trial.moved).toEqual([]);
  expectWholeLegs(trial);
});

test.skipIf(!canIsolate)(
  'moves no leg when 5 % of the packets to a recorder are lost (needs root: network namespaces)',
  async ({ signal }) => {
    const trial = await trialOf('loss', signal);
    // The network took them: the other leg has them.
    expect(lostPackets(concernedLegs(trial))).toBeGreaterThan(0);
    expect(trial.moved).toEqual([]);
    expectNothingMissing(trial);
  },
);

test.skipIf(!canMount)(
  'loses nothing when the disk of a recorder is full (needs root: a file system of its own)',
  async ({ signal }) => {
    const trial = await trialOf('disk-full', signal);
    // It closes the session's ports as it says BYE: the refusal may be there first.
    expectAllMoved(trial, ['srs_bye', 'icmp']);
    expectWholeLegs(trial);
  },
);

test('records on after SIGKILL and a new start', async ({ signal }) => {
  const trial = await trialOf('rm-restart', signal);
  expect(trial.restart).not.toBeNull();
  // Those that the kill ended, up to the kill, and as many after it.
  expect(trial.legs).toHaveLength(2 * 2 * calls);
  expect(trial.moved).toEqual([]);
  expectWholeLegs(trial);
});
