import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TandemError } from '../../../src/errors.ts';
import type { AllocationRequest, SessionRefusal } from '../../../src/recording/interfaces.ts';
import type { Probe } from '../../../src/resource/prober.ts';
import type { RecorderDefinition } from '../../../src/resource/recorder.ts';
import { ResourceManager, type ResourceSettings } from '../../../src/resource/resource-manager.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const logger = pino({ level: 'silent' });
let clock: ManualClock;
const open: ResourceManager[] = [];
/** URIs that answer, and how; all others are silent until the timeout. */
let answers: Map<string, number>;
let refused: Set<string>;
/** URIs whose name cannot be looked up. */
let nameless: Set<string>;
let probed: string[];

const probe: Probe = (uri) => {
  probed.push(uri);
  if (refused.has(uri)) return Promise.reject(new Error('ECONNREFUSED'));
  if (nameless.has(uri)) {
    const lookup = Object.assign(new Error('getaddrinfo EAI_AGAIN'), { syscall: 'getaddrinfo' });
    return Promise.reject(new Error('not sent', { cause: lookup }));
  }
  const status = answers.get(uri);
  return status === undefined ? new Promise(() => undefined) : Promise.resolve({ status });
};

beforeEach(() => {
  clock = new ManualClock();
  answers = new Map();
  refused = new Set();
  nameless = new Set();
  probed = [];
});
afterEach(() => {
  for (const manager of open.splice(0)) manager.close();
});

function recorder(id: string, values: Partial<RecorderDefinition> = {}): RecorderDefinition {
  const uri = `sip:${id}.test`;
  const defaults = { capacity: 500, weight: 1, state: 'up', tenants: [], sites: [] } as const;
  return { id, uri, zone: 'z1', ...defaults, ...values };
}

async function start(
  recorders: RecorderDefinition[],
  settings: Partial<ResourceSettings> = {},
  embeddedIds: readonly string[] = [],
): Promise<ResourceManager> {
  for (const { uri } of recorders) answers.set(uri, 200);
  const manager = await ResourceManager.create({
    settings: {
      policy: 'least-loaded',
      promotion: 'manual',
      health: { intervalMs: 500, timeoutMs: 400, failures: 2, successes: 1 },
      ...settings,
    },
    recorders,
    embeddedIds,
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

function refuse(manager: ResourceManager, id: string, refusal: SessionRefusal, callId = 'c'): void {
  manager.reportNotTaken(id, { reason: 'sip_error', refusal }, callId);
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

  it('takes a release twice, and says that a full recorder has room again', async () => {
    const manager = await start([recorder('r1', { capacity: 1 })]);
    manager.allocate(request('1'));
    const seen = events(manager);
    manager.release('1');
    manager.release('1');
    manager.release('unheard of');
    expect(seen).toEqual(['available r1']);
    expect(manager.list()[0]).toMatchObject({ sessions: 0 });
  });
});

describe('refusals', () => {
  it('keeps a recorder that would not have one call for the next', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    for (let n = 0; n < 20; n += 1) {
      manager.allocate(request(`${n}`));
      refuse(manager, 'r1', { status: 488 });
      manager.release(`${n}`);
      expect(stateOf(manager, 'r1')).toBe('up');
    }
    expect(manager.allocate(request('next')).recorder).toBe('r1');
    expect(seen).toEqual([]);
  });

  it('does not ask a recorder before the time that it gave, and says when it may be asked', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    let invites = 0;
    for (let second = 0; second < 16; second += 2) {
      try {
        manager.allocate(request(`${second}`));
        invites += 1;
        refuse(manager, 'r1', { status: 503, retryAfterMs: 60_000 });
        manager.release(`${second}`);
      } catch (error) {
        expect((error as TandemError).details).toMatchObject({
          recorders: [{ recorder: 'r1', reason: 'busy' }],
        });
      }
      await clock.advance(2_000);
    }
    expect(invites).toBe(1);
    expect(manager.list()[0]).toMatchObject({
      state: 'up',
      busyUntil: new Date(clock.now() + 44_000).toISOString(),
    });
    await clock.advance(43_999);
    expect(seen).toEqual([]);
    await clock.advance(1);
    expect(seen).toEqual(['available r1']);
    expect(manager.list()[0]).not.toHaveProperty('busyUntil');
    expect(manager.allocate(request('later')).recorder).toBe('r1');
  });

  it('takes the word of an operator against what a recorder said of its load', async () => {
    const manager = await start([recorder('r1')]);
    refuse(manager, 'r1', { status: 503, retryAfterMs: 60_000 });
    manager.patch('r1', { state: 'up' });
    expect(manager.allocate(request('1')).recorder).toBe('r1');
  });

  it('suspects a recorder that does nothing for any call, and asks it', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    answers.delete('sip:r1.test');
    refuse(manager, 'r1', { status: 500 }, 'one');
    expect(stateOf(manager, 'r1')).toBe('up');
    refuse(manager, 'r1', { status: 500 }, 'another');
    expect(stateOf(manager, 'r1')).toBe('suspect');
    await clock.advance(1_500);
    expect(seen).toEqual(['down r1 sip_error']);
  });

  it('suspects none where another call was taken in between', async () => {
    const manager = await start([recorder('r1')]);
    refuse(manager, 'r1', { status: 500 }, 'one');
    manager.reportSuccess('r1');
    refuse(manager, 'r1', { status: 500 }, 'another');
    expect(stateOf(manager, 'r1')).toBe('up');
  });

  it('suspects a recorder that ends the sessions of two calls, and not one that ends those of one', async () => {
    const manager = await start([recorder('r1')]);
    for (let n = 0; n < 20; n += 1) {
      manager.reportSuccess('r1');
      manager.reportFailure('r1', 'srs_bye', 'one');
      manager.noteReports('r1', { reports: 0, sentMs: 40 });
    }
    expect(stateOf(manager, 'r1')).toBe('up');
    manager.reportSuccess('r1');
    manager.reportFailure('r1', 'srs_bye', 'another');
    expect(stateOf(manager, 'r1')).toBe('suspect');
  });

  it('lets one call begin one episode at most, and asks the recorder all the same', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    for (let n = 0; n < 20; n += 1) {
      manager.reportFailure('r1', 'sip_timeout', 'one');
      await settle();
      expect(stateOf(manager, 'r1')).toBe('up');
    }
    expect(seen).toEqual(['available r1']);
    refused.add('sip:r1.test');
    manager.reportFailure('r1', 'sip_timeout', 'one');
    await settle();
    expect(stateOf(manager, 'r1')).toBe('down');
  });

  it('asks one that took a session and no media when there is no other, again and again', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    for (let n = 0; n < 3; n += 1) {
      manager.reportSuccess('r1');
      manager.reportFailure('r1', 'media_refused');
    }
    expect(stateOf(manager, 'r1')).toBe('up');
    for (let n = 0; n < 4; n += 1) {
      expect(manager.allocate(request(`${n}`)).recorder).toBe('r2');
    }
    const other = request('other', { excludeRecorders: ['r2'] });
    expect(manager.allocate(other).recorder).toBe('r1');
    manager.noteReports('r1', { reports: 4, sentMs: 2_000 });
    expect(manager.allocate(request('next')).recorder).toBe('r1');
  });

  it('leaves no timer behind when it is closed', async () => {
    const manager = await start([recorder('r1')]);
    refuse(manager, 'r1', { status: 503, retryAfterMs: 60_000 });
    manager.close();
    expect(clock.pending).toBe(0);
  });
});

describe('reports of recorders', () => {
  it('says with each session how often they are expected, as learnt or as configured', async () => {
    const manager = await start([
      recorder('r1'),
      recorder('r2', { reports: 'none' }),
      recorder('r3', { reports: 'expected' }),
      recorder('r4', { reports: 'expected', reportsEveryMs: 500 }),
    ]);
    const everyMs = (id: string): number | undefined => {
      const others = ['r1', 'r2', 'r3', 'r4'].filter((other) => other !== id);
      return manager.allocate(request(`on ${id}`, { excludeRecorders: others })).reportsEveryMs;
    };
    expect(['r1', 'r2', 'r3', 'r4'].map(everyMs)).toEqual([undefined, 0, 5_000, 500]);
    for (let n = 0; n < 3; n += 1) manager.noteReports('r1', { reports: 10, sentMs: 10_000 });
    expect(everyMs('r1')).toBe(1_000);
    expect(manager.list()[0]).toMatchObject({ reports: 'auto', reportsEveryMs: 1_000 });
  });

  it('says when it is found out whether one reports, for sessions that it has already', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    const told: unknown[] = [];
    manager.on('recorderReports', (event) => told.push(event));
    manager.noteReports('r1', { reports: 0, sentMs: 40 });
    expect(told).toEqual([]);
    manager.noteReports('r1', { reports: 10, sentMs: 10_000 });
    expect(told.splice(0)).toEqual([{ recorder: 'r1', everyMs: 1_000 }]);
    manager.noteReports('r1', { reports: 20, sentMs: 10_000 });
    for (let n = 0; n < 5; n += 1) manager.noteReports('r2', { reports: 0, sentMs: 9_000 });
    expect(told.splice(0)).toEqual([{ recorder: 'r2', everyMs: 0 }]);
    manager.noteReports('r2', { reports: 10, sentMs: 10_000 });
    manager.put({ ...recorder('r1'), reports: 'none' });
    expect(told).toEqual([
      { recorder: 'r2', everyMs: 1_000 },
      { recorder: 'r1', everyMs: 0 },
    ]);
  });

  it('says nothing of it for sessions on another recorder that had the name before', async () => {
    const manager = await start([recorder('r1')]);
    const told: unknown[] = [];
    manager.on('recorderReports', (event) => told.push(event));
    manager.put({ ...recorder('r1'), uri: 'sip:elsewhere.test', reports: 'expected' });
    expect(told).toEqual([]);
  });

  it('learns anew of another recorder at the same name', async () => {
    const manager = await start([recorder('r1')]);
    manager.noteReports('r1', { reports: 10, sentMs: 10_000 });
    manager.put({ ...recorder('r1'), uri: 'sip:elsewhere.test' });
    expect(manager.list()[0]).not.toHaveProperty('reportsEveryMs');
  });
});

describe('health', () => {
  it('begins with those down that do not answer', async () => {
    refused.add('sip:r1.test');
    const manager = await start([recorder('r1'), recorder('r2')]);
    expect([stateOf(manager, 'r1'), stateOf(manager, 'r2')]).toEqual(['down', 'up']);
    refused.clear();
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

  it('holds to what it knows of recorders while their names cannot be looked up', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    const seen = events(manager);
    for (const id of ['r1', 'r2', 'r3']) nameless.add(`sip:${id}.test`);
    manager.put(recorder('r3'));
    await clock.advance(10_000);
    expect([stateOf(manager, 'r1'), stateOf(manager, 'r2')]).toEqual(['up', 'up']);
    // Of this one nothing is known but a name.
    expect(stateOf(manager, 'r3')).toBe('down');
    nameless.clear();
    answers.set('sip:r3.test', 200);
    await clock.advance(1_000);
    expect(seen).toEqual(['available r3', 'down r3 options_timeout', 'available r3']);
  });

  it('says once that a recorder is back, an idle one too', async () => {
    const manager = await start([recorder('r1')]);
    const seen: string[] = [];
    manager.on('recorderDown', () => seen.push('down'));
    manager.on('recorderUp', () => seen.push('up'));
    answers.delete('sip:r1.test');
    await clock.advance(3_000);
    answers.set('sip:r1.test', 200);
    await clock.advance(3_000);
    expect(seen).toEqual(['down', 'up']);
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

  it('keeps a recorder that is doubted every second and answers, and gives it sessions', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    for (let second = 0; second < 60; second += 1) {
      manager.doubt('r1', 'rtcp_silence');
      expect(stateOf(manager, 'r1')).toBe('up');
      await clock.advance(1_000);
    }
    expect(manager.allocate(request('1')).recorder).toBe('r1');
    expect(seen).toEqual([]);
  });

  it('takes one that is doubted and hangs for dead after one question, however often it is doubted', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    answers.delete('sip:r1.test');
    probed = [];
    for (let doubt = 0; doubt < 40; doubt += 1) {
      manager.doubt('r1', 'rtcp_silence');
      await clock.advance(10);
    }
    expect(seen).toEqual(['down r1 rtcp_silence']);
    expect(probed).toHaveLength(3);
  });

  it('asks one twice that was doubted and has answered since', async () => {
    const manager = await start([recorder('r1')]);
    const seen = events(manager);
    manager.doubt('r1', 'rtcp_silence');
    await settle();
    answers.delete('sip:r1.test');
    await clock.advance(1_000);
    expect(seen).toEqual([]);
    await clock.advance(500);
    expect(seen).toEqual(['down r1 options_timeout']);
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
    manager.close();
    manager.close();
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

  it('puts no other in the place of an embedded recorder, and goes on following that one', async () => {
    const manager = await start([recorder('r1', { pid: 10 })], {}, ['r1', 'r2']);
    for (const state of ['up', 'down']) {
      expect(stateOf(manager, 'r1')).toBe(state);
      const error = refusalOf(() => manager.put(recorder('r1', { uri: 'sip:remote.test' })));
      expect(error).toMatchObject({ code: 'RECORDER_STATE', details: { recorder: 'r1' } });
      if (state === 'up') manager.markDown('r1', 'sip_closed');
    }
    expect(manager.put(recorder('r1', { capacity: 7 }))).toMatchObject({ capacity: 7 });
    // Nor in the place of one that has never been ready.
    expect(refusalOf(() => manager.put(recorder('r2'))).code).toBe('RECORDER_STATE');
    answers.set('sip:r1.test', 200);
    manager.put({ ...recorder('r1', { pid: 11 }), state: undefined });
    expect(manager.list()[0]).toMatchObject({ state: 'up', pid: 11, uri: 'sip:r1.test' });
  });

  it('puts no recorder where another one is: both legs of a call might be there', async () => {
    const manager = await start([recorder('r1'), recorder('r2')]);
    for (const id of ['r2', 'r3']) {
      const error = refusalOf(() => manager.put(recorder(id, { uri: 'SIP:r1.TEST:5060' })));
      expect(error).toMatchObject({
        code: 'RECORDER_STATE',
        details: { field: 'uri', recorder: 'r1' },
      });
    }
    expect(manager.put(recorder('r1', { uri: 'sip:r1.test:5060' })).uri).toBe('sip:r1.test:5060');
    expect(manager.list().map(({ id }) => id)).toEqual(['r1', 'r2']);
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

describe('sessions that another process put on a recorder', () => {
  const session = { recordId: 'rs', recorder: 'r1', zone: 'z1', uri: '' };

  it('are on it as before, until they are released', async () => {
    const manager = await start([recorder('r1', { capacity: 1 })]);
    expect(manager.adopt(session)).toBe('well');
    expect(refusalOf(() => manager.allocate(request('new'))).code).toBe('NO_RECORDER');
    manager.release('rs');
    expect(manager.allocate(request('new')).recorder).toBe('r1');
  });

  it('are not told of as lost because it did not answer once; it takes no others', async () => {
    const definition = recorder('r1');
    const manager = await start([definition]);
    answers.delete(definition.uri);
    manager.markDown('r1', 'options_timeout');
    const seen = events(manager);
    expect(manager.adopt(session)).toBe('well');
    expect(stateOf(manager, 'r1')).toBe('suspect');
    for (let waited = 0; waited < 40 && seen.length === 0; waited += 1) await clock.advance(100);
    expect(seen).toEqual(['down r1 options_timeout']);
  });

  it('says where they are to leave, and where there is no such recorder', async () => {
    const manager = await start([recorder('r1', { state: 'draining' })]);
    expect(manager.adopt(session)).toBe('draining');
    expect(manager.adopt({ ...session, recorder: 'other' })).toBe('unknown');
  });
});
