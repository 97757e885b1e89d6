import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  ManagedProcess,
  readyMsMax,
  type ProcessLine,
  type ProcessSpec,
} from '../../../src/supervisor/managed-process.ts';
import type { FromSupervisor } from '../../../src/supervisor/messages.ts';
import { identityOf, type ProcessIdentity } from '../../../src/supervisor/process-identity.ts';
import type { RegistryEntry } from '../../../src/supervisor/process-registry.ts';
import type { Command, OnGone } from '../../../src/supervisor/system-processes.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** One process that was launched or adopted. */
interface Child {
  readonly args: readonly string[];
  readonly identity: ProcessIdentity;
  readonly signals: string[];
  readonly suspected: { count: number };
  readonly gone: OnGone;
}

const facts = {
  ...({ role: 'recorder', uri: 'sip:127.0.0.1:5070;transport=tcp' } as const),
  ...{ capacity: 5, reportsEveryMs: 500 },
};
const spec: ProcessSpec = {
  role: 'recorder',
  id: 'r1',
  registers: true,
  restart: { initialMs: 100, maxMs: 400 },
  stopMs: 1_000,
  command: (before) => ({
    file: 'recorder',
    args: before?.role === 'recorder' ? [before.uri] : [],
  }),
};

let clock: ManualClock;
let children: Child[];
let deaths: string[];
let nextPid: number;

beforeEach(() => {
  clock = new ManualClock();
  children = [];
  deaths = [];
  nextPid = 1_001;
});

function manage(changes: Partial<ProcessSpec> = {}, entry?: RegistryEntry): ManagedProcess {
  const appear = (identity: ProcessIdentity, args: readonly string[], gone: OnGone) => {
    const child: Child = { args, identity, signals: [], suspected: { count: 0 }, gone };
    children.push(child);
    return {
      identity,
      signal: (name: string) => {
        child.signals.push(name);
      },
      suspect: () => {
        child.suspected.count += 1;
      },
    };
  };
  return new ManagedProcess({
    spec: { ...spec, ...changes },
    entry,
    launcher: {
      launch: ({ args }: Command, onGone) =>
        appear({ pid: (nextPid += 1), startTicks: 5 }, args, onGone),
      adopt: (identity, onGone) => appear(identity, ['adopted'], onGone),
    },
    clock,
    logger: pino({ level: 'silent' }),
    onChange: () => undefined,
    onDeath: (identity, exit) => deaths.push(`${identity?.pid} ${exit}`),
  });
}

function line(): ProcessLine & { readonly sent: FromSupervisor[]; closed: boolean } {
  const sent: FromSupervisor[] = [];
  return {
    sent,
    closed: false,
    send: (message) => sent.push(message),
    close() {
      this.closed = true;
    },
  };
}

const last = (): Child => children.at(-1)!;

describe('a process that dies', () => {
  it('is started again later and later, and at once when it has lived for a while', async () => {
    const managed = manage();
    managed.start();
    for (const waitMs of [100, 200, 400, 400]) {
      const count = children.length;
      last().gone('SIGKILL');
      await clock.advance(waitMs - 1);
      expect(children).toHaveLength(count);
      await clock.advance(1);
      expect(children).toHaveLength(count + 1);
      managed.attach(last().identity, line());
      managed.ready(facts);
    }
    await clock.advance(60_000);
    last().gone('1');
    await clock.advance(100);
    expect(managed.entry).toMatchObject({ starts: 6, deaths: 5 });
    expect(deaths).toHaveLength(5);
  });

  it('gets the ports that it had, and others when it does not get ready with them', async () => {
    const managed = manage();
    managed.start();
    expect(last().args).toEqual([]);
    managed.ready(facts);
    last().gone('SIGKILL');
    await clock.advance(100);
    expect(last().args).toEqual([facts.uri]);
    last().gone('1');
    await clock.advance(200);
    expect(last().args).toEqual([]);
  });

  it('has no facts and no id meanwhile, and its connection is closed', () => {
    const managed = manage();
    managed.start();
    const connection = line();
    managed.attach(last().identity, connection);
    managed.ready(facts);
    expect([managed.facts, managed.pid]).toEqual([facts, last().identity.pid]);
    last().gone('SIGKILL');
    expect([managed.facts, managed.pid]).toEqual([undefined, undefined]);
    expect(connection.closed).toBe(true);
  });

  it('is looked for at once when its connection ends', () => {
    const managed = manage();
    managed.start();
    const connection = line();
    managed.attach(last().identity, connection);
    managed.detach(line());
    expect(last().suspected.count).toBe(0);
    managed.detach(connection);
    expect(last().suspected.count).toBe(1);
  });
});

describe('a process that does not get ready', () => {
  it('is killed, and started again', async () => {
    const managed = manage();
    managed.start();
    await clock.advance(readyMsMax);
    expect(last().signals).toEqual(['SIGKILL']);
    expect(managed.isSettled).toBe(false);
    last().gone('SIGKILL');
    expect(managed.isSettled).toBe(true);
    await clock.advance(100);
    expect(children).toHaveLength(2);
  });

  it('is left alone where it is a program that says nothing', async () => {
    const managed = manage({ registers: false });
    managed.start();
    expect(managed.isSettled).toBe(true);
    await clock.advance(2 * readyMsMax);
    expect(last().signals).toEqual([]);
  });
});

describe('a process that is there already', () => {
  const own = identityOf(process.pid)!;
  const entry: RegistryEntry = {
    ...{ role: 'recorder', id: 'r1', starts: 4, deaths: 3, facts },
    last: { ...own, startedAt: '2026-11-30T12:00:00.000Z', wasReady: true },
  };

  it('is adopted, and not counted again', () => {
    const managed = manage({}, entry);
    managed.start();
    expect(children.map(({ args }) => args)).toEqual([['adopted']]);
    expect(managed.entry).toEqual(entry);
    expect([managed.facts, managed.isSettled, managed.isReady]).toEqual([facts, true, false]);
  });

  it('has no facts where it was not ready yet: those in the list are of the one before', () => {
    const managed = manage({}, { ...entry, last: { ...entry.last!, wasReady: false } });
    managed.start();
    expect([managed.facts, managed.isSettled]).toEqual([undefined, false]);
    managed.ready(facts);
    expect(managed.entry.last?.wasReady).toBe(true);
  });

  it('is adopted when it says so, though no list names it', () => {
    const managed = manage();
    expect(managed.attach(own, line())).toBe(true);
    expect(managed.pid).toBe(own.pid);
    expect(managed.entry).toMatchObject({ starts: 1, last: own });
  });

  it('is adopted while another start is waited for', async () => {
    const managed = manage();
    managed.start();
    last().gone('1');
    expect(managed.attach(own, line())).toBe(true);
    await clock.advance(1_000);
    expect(children).toHaveLength(2);
  });

  it('has no place while another one is in it', () => {
    const managed = manage();
    managed.start();
    expect(managed.attach(own, line())).toBe(false);
    expect(managed.pid).toBe(last().identity.pid);
  });

  it('that died unseen is started again on its ports', () => {
    const gone = { ...entry, last: { ...entry.last!, startTicks: own.startTicks - 1 } };
    const managed = manage({}, gone);
    managed.start();
    expect(last().args).toEqual([facts.uri]);
    expect(managed.entry.starts).toBe(5);
  });
});

describe('a process that is to end', () => {
  it('gets SIGTERM, and SIGKILL when it does not', async () => {
    const managed = manage();
    managed.start();
    let stopped = false;
    void managed.stop().then(() => (stopped = true));
    expect(last().signals).toEqual(['SIGTERM']);
    await clock.advance(1_000);
    expect(last().signals).toEqual(['SIGTERM', 'SIGKILL']);
    expect(stopped).toBe(false);
    last().gone('SIGKILL');
    await clock.advance(60_000);
    expect(stopped).toBe(true);
    expect(children).toHaveLength(1);
    expect(deaths).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('is not started any more when it was about to be', async () => {
    const managed = manage();
    managed.start();
    last().gone('1');
    await managed.stop();
    await clock.advance(1_000);
    expect(children).toHaveLength(1);
    expect(managed.attach(identityOf(process.pid)!, line())).toBe(false);
  });
});
