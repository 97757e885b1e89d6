import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { ProcessSpec } from '../../src/supervisor/managed-process.ts';
import { Supervisor } from '../../src/supervisor/supervisor.ts';
import { ProcessRegistry } from '../../src/supervisor/process-registry.ts';
import { until } from '../support/recorder-process.ts';
import { isRunning } from '../support/running.ts';

const logger = pino({ level: 'silent' });
/** A program that knows nothing of a supervisor. */
const edge: ProcessSpec = {
  role: 'edge',
  id: 'edge',
  registers: false,
  restart: { initialMs: 10, maxMs: 100 },
  stopMs: 5_000,
  command: () => ({ file: '/bin/sleep', args: ['3600'] }),
};

let dir: string;
let supervisor: Supervisor;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-foreign-'));
  supervisor = await create([edge]);
});

afterEach(async () => {
  await supervisor.close();
  rmSync(dir, { recursive: true });
});

function create(specs: readonly ProcessSpec[]): Promise<Supervisor> {
  return Supervisor.create({
    dir,
    processes: () => specs,
    zoneOf: () => 'zone',
    clock: systemClock,
    logger,
  });
}

const entry = () => ProcessRegistry.read(dir, logger).get(edge);
const pid = (): number => entry()?.last?.pid ?? 0;

describe('a program that is not ours', () => {
  it('is kept alive, and ended', async () => {
    const first = pid();
    expect(isRunning(first)).toBe(true);
    process.kill(first, 'SIGKILL');
    await until(() => entry()?.starts === 2, 'it is started again');
    const second = pid();
    expect(entry()?.deaths).toBe(1);
    await supervisor.close();
    expect([first, second].filter(isRunning)).toEqual([]);
  });

  it('that cannot be started is tried again', async () => {
    await supervisor.close();
    supervisor = await create([{ ...edge, command: () => ({ file: '/no/such', args: [] }) }]);
    await until(() => (entry()?.deaths ?? 0) > 1, 'it was tried twice');
    expect(entry()?.starts).toBe(0);
  });
});

describe('the socket', () => {
  it.each([
    ['no JSON', 'hello\n'],
    ['what is no message', '{"is":"ready"}\n'],
    ['ready before hello', '{"is":"ready","facts":{"role":"edge"}}\n'],
    ['a line without end', 'x'.repeat(1_100_000)],
  ])('cuts off who says %s, and serves others', async (_what, text) => {
    const stranger = connect(join(dir, 'supervisor.sock'));
    stranger.on('error', () => undefined);
    const closed = new Promise((resolve) => stranger.once('close', resolve));
    stranger.write(text);
    await closed;
    await expectToBeToldToLeave('recorder', 'r9');
  });

  it('tells a process to leave whose place another one has', async () => {
    await expectToBeToldToLeave('edge', 'edge');
    expect(isRunning(pid())).toBe(true);
  });
});

async function expectToBeToldToLeave(role: string, id: string): Promise<void> {
  const socket = connect(join(dir, 'supervisor.sock'));
  socket.write(`${JSON.stringify({ is: 'hello', version: 1, role, id })}\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(JSON.parse(answer.toString())).toMatchObject({ is: 'leave' });
  socket.destroy();
}
