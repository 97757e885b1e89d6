import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TandemError } from '../../../src/errors.ts';
import type { AllocationRequest } from '../../../src/recording/interfaces.ts';
import type { Probe } from '../../../src/resource/prober.ts';
import type { RecorderDefinition } from '../../../src/resource/recorder.ts';
import { ResourceManager, type ResourceSettings } from '../../../src/resource/resource-manager.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const logger = pino({ level: 'silent' });
let dir: string;
let clock: ManualClock;
const open: ResourceManager[] = [];
/** URIs that answer, and how; all others are silent until the timeout. */
let answers: Map<string, number>;
let refused: Set<string>;
let probed: string[];
let onProbe: () => void;

const probe: Probe = (uri) => {
  probed.push(uri);
  onProbe();
  if (refused.has(uri)) return Promise.reject(new Error('ECONNREFUSED'));
  const status = answers.get(uri);
  return status === undefined ? new Promise(() => undefined) : Promise.resolve({ status });
};

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tandem-resource-'));
  clock = new ManualClock();
  answers = new Map();
  refused = new Set();
  probed = [];
  onProbe = () => undefined;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((manager) => manager.close()));
  await rm(dir, { recursive: true, force: true });
});

function recorder(id: string, values: Partial<RecorderDefinition> = {}): RecorderDefinition {
  const uri = `sip:${id}.test`;
  const defaults = { capacity: 500, weight: 1, state: 'up', tenants: [], sites: [] } as const;
  return { id, uri, zone: 'z1', ...defaults, ...values };
}

async function start(
  recorders: RecorderDefinition[],
  settings: Partial<ResourceSettings> = {},
): Promise<ResourceManager> {
  for (const { uri } of recorders) answers.set(uri, 200);
  const manager = await ResourceManager.create({
    settings: {
      policy: 'least-loaded',
      affinityFile: path.join(dir, 'affinity.json'),
      promotion: 'manual',
      health: { intervalMs: 500, timeoutMs: 400, failures: 2, successes: 1 },
      ...settings,
    },
    recorders,
    probe,
    clock,
    random: () => 0.5,
    logger,
  });
  open.push(manager);
  await settle();
  return manager;
}

function request(recordId: string, values: Partial<AllocationRequest> = {}): AllocationRequest {
  return { recordId, callId: 'c', leg: 1, excludeRecorders: [], avoidZones: [], ...values };
}

function stateOf(manager: ResourceManager, id: string): string | undefined {
  return manager.list().find((view) => view.id === id)?.state;
}

function events(manager: ResourceManager): string[] {
  const seen: string[] = [];
  manager.on('recorderDown', (event) => seen.push(`down ${event.recorder} ${event.reason}`));
  manager.on('recorderDraining', (event) => seen.push(`draining ${event.recorder}`));
  manager.on('recorderAvailable', (event) => seen.push(`available ${event.recorder}`));
  return seen;
}

function refusalOf(action: () => unknown): TandemError {
  try {
    action();
  } catch (error) {
    return error as TandemError;
  }
  throw new Error('it was not refused');
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function placeLeg2(manager: ResourceManager, n: number, other: { recorder: string; zone: string }) {
  return manager.allocate(
    request(`${n}-2`, { leg: 2, excludeRecorders: [other.recorder], avoidZones: [other.zone] }),
  );
}

describe('placing sessions', () => {
  const four = () => [
    recorder('r1', { zone: 'z1' }),
    recorder('r2', { zone: 'z1' }),
    recorder('r3', { zone: 'z2' }),
    recorder('r4', { zone: 'z2' }),
  ];

  it.each(['least-loaded', 'round-robin', 'weighted'] as const)(
    'spreads 100 calls evenly over four recorders in two zones (%s)',
    async (policy) => {
      const manager = await start(four(), { policy });
      for (let n = 0; n < 100; n += 1) {
        const leg1 = manager.allocate(request(`${n}-1`));
        const leg2 = placeLeg2(manager, n, leg1);
        expect(leg2.zone).not.toBe(leg1.zone);
      }
      expect(manager.list().map(({ sessions }) => sessions)).toEqual([50, 50, 50, 50]);
    },
  );

  it.each([1, 2, 3, 4, 5])(
    'stays even within one however the legs of many calls interleave (seed %d)',
    async (seed) => {
      const random = seeded(seed);
      const manager = await start(four());
      const waiting: { n: number; recorder: string; zone: string }[] = [];
      for (let n = 0; n < 100 || waiting.length > 0;) {
        if (n < 100 && (waiting.length === 0 || random() < 0.5)) {
          waiting.push({ n, ...manager.allocate(request(`${n}-1`)) });
          n += 1;
        } else {
          const [leg1] = waiting.splice(Math.floor(random() * waiting.length), 1);
          expect(placeLeg2(manager, leg1!.n, leg1!).zone).not.toBe(leg1!.zone);
        }
      }
      const sessions = manager.list().map((view) => view.sessions);
      expect(Math.max(...sessions) - Math.min(...sessions)).toBeLessThanOrEqual(1);
    },
  );

  it('fills recorders of unequal zones to the last pair that there can be', async () => {
    const manager = await start([
      recorder('r1', { zone: 'z1', capacity: 10 }),
      recorder('r2', { zone: 'z2', capacity: 10 }),
      recorder('r3', { zone: 'z3', capacity: 10 }),
      recorder('r4', { zone: 'z3', capacity: 10 }),
    ]);
    for (let n = 0; n < 20; n += 1) {
      const leg1 = manager.allocate(request(`${n}-1`));
      expect(placeLeg2(manager, n, leg1).zone).not.toBe(leg1.zone);
    }
    expect(manager.list().map(({ sessions }) => sessions)).toEqual([10, 10, 10, 10]);
  });

  it('shares a zone rather than leave a leg out, but never a recorder', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    const leg1 = manager.allocate(request('1-1'));
    expect(placeLeg2(manager, 1, leg1).recorder).toBe('r2');
  });

  it('says of each recorder why it could not take a session, and names twenty at most', async () => {
    const many = Array.from({ length: 30 }, (_, n) => recorder(`s${n}`, { state: 'standby' }));
    const manager = await start([
      recorder('r1', { capacity: 1 }),
      recorder('r2', { state: 'draining' }),
      recorder('r3', { tenants: ['t1'] }),
      ...many,
    ]);
    manager.allocate(request('1'));
    const error = refusalOf(() => manager.allocate(request('2', { tenant: 't2' })));
    expect(error.code).toBe('NO_RECORDER');
    const { recorders, recordersNotShown } = error.details as {
      recorders: unknown[];
      recordersNotShown: number;
    };
    expect(recorders.slice(0, 4)).toEqual([
      { recorder: 'r1', reason: 'full' },
      { recorder: 'r2', reason: 'draining' },
      { recorder: 'r3', reason: 'tenant' },
      { recorder: 's0', reason: 'standby' },
    ]);
    expect([recorders.length, recordersNotShown]).toEqual([20, 13]);
  });

  it('gives the same answer for a session that is on', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    const first = manager.allocate(request('1'));
    expect(manager.allocate(request('1'))).toEqual(first);
    expect(manager.list().map(({ sessions }) => sessions)).toEqual([1, 0]);
  });

  it('moves a session off a recorder that is now excluded', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    manager.allocate(request('1'));
    expect(manager.allocate(request('1', { excludeRecorders: ['r1'] })).recorder).toBe('r2');
    expect(manager.list().map(({ sessions }) => sessions)).toEqual([0, 1]);
  });

  it('takes a release twice, and says that a full recorder has room again', async () => {
    const manager = await start([recorder('r1', { capacity: 1 })]);
    manager.allocate(request('1'));
    const seen = events(manager);
    manager.release('1');
    manager.release('1');
    manager.release('unheard of');
    expect(seen).toEqual(['available r1']);
    expect(manager.list()[0]).toMatchObject({ sessions: 0, affinities: 0 });
  });
});

describe('affinity over a restart', () => {
  it('takes a record id back to its recorder, without counting it before it is back', async () => {
    const before = await start([recorder('r1'), recorder('r2')]);
    before.allocate(request('1'));
    expect(before.allocate(request('2')).recorder).toBe('r2');
    before.release('1');
    await before.close();
    const after = await start([recorder('r1'), recorder('r2')]);
    expect(after.recorderOf('2')).toBe('r2');
    expect(after.list().map(({ sessions, affinities }) => [sessions, affinities])).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(after.allocate(request('2')).recorder).toBe('r2');
    expect(after.list()[1]).toMatchObject({ sessions: 1, affinities: 1 });
  });

  it('finds another when that recorder is not able any more', async () => {
    const before = await start([recorder('r1'), recorder('r2')]);
    before.allocate(request('1'));
    await before.close();
    const after = await start([recorder('r1', { state: 'draining' }), recorder('r2')]);
    expect(after.allocate(request('1')).recorder).toBe('r2');
    expect(after.recorderOf('1')).toBe('r2');
  });
});

describe('health', () => {
  it('begins with those down that do not answer', async () => {
    const starting = start([recorder('r1'), recorder('r2')]);
    answers.delete('sip:r1.test');
    await new Promise<void>((resolve) => (onProbe = resolve));
    await clock.advance(400);
    const manager = await starting;
    expect([stateOf(manager, 'r1'), stateOf(manager, 'r2')]).toEqual(['down', 'up']);
    answers.set('sip:r1.test', 200);
    const seen = events(manager);
    await clock.advance(1_500);
    expect(seen).toEqual(['available r1']);
  });

  it('finds a silent recorder by OPTIONS alone within 1.5 s, and its return', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    answers.delete('sip:r1.test');
    await clock.advance(1_500);
    expect(seen).toEqual(['down r1 options_timeout']);
    answers.set('sip:r1.test', 200);
    await clock.advance(1_000);
    expect(seen).toEqual(['down r1 options_timeout', 'available r1']);
  });

  it('asks an accused recorder at once; silence means down, with the first reason', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    const seen = events(manager);
    answers.delete('sip:r1.test');
    probed = [];
    for (let n = 0; n < 100; n += 1) manager.reportFailure('r1', 'icmp');
    await settle();
    expect(probed).toEqual(['sip:r1.test']);
    expect(stateOf(manager, 'r1')).toBe('suspect');
    expect(manager.allocate(request('1')).recorder).toBe('r2');
    await clock.advance(400);
    expect(seen).toEqual(['down r1 icmp']);
  });

  it('clears an accused recorder that answers, later when it fails again', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    manager.reportFailure('r1', 'icmp');
    await settle();
    expect(stateOf(manager, 'r1')).toBe('up');
    manager.reportFailure('r1', 'icmp');
    await clock.advance(900);
    expect(stateOf(manager, 'r1')).toBe('suspect');
    await clock.advance(700);
    expect(stateOf(manager, 'r1')).toBe('up');
    expect(seen).toEqual(['available r1', 'available r1']);
  });

  it('sends OPTIONS again before it takes one that was lost for silence', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    answers.delete('sip:r1.test');
    manager.reportFailure('r1', 'rtcp_silence');
    await clock.advance(150);
    answers.set('sip:r1.test', 200);
    await clock.advance(250);
    expect(seen).toEqual(['available r1']);
  });

  it('takes a refused connection for silence at once', async () => {
    const manager = await start([recorder('r1')]);
    refused.add('sip:r1.test');
    manager.reportFailure('r1', 'sip_closed');
    await settle();
    expect(stateOf(manager, 'r1')).toBe('down');
  });

  it('gives no new sessions to a recorder that answers 503, and leaves it those it has', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    answers.set('sip:r1.test', 503);
    await clock.advance(5_000);
    expect(stateOf(manager, 'r1')).toBe('suspect');
    expect(seen).toEqual([]);
    answers.set('sip:r1.test', 200);
    await clock.advance(1_000);
    expect(seen).toEqual(['available r1']);
  });

  it('does not take what the operator does for a failure', async () => {
    const manager = await start([recorder('r1')]);
    manager.reportFailure('r1', 'operator');
    expect(stateOf(manager, 'r1')).toBe('up');
  });

  it('stops asking when it is closed, also in the middle of a probe', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    answers.delete('sip:r1.test');
    manager.reportFailure('r1', 'icmp');
    await manager.close();
    await manager.close();
    await settle();
    expect(clock.pending).toBe(0);
  });
});

describe('what operators and supervisors do', () => {
  it('drains: no new sessions, and the event', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    const seen = events(manager);
    expect(manager.patch('r1', { state: 'draining' }).state).toBe('draining');
    expect(seen).toEqual(['draining r1']);
    for (const id of ['1', '2', '3']) expect(manager.allocate(request(id)).recorder).toBe('r2');
    expect(manager.patch('r1', { state: 'up' }).state).toBe('up');
    expect(seen).toEqual(['draining r1', 'available r1']);
  });

  it('keeps a standby recorder out until it is promoted by hand', async () => {
    const manager = await start([recorder('r1', { state: 'standby' })]);
    expect(refusalOf(() => manager.allocate(request('1'))).code).toBe('NO_RECORDER');
    manager.patch('r1', { state: 'up' });
    expect(manager.allocate(request('1')).recorder).toBe('r1');
  });

  it('promotes one by itself when no other is able, in the right zone', async () => {
    const manager = await start(
      [
        recorder('r1', { capacity: 1 }),
        recorder('s1', { state: 'standby' }),
        recorder('s2', { state: 'standby', zone: 'z2' }),
      ],
      { promotion: 'auto' },
    );
    manager.allocate(request('1'));
    expect(stateOf(manager, 's2')).toBe('standby');
    expect(manager.allocate(request('2', { avoidZones: ['z1'] })).recorder).toBe('s2');
    expect([stateOf(manager, 's1'), stateOf(manager, 's2')]).toEqual(['standby', 'up']);
  });

  it('tells for which session a recorder was promoted', async () => {
    const manager = await start([recorder('r1', { state: 'standby' })], { promotion: 'auto' });
    const told: unknown[] = [];
    manager.on('recorderPromoted', (event) => told.push(event));
    manager.allocate(request('rec-1'));
    manager.allocate(request('rec-2'));
    expect(told).toEqual([
      { recorder: 'r1', recordId: 'rec-1', callId: expect.any(String) as string, leg: 1 },
    ]);
  });

  it('does not overfill a promoted recorder when its coming is answered at once', async () => {
    const standby = recorder('s1', { state: 'standby', capacity: 2 });
    const manager = await start([standby], { promotion: 'auto' });
    const waiting = ['2', '3'];
    manager.on('recorderAvailable', () => {
      for (const id of waiting.splice(0)) {
        try {
          manager.allocate(request(id));
        } catch {
          waiting.push(id);
          return;
        }
      }
    });
    manager.allocate(request('1'));
    expect(manager.list()[0]).toMatchObject({ state: 'up', sessions: 2 });
    expect(waiting).toEqual(['3']);
  });

  it('refuses to patch an unknown recorder', async () => {
    const manager = await start([]);
    expect(refusalOf(() => manager.patch('r9', { state: 'up' })).code).toBe('RECORDER_NOT_FOUND');
  });

  it('follows an embedded recorder through death and restart at another address', async () => {
    const manager = await start([recorder('r1', { pid: 10 })]);
    const seen = events(manager);
    manager.markDown('r1', 'sip_closed');
    expect(manager.list()[0]).toMatchObject({ state: 'down' });
    expect(manager.list()[0]).not.toHaveProperty('pid');
    answers.set('sip:new.test', 200);
    const again = { ...recorder('r1', { uri: 'sip:new.test', pid: 11 }), state: undefined };
    manager.put(again);
    expect(manager.list()[0]).toMatchObject({ state: 'up', pid: 11, uri: 'sip:new.test' });
    expect(seen).toEqual(['down r1 sip_closed', 'available r1']);
    // What the old address still owed in answers counts for nothing.
    await clock.advance(2_000);
    expect(stateOf(manager, 'r1')).toBe('up');
  });

  it('keeps what was assigned when a recorder is put without a state', async () => {
    const manager = await start([recorder('r1')]);
    manager.patch('r1', { state: 'draining' });
    const again = { ...recorder('r1', { pid: 12 }), state: undefined };
    expect(manager.put(again).state).toBe('draining');
  });

  it('adds a recorder while it runs, and refuses more than a thousand', async () => {
    const manager = await start([]);
    const seen = events(manager);
    manager.put(recorder('r0'));
    expect(seen).toEqual(['available r0']);
    for (let n = 1; n < 1_000; n += 1) manager.put(recorder(`r${n}`));
    expect(refusalOf(() => manager.put(recorder('one-more'))).code).toBe('INVALID_REQUEST');
    expect(manager.put(recorder('r5', { capacity: 7 })).capacity).toBe(7);
  });
});
