import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Alarm } from '../../src/alarm/alarms.ts';
import type { ProcessState } from '../../src/control/schemas/process.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { until } from '../support/recorder-process.ts';
import { isRunning } from '../support/running.ts';
import { TandemProcess } from '../support/tandem-process.ts';

const PACKETS = 25;
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let dir: string;
let tandem: TandemProcess;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-tree-'));
});

afterEach(async () => {
  await tandem.dispose();
});

async function start(config: Record<string, unknown> = {}): Promise<void> {
  const recorders = { embedded: { count: 2, dir: join(dir, 'recordings') } };
  tandem = await TandemProcess.start({ media: { path: 'direct' }, recorders, ...config }, dir);
}

/** Nobody asked for it, and nobody is told. */
async function killSupervisor(): Promise<void> {
  const exited = once(tandem.child, 'exit');
  tandem.child.kill('SIGKILL');
  await exited;
}

async function kill(role: ProcessState['role'], id: string): Promise<ProcessState> {
  const before = one(await tandem.processes(), role, id)!;
  process.kill(before.pid, 'SIGKILL');
  return before;
}

function one(
  processes: readonly ProcessState[],
  role: string,
  id: string,
): ProcessState | undefined {
  return processes.find((process) => process.role === role && process.id === id);
}

const short = ({ role, id, pid, starts }: ProcessState) => `${role} ${id} ${pid} ${starts}`;

/** While control is away, nobody answers. */
async function processesSoon(): Promise<readonly ProcessState[]> {
  return tandem.processes().catch(() => []);
}

async function diedAlarms(): Promise<unknown[]> {
  const { alarms } = await tandem.api<{ alarms: Alarm[] }>('GET', '/v1/alarms');
  return alarms.filter(({ kind }) => kind === 'process-died').map(({ details }) => details);
}

/** Resolves with its legs' folders, when both record what the parties say. */
async function recordedCall(id: string): Promise<{ call: PlacedCall; folders: string[] }> {
  const call = await PlacedCall.place(tandem, { id });
  const { recordings } = await call.recording();
  await call.talk(PACKETS);
  return { call, folders: recordings.flatMap((leg) => call.folders(leg)) };
}

interface WholeFile {
  readonly verdict: string;
  readonly streams: readonly { readonly packets: number }[];
}

function whole(folder: string): WholeFile {
  return JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8')) as WholeFile;
}

describe('the processes', () => {
  it('are shown with what they are, since when, and how often they were started', async () => {
    const before = Date.now();
    await start({ media: { path: 'mediasoup', workers: 1 } });
    const processes = await tandem.processes();
    expect(processes.map(({ role, id, starts }) => [role, id, starts])).toEqual([
      ['supervisor', 'supervisor', 1],
      ['control', 'control', 1],
      ['recorder', 'r1', 1],
      ['recorder', 'r2', 1],
      ['edge', 'edge', 1],
      ['worker', 'w1', 1],
    ]);
    expect(one(processes, 'supervisor', 'supervisor')?.pid).toBe(tandem.child.pid);
    for (const { pid, startedAt } of processes) {
      expect(isRunning(pid)).toBe(true);
      // The system counts in hundredths of a second.
      expect(Date.parse(startedAt)).toBeGreaterThan(before - 1_000);
    }
    expect((await tandem.request('GET', '/healthz')).body).toMatchObject({ processes });
    const { body } = await tandem.request('GET', '/metrics');
    expect(String(body)).toContain('tandem_process_starts_total{role="recorder",id="r2"} 1\n');
    expect(String(body)).toMatch(
      /^tandem_process_start_time_seconds\{role="worker",id="w1"\} \d{10}/m,
    );
  });

  it('keep what is theirs from other users', async () => {
    await start();
    const modeOf = (name: string): number => statSync(join(dir, 'state', name)).mode & 0o777;
    expect([modeOf('.'), modeOf('supervisor.sock'), modeOf('processes.json')]).toEqual([
      0o700, 0o600, 0o600,
    ]);
  });

  it('end all at SIGTERM, files whole', async () => {
    await start();
    const { call, folders } = await recordedCall('stopped');
    const pids = (await tandem.processes()).map(({ pid }) => pid);
    expect(await tandem.stop()).toBe(0);
    expect(pids.filter(isRunning)).toEqual([]);
    expect(folders.map(whole)).toMatchObject(
      folders.map(() => ({
        verdict: 'complete',
        streams: [{ packets: PACKETS }, { packets: PACKETS }],
      })),
    );
    expect(existsSync(join(dir, 'state', 'processes.json'))).toBe(false);
    call.a.close();
    call.b.close();
  });

  it('end all at Ctrl-C, though it reaches the supervisor alone', async () => {
    await start();
    const pids = (await tandem.processes()).map(({ pid }) => pid);
    const groups = pids.map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[4]);
    expect(new Set(groups).size).toBe(pids.length);
    const exited = once(tandem.child, 'exit');
    tandem.child.kill('SIGINT');
    expect(await exited).toEqual([0, null]);
    expect(pids.filter(isRunning)).toEqual([]);
  });
});

describe('a supervisor that is killed', () => {
  it('ends nothing, and the next one adopts all', async () => {
    await start();
    const before = await tandem.processes();
    const { call } = await recordedCall('kept');
    await killSupervisor();
    await tandem.until(
      () => tandem.api<{ problems: string[] }>('GET', '/healthz'),
      ({ problems }) => problems.some((problem) => problem.startsWith('no supervisor')),
    );
    await call.talk(PACKETS);
    expect(before.filter(({ pid }) => isRunning(pid))).toHaveLength(before.length - 1);
    const { url } = tandem;

    await start();
    expect(tandem.url).toBe(url);
    const after = await tandem.processes();
    expect(after.slice(1)).toEqual(before.slice(1));
    expect(after[0]).toMatchObject({ role: 'supervisor', pid: tandem.child.pid, starts: 2 });
    expect(await diedAlarms()).toEqual([
      expect.objectContaining({ role: 'supervisor', pid: before[0]?.pid, exit: 'unseen' }),
    ]);
    const legs = await call.end();
    for (const leg of legs) expect(call.recorded(leg)).toHaveLength(4 * PACKETS);
    expect(await tandem.stop()).toBe(0);
    expect(after.filter(({ pid }) => isRunning(pid))).toEqual([]);
  });

  it('has its successor start what died meanwhile, with the same address', async () => {
    await start();
    const recorders = await tandem.recorders();
    const before = await tandem.processes();
    await killSupervisor();
    const dead = await kill('recorder', 'r1');
    await until(() => !isRunning(dead.pid), 'the recorder is dead');

    await start();
    const after = await tandem.until(
      () => tandem.processes(),
      (processes) => one(processes, 'recorder', 'r1')?.starts === 2,
    );
    const kept = (processes: readonly ProcessState[]) =>
      processes.filter(({ id }) => id === 'control' || id === 'r2').map(short);
    expect(kept(after)).toEqual(kept(before));
    const now = await tandem.until(
      () => tandem.recorders(),
      (all) => all.every(({ state, pid }) => state === 'up' && pid !== dead.pid),
    );
    expect(now.map(({ uri }) => uri)).toEqual(recorders.map(({ uri }) => uri));
  });

  it('is missed for a while; then everything ends by itself, files whole', async () => {
    await start({ state: { dir: join(dir, 'state'), orphanMs: 1_500 } });
    const { call, folders } = await recordedCall('orphan');
    const pids = (await tandem.processes()).map(({ pid }) => pid);
    await killSupervisor();
    await until(() => !pids.some(isRunning), 'all have ended');
    for (const folder of folders) {
      expect(whole(folder).streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
    }
    call.a.close();
    call.b.close();
  });

  it('leaves processes that are found without its list', async () => {
    await start();
    const before = await tandem.processes();
    await killSupervisor();
    writeFileSync(join(dir, 'state', 'processes.json'), 'no list');
    await start();
    const after = await tandem.processes();
    const pidsOf = (processes: readonly ProcessState[]) =>
      processes.slice(1).map(({ role, id, pid }) => `${role} ${id} ${pid}`);
    expect(pidsOf(after)).toEqual(pidsOf(before));
  });

  it('leaves a process that is not configured any more: it is ended', async () => {
    await start();
    const [, , , second] = await tandem.processes();
    await killSupervisor();
    await start({ recorders: { embedded: { count: 1, dir: join(dir, 'recordings') } } });
    await until(() => !isRunning(second?.pid ?? 0), 'r2 has ended');
    await tandem.until(
      () => tandem.processes(),
      (processes) => one(processes, 'recorder', 'r2') === undefined,
    );
  });
});

describe('control that is killed', () => {
  it('is started again at the same address, and recorders go on as they are', async () => {
    await start();
    const before = await tandem.processes();
    const recorders = await tandem.recorders();
    const { call, folders } = await recordedCall('lost');
    const dead = await kill('control', 'control');
    const after = await tandem.until(
      processesSoon,
      (processes) => one(processes, 'control', 'control')?.starts === 2,
    );
    const others = (processes: readonly ProcessState[]) =>
      processes.filter(({ role }) => role !== 'control').map(short);
    expect(others(after)).toEqual(others(before));
    expect((await tandem.recorders()).map(({ uri, pid }) => [uri, pid])).toEqual(
      recorders.map(({ uri, pid }) => [uri, pid]),
    );
    expect(await diedAlarms()).toEqual([
      expect.objectContaining({ role: 'control', pid: dead.pid, exit: 'SIGKILL' }),
    ]);
    const { body } = await tandem.request('GET', '/metrics');
    expect(String(body)).toContain('tandem_process_deaths_total{role="control",id="control"} 1\n');
    const next = await PlacedCall.place(tandem, { id: 'next' });
    await next.recording();
    await next.talk(PACKETS);
    await next.end();
    // Their sessions are nobody's: they end with the recorder.
    for (const folder of folders) expect(existsSync(join(folder, 'recording.json'))).toBe(false);
    expect(await tandem.stop()).toBe(0);
    for (const folder of folders) {
      expect(whole(folder).streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
    }
    call.a.close();
    call.b.close();
  });

  it('is told of again by no one: each death raises one alarm', async () => {
    await start();
    await kill('control', 'control');
    await tandem.until(
      processesSoon,
      (processes) => one(processes, 'control', 'control')?.starts === 2,
    );
    await killSupervisor();
    await start();
    expect(await diedAlarms()).toMatchObject([{ role: 'control' }, { role: 'supervisor' }]);
  });
});

describe('a recorder that is killed', () => {
  it('is started again alone, and raises the alarm that it always did', async () => {
    await start();
    const before = await tandem.processes();
    await kill('recorder', 'r2');
    const after = await tandem.until(
      () => tandem.processes(),
      (processes) => one(processes, 'recorder', 'r2')?.starts === 2,
    );
    expect(after.filter(({ id }) => id !== 'r2').map(short)).toEqual(
      before.filter(({ id }) => id !== 'r2').map(short),
    );
    const { alarms } = await tandem.api<{ alarms: Alarm[] }>('GET', '/v1/alarms');
    expect(alarms.map(({ kind }) => kind)).toContain('recorder-down');
    expect(await diedAlarms()).toEqual([]);
  });
});

describe('a state directory', () => {
  const serve = (file: string) =>
    spawnSync(process.execPath, [main, 'serve', '--config', file], { encoding: 'utf8' });

  it('is one supervisor’s: a second one is told whose, and changes nothing', async () => {
    await start();
    const before = await tandem.processes();
    const { status, stderr } = serve(join(dir, 'tandem.yaml'));
    expect(status).toBe(1);
    expect(stderr).toContain(`tandem serve: STATE_BUSY: state.dir: ${join(dir, 'state')} is held`);
    expect(stderr).toContain(`by process ${tandem.child.pid}\n`);
    expect(await tandem.processes()).toEqual(before);
  });

  it('may have what a dead one left', async () => {
    await start();
    tandem.killAll();
    await once(tandem.child, 'exit');
    expect(existsSync(join(dir, 'state', 'supervisor.sock'))).toBe(true);
    await start();
    const processes = await tandem.until(
      () => tandem.processes(),
      ({ length }) => length === 5,
    );
    expect(processes.map(({ role, starts }) => [role, starts])).toEqual([
      ['supervisor', 2],
      ['control', 2],
      ['recorder', 2],
      ['recorder', 2],
      ['edge', 1],
    ]);
  });

  it('that cannot be had is named', async () => {
    await start();
    const file = join(dir, 'bad.yaml');
    writeFileSync(join(dir, 'no-folder'), '');
    writeFileSync(file, stringify({ state: { dir: join(dir, 'no-folder') } }));
    const { status, stderr } = serve(file);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^tandem serve: STATE_UNUSABLE: state\.dir: .*no-folder: EEXIST/m);
    writeFileSync(file, stringify({ state: { dir: join(dir, 'x'.repeat(120)) } }));
    expect(serve(file).stderr).toMatch(/^tandem serve: STATE_UNUSABLE: .*its path is too long/m);
  });
});

describe('control that cannot start', () => {
  it('is said once, and nothing is left running', async () => {
    await start();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const file = join(dir, 'taken.yaml');
    const state = join(dir, 'other-state');
    const recorders = { embedded: { count: 1, dir: join(dir, 'other') } };
    const config = { state: { dir: state }, http: { port }, sip: { port: 0 }, recorders };
    writeFileSync(file, stringify({ ...config, media: { path: 'direct' } }));
    const child = spawn(process.execPath, [main, 'serve', '--config', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    expect(await once(child, 'close')).toEqual([1, null]);
    const said = stderr.split('\n').filter((line) => !line.startsWith('{') && line !== '');
    expect(said).toEqual([
      `tandem serve: CONFIG_INVALID: http: cannot listen on 127.0.0.1:${port}`,
    ]);
    const started = [...stderr.matchAll(/"process":(\d+),"starts"/g)].map(([, pid]) => Number(pid));
    expect(started).toHaveLength(2);
    expect(started.filter(isRunning)).toEqual([]);
    other.close();
    rmSync(state, { recursive: true });
  });
});
