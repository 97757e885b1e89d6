import { afterEach, describe, expect, it } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import type { Party } from '../../../src/recording/interfaces.ts';
import { settle } from '../../support/manual-clock.ts';
import { RecordingWorld } from '../../support/recording-world.ts';
import type { WorldOptions } from '../../support/recording-world.ts';

let world: RecordingWorld;

async function start(options?: WorldOptions): Promise<RecordingWorld> {
  world = await RecordingWorld.create(options);
  return world;
}

afterEach(() => world.finish());

function zones(): string[] {
  return ([1, 2] as const).map((leg) => world.recorderOf('c1', leg).zone);
}

/** What any recorder at all has of these packets. */
function heard(party: Party, first: number, last: number): number[] {
  return ([1, 2] as const)
    .flatMap((leg) => world.has('c1', leg, party))
    .filter((sequence) => sequence >= first && sequence <= last);
}

describe('two legs', () => {
  it('are on different recorders in different zones', async () => {
    await start();
    await world.place('c1');
    expect(new Set([1, 2].map((leg) => world.leg('c1', leg as 1 | 2).recorder)).size).toBe(2);
    expect(new Set(zones()).size).toBe(2);
  });

  it('carry the same call under different record ids', async () => {
    await start();
    await world.place('c1');
    const [one, two] = world.client.requests;
    expect(one?.communicationSession).toEqual(two?.communicationSession);
    expect(one?.recordId).not.toBe(two?.recordId);
  });

  it('do not end on one recorder when both fail at once', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    world.recorderOf('c1', 1).health = 'dead';
    world.recorderOf('c1', 2).health = 'dead';
    await world.talk(3_000);
    expect([1, 2].map((leg) => world.leg('c1', leg as 1 | 2).state)).toEqual([
      'recording',
      'recording',
    ]);
    expect(world.leg('c1', 1).recorder).not.toBe(world.leg('c1', 2).recorder);
  });

  it('lose nothing when both fail at once', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(500);
    world.recorderOf('c1', 1).health = 'dead';
    world.recorderOf('c1', 2).health = 'dead';
    await world.talk(3_000);
    const last = world.next('c1', 'a') - 1;
    expect(([1, 2] as const).map((leg) => world.lacks('c1', leg, 'a', first, last))).toEqual([
      [],
      [],
    ]);
  });

  it('do not end on one recorder when one is handed over while the other fails', async () => {
    await start({ recorders: { r1: 'east', r2: 'west', r3: 'west' } });
    await world.place('c1');
    const two = world.leg('c1', 2).recorder ?? '';
    world.recorder(two === 'r2' ? 'r3' : 'r2').answer = 'hold';
    world.allocator.patch('r1', { state: 'draining' });
    await settle();
    world.allocator.patch('r1', { state: 'up' });
    world.recorder(two).health = 'dead';
    await world.talk(1_000);
    expect(world.leg('c1', 1).sessions.at(-1)?.recorder).toBe('r1');
    expect(world.leg('c1', 2).recorder).not.toBe('r1');
    await world.clock.advance(10_000);
  });

  it('are independent: what one recorder refuses does not touch the other leg', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' } });
    world.recorder('r1').answer = new TandemError('SESSION_REFUSED', '486');
    await world.place('c1');
    await world.talk(200);
    expect(world.leg('c1', 2)).toMatchObject({ state: 'recording', recorder: 'r2' });
    expect(world.leg('c1', 1).recorder).not.toBe('r2');
  });
});

describe('one recorder for two legs', () => {
  it('records one leg and says so, where that is bearable', async () => {
    await start({ recorders: { r1: 'east' } });
    await world.place('c1');
    expect(world.leg('c1', 1).state).toBe('recording');
    expect(world.leg('c1', 2)).toMatchObject({ state: 'failed', recorder: null });
    expect(world.observed).toContain('leg 2 unrecorded, other is');
  });

  it('gives the second leg everything when another recorder comes within reach of the ring', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' } });
    world.allocator.patch('r2', { state: 'standby' });
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(2_000);
    world.allocator.patch('r2', { state: 'up' });
    await world.talk(3_000);
    expect(world.lacks('c1', 2, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('refuses the call where that is asked, and leaves nothing behind', async () => {
    await start({ recorders: { r1: 'east' }, calls: { scarce: 'refuse' } });
    await expect(world.calls.create({ id: 'c1', offer: 'offer' })).rejects.toMatchObject({
      code: 'NO_RECORDER',
    });
    expect(world.left()).toMatchObject({ calls: 0, ports: 0, allocations: 0 });
  });
});

describe('a pause', () => {
  it('stops the edge on both legs before a recorder is told', async () => {
    await start();
    await world.place('c1');
    world.log.length = 0;
    await world.calls.recording('c1', 'pause');
    expect(world.log).toEqual([
      'edge paused',
      'edge paused',
      'told r1 inactive',
      'told r3 inactive',
    ]);
  });

  it('is not acknowledged before both recorders were told', async () => {
    await start();
    await world.place('c1');
    world.recorderOf('c1', 2).updates = 'hold';
    let isDone = false;
    const pause = world.calls.recording('c1', 'pause').then(() => (isDone = true));
    await world.talk(1_000);
    expect(isDone).toBe(false);
    await world.during(pause);
  });

  it.each(['pause', 'resume'] as const)(
    'a %s is not acknowledged before one leg has done it because the other has no recorder yet',
    async (action) => {
      await start();
      world.recorder('r1').answer = 'hold';
      await world.place('c1');
      if (action === 'resume') await world.during(world.calls.recording('c1', 'pause'));
      world.recorderOf('c1', 2).updates = 'hold';
      let isDone = false;
      const done = world.calls.recording('c1', action).then(() => (isDone = true));
      await world.talk(1_000);
      expect(isDone).toBe(false);
      await world.during(done);
    },
  );

  it('is acknowledged all the same when a recorder never answers', async () => {
    await start();
    await world.place('c1');
    world.recorderOf('c1', 2).updates = 'hold';
    const pausedAt = world.clock.now();
    await world.during(world.calls.recording('c1', 'pause'));
    expect(world.clock.now() - pausedAt).toBeLessThanOrEqual(4_100);
  });

  it('sends nothing to anyone until it is over, and loses nothing by it', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    const first = world.next('c1', 'a');
    await world.calls.recording('c1', 'pause');
    await world.talk(500);
    const last = world.next('c1', 'a') - 1;
    await world.during(world.calls.recording('c1', 'resume'));
    await world.talk(500);
    expect(heard('a', first, last)).toEqual([]);
    expect(world.leg('c1', 1)).toMatchObject({
      state: 'recording',
      streams: { a: { lostPackets: 0 }, b: { lostPackets: 0 } },
    });
    expect(world.ledger('c1').verdict).toBe('complete');
  });

  it('loses nothing to recorders that take their time to resume', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    await world.calls.recording('c1', 'pause');
    world.recorderOf('c1', 1).updates = 'hold';
    world.recorderOf('c1', 2).updates = 'hold';
    await world.during(world.calls.recording('c1', 'resume'));
    await world.talk(500);
    expect(world.ledger('c1').verdict).toBe('complete');
  });

  it('while failing over is acknowledged at once, and holds on the next recorder', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    world.recorder('r2').answer = 'hold';
    world.recorder('r1').health = 'dead';
    await world.talk(40);
    const pausedAt = world.clock.now();
    const first = world.next('c1', 'a');
    await world.during(world.calls.recording('c1', 'pause'));
    expect(world.clock.now() - pausedAt).toBeLessThan(100);
    world.client.answer('r2');
    await world.talk(500);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'paused', recorder: 'r2' });
    expect(heard('a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it.each([
    ['a recorder was looked for', 'r1'],
    ['the next recorder was looked for', 'r2'],
  ])('is never replayed, even when it came while %s', async (_title, slow) => {
    await start();
    world.recorder(slow).answer = 'hold';
    await world.place('c1');
    await world.talk(500);
    if (slow === 'r2') world.recorder('r1').health = 'dead';
    await world.talk(40);
    const first = world.next('c1', 'a');
    await world.during(world.calls.recording('c1', 'pause'));
    await world.talk(500);
    const last = world.next('c1', 'a') - 1;
    await world.during(world.calls.recording('c1', 'resume'));
    await world.talk(500);
    world.client.answer(slow);
    await world.talk(2_000);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: slow });
    expect(heard('a', first, last)).toEqual([]);
    expect(world.lacks('c1', 1, 'a', last + 1, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('is never replayed by the overlap of a failover right after it', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    await world.calls.recording('c1', 'pause');
    const first = world.next('c1', 'a');
    await world.talk(500);
    const last = world.next('c1', 'a') - 1;
    await world.during(world.calls.recording('c1', 'resume'));
    await world.talk(40);
    world.recorder('r1').health = 'dead';
    await world.talk(1_000);
    expect(heard('a', first, last)).toEqual([]);
  });

  it('keeps out nothing that came before it, though a replay had not brought it yet', async () => {
    await start();
    await world.place('c1');
    const start1 = world.next('c1', 'a');
    await world.talk(1_000);
    world.recorder('r2').answer = 'hold';
    world.recorder('r1').health = 'dead';
    await world.talk(3_000);
    world.client.answer('r2');
    await world.talk(100);
    const cut = world.next('c1', 'a');
    await world.during(world.calls.recording('c1', 'pause'));
    await world.talk(200);
    const last = world.next('c1', 'a') - 1;
    await world.during(world.calls.recording('c1', 'resume'));
    await world.talk(1_000);
    expect(world.lacks('c1', 1, 'a', start1, cut - 1)).toEqual([]);
    expect(heard('a', cut, last)).toEqual([]);
    expect(world.leg('c1', 1).streams.a.lostPackets).toBe(0);
  });
});

it('a stop keeps out what comes after it, though a replay had not brought yet what came before', async () => {
  await start();
  await world.place('c1');
  const from = world.next('c1', 'a');
  await world.talk(1_000);
  world.recorder('r2').answer = 'hold';
  world.recorder('r1').health = 'dead';
  await world.talk(3_000);
  world.client.answer('r2');
  await world.talk(100);
  const stopped = world.next('c1', 'a');
  const done = world.calls.recording('c1', 'stop');
  await world.talk(1_000);
  await done;
  expect(world.lacks('c1', 1, 'a', from, stopped - 1)).toEqual([]);
  expect(heard('a', stopped, world.next('c1', 'a') - 1)).toEqual([]);
});

describe.each(['pause', 'stop'] as const)('a %s that has to wait', (action) => {
  it('for a recorder that does not answer to a resume holds for the other one at once', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    await world.calls.recording('c1', 'pause');
    world.recorderOf('c1', 1).updates = 'hold';
    const resumed = world.calls.recording('c1', 'resume');
    const before = world.next('c1', 'a');
    await world.talk(100);
    const first = world.next('c1', 'a');
    const done = world.calls.recording('c1', action);
    await world.during(Promise.all([resumed, done]));
    await world.talk(1_000);
    expect(heard('a', before, first - 1)).not.toEqual([]);
    expect(heard('a', first, world.next('c1', 'a') - 1)).toEqual([]);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('complete');
  });

  it('behind a re-offer that hangs holds at once, and is done when the re-offer is', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    const carried = Promise.withResolvers<{ offer: string }>();
    world.bridge.reofferCall = () => carried.promise;
    const reoffered = world.calls.reoffer('c1', 'a', 'offer');
    const first = world.next('c1', 'a');
    let isDone = false;
    const done = world.calls.recording('c1', action).then(() => (isDone = true));
    await world.talk(1_000);
    expect(heard('a', first, world.next('c1', 'a') - 1)).toEqual([]);
    expect(isDone).toBe(false);
    carried.resolve({ offer: 'offer' });
    await world.during(Promise.all([reoffered, done]));
    await world.talk(500);
    expect(heard('a', first, world.next('c1', 'a') - 1)).toEqual([]);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('complete');
  });

  it('is not undone by a resume that was asked for before it and waits, too', async () => {
    await start();
    await world.place('c1');
    const carried = Promise.withResolvers<{ offer: string }>();
    world.bridge.reofferCall = () => carried.promise;
    const asked = [
      world.calls.reoffer('c1', 'a', 'offer'),
      world.calls.recording('c1', 'pause'),
      world.calls.recording('c1', 'resume'),
      world.calls.recording('c1', action),
    ];
    const first = world.next('c1', 'a');
    await world.talk(500);
    carried.resolve({ offer: 'offer' });
    await world.during(Promise.all(asked));
    await world.talk(500);
    expect(heard('a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });
});

describe('orders that wait', () => {
  it('for a re-offer take hold where they were asked, each of them', async () => {
    await start();
    await world.place('c1');
    const carried = Promise.withResolvers<{ offer: string }>();
    world.bridge.reofferCall = () => carried.promise;
    const asked: Promise<unknown>[] = [world.calls.reoffer('c1', 'a', 'offer')];
    const marks: number[] = [];
    for (const action of ['pause', 'resume', 'stop', 'start', 'pause', 'resume'] as const) {
      marks.push(world.next('c1', 'a'));
      asked.push(world.calls.recording('c1', action));
      await world.talk(200);
    }
    carried.resolve({ offer: 'offer' });
    await world.during(Promise.all(asked));
    await world.talk(500);
    const [paused = 0, resumed = 0, stopped = 0, started = 0, again = 0, over = 0] = marks;
    expect(heard('a', paused, resumed - 1)).toEqual([]);
    expect(heard('a', resumed, stopped - 1)).not.toEqual([]);
    expect(heard('a', stopped, started - 1)).toEqual([]);
    expect(heard('a', again, over - 1)).toEqual([]);
    expect(world.lacks('c1', 1, 'a', started, again - 1)).toEqual([]);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('complete');
  });

  it('a start that changes nothing where it was asked does not record again what was stopped after it', async () => {
    await start();
    await world.place('c1');
    const carried = Promise.withResolvers<{ offer: string }>();
    world.bridge.reofferCall = () => carried.promise;
    const asked = [
      world.calls.reoffer('c1', 'a', 'offer'),
      world.calls.recording('c1', 'start'),
      world.calls.recording('c1', 'stop'),
    ];
    await world.talk(200);
    carried.resolve({ offer: 'offer' });
    await world.during(Promise.all(asked));
    expect(world.leg('c1', 1).sessions).toHaveLength(1);
  });
});
