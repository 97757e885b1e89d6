import { afterEach, describe, expect, it, vi } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import { settle } from '../../support/manual-clock.ts';
import { RecordingWorld } from '../../support/recording-world.ts';
import type { WorldOptions } from '../../support/recording-world.ts';

let world: RecordingWorld;

async function start(options?: WorldOptions): Promise<RecordingWorld> {
  world = await RecordingWorld.create(options);
  return world;
}

afterEach(() => world.finish());

describe('a new call', () => {
  it('with an id that is taken is refused', async () => {
    await start();
    await world.place('c1');
    await expect(world.calls.create({ id: 'c1', offer: 'offer' })).rejects.toMatchObject({
      code: 'CALL_EXISTS',
      details: { field: 'id' },
    });
  });

  it('with the id of one that has ended is shown, and not the old one', async () => {
    await start();
    await world.place('c1');
    await world.calls.delete('c1');
    await world.calls.create({ id: 'c1', offer: 'offer' });
    expect(world.calls.get('c1').state).toBe('offered');
  });

  it('without any recorder is refused, and nothing is left behind', async () => {
    await start({ recorders: { r1: 'east' } });
    world.allocator.patch('r1', { state: 'draining' });
    await expect(world.calls.create({ id: 'c1', offer: 'offer' })).rejects.toMatchObject({
      code: 'NO_RECORDER',
    });
    expect(world.left()).toMatchObject({ calls: 0, ports: 0, allocations: 0 });
  });

  it('with an offer that is no good gives its recorders back', async () => {
    await start();
    await expect(world.calls.create({ id: 'c1', offer: 'bad' })).rejects.toMatchObject({
      code: 'SDP_INVALID',
    });
    expect(world.left()).toMatchObject({ calls: 0, allocations: 0 });
  });

  it('does not spoil the list and the counts while its ports are opened', async () => {
    await start();
    const opening = Promise.withResolvers<undefined>();
    world.bridge.opening = opening.promise;
    const created = world.calls.create({ id: 'c1', offer: 'offer' });
    expect((await world.calls.list({ limit: 9 })).calls).toEqual([]);
    expect(world.calls.counts()).toEqual([]);
    opening.resolve(undefined);
    await created;
    expect((await world.calls.list({ limit: 9 })).calls).toHaveLength(1);
  });

  it('is refused once all calls are being ended', async () => {
    await start();
    await world.calls.close();
    await expect(world.calls.create({ offer: 'offer' })).rejects.toMatchObject({
      code: 'CALL_LIMIT',
    });
  });
});

describe('a call that is over', () => {
  it('is unknown to a second DELETE', async () => {
    await start();
    await world.place('c1');
    await world.calls.delete('c1');
    await expect(world.calls.delete('c1')).rejects.toThrow('there is no call c1');
  });

  it('stays readable, with its ledger, but only so many of them', async () => {
    await start({ calls: { endedKept: 2 } });
    for (const id of ['c1', 'c2', 'c3']) {
      await world.place(id);
      await world.talk(100);
      await world.calls.delete(id);
    }
    expect(() => world.calls.get('c1')).toThrow('there is no call c1');
    expect(world.calls.get('c3').state).toBe('ended');
    expect(world.calls.ledger('c2').verdict).toBe('complete');
  });
});

describe('the sweep', () => {
  it('ends a call that nobody answers', async () => {
    await start({ calls: { unansweredMs: 30_000 } });
    await world.calls.create({ id: 'c1', offer: 'offer' });
    await world.clock.advance(50_000);
    expect(world.calls.get('c1').state).toBe('ended');
  });

  it('ends a call in which nobody is heard', async () => {
    await start({ calls: { idleMs: 30_000 } });
    await world.place('c1');
    await world.talk(100);
    await world.clock.advance(50_000);
    expect(world.calls.get('c1').state).toBe('ended');
  });

  it('leaves a call alone in which somebody is heard', async () => {
    await start({ calls: { idleMs: 30_000, unansweredMs: 1_000 } });
    await world.place('c1');
    await world.talk(50_000);
    expect(world.calls.get('c1').state).toBe('answered');
  });
});

describe('the history of failovers', () => {
  it('holds the last ones of calls that run and of calls that ended, oldest first', async () => {
    await start({ calls: { failoversKept: 3 } });
    for (const id of ['c1', 'c2', 'c3', 'c4']) {
      await world.place(id);
      await world.talk(100);
      world.client.emit('ended', { recordId: world.leg(id, 1).recordId, reason: 'srs_bye' });
      await world.talk(2_000);
      if (id < 'c3') await world.during(world.calls.delete(id));
    }
    expect(world.calls.failovers().map(({ callId }) => callId)).toEqual(['c2', 'c3', 'c4']);
  });
});

describe('a recorder that dies under many calls', () => {
  it('loses all its legs to others, and no other leg moves', async () => {
    await start({ capacity: 5_000 });
    for (let n = 0; n < 200; n += 1) await world.place(`c${n}`);
    await world.talk(100);
    const moved = world.client.sessionsOn('r1').length;
    world.recorder('r1').health = 'dead';
    await world.talk(1_000);
    await settle();
    expect(world.calls.failovers()).toHaveLength(moved);
    expect(world.calls.legCounts()).toEqual([{ state: 'recording', count: 400 }]);
  });
});

describe('a recorder that receives nothing of a call from the beginning', () => {
  it('is left as soon as other calls have shown that it reports', async () => {
    const { allocator, bridge, clock } = await start();
    await world.place('c1');
    const { recordId, recorder } = world.leg('c1', 1);
    const unheard = { reportedAt: 0, receiverReports: 0, fractionLost: 0, sentSinceReport: 1_000 };
    const stream = { ...unheard, sendingSince: clock.now() };
    bridge.signs.set(recordId, {
      ...{ refusedAt: 0, doubtedAt: 0, unsendableAt: 0 },
      streams: { a: stream, b: stream },
    });
    await world.talk(8_000);
    expect(world.leg('c1', 1).recorder).toBe(recorder);
    allocator.noteReports(recorder ?? '', { reports: 10, sentMs: 10_000 });
    await world.talk(500);
    expect(world.leg('c1', 1).recorder).not.toBe(recorder);
    expect(world.calls.get('c1').failovers).toMatchObject([
      { from: recorder, reason: 'rtcp_silence' },
    ]);
  });
});

describe('the list of calls', () => {
  it('takes few visits to the edge, however many calls there are', async () => {
    await start();
    for (let index = 0; index < 20; index += 1) await world.place(`c${index}`);
    const media = vi.spyOn(world.bridge, 'describeCalls');
    const forks = vi.spyOn(world.bridge, 'allForkReports');
    const { calls } = await world.calls.list({ limit: 100 });
    expect(calls.map(({ recordings }) => recordings.length)).toEqual(Array(20).fill(2));
    expect([media, forks].map(({ mock }) => mock.calls.length)).toEqual([2, 2]);
  });

  it('is given in pages', async () => {
    await start();
    for (const id of ['c3', 'c1', 'c2']) await world.place(id);
    const first = await world.calls.list({ limit: 2 });
    expect([first.calls.map(({ id }) => id), first.next]).toEqual([['c1', 'c2'], 'c2']);
    const second = await world.calls.list({ limit: 2, after: 'c2' });
    expect([second.calls.map(({ id }) => id), second.next]).toEqual([['c3'], null]);
  });
});

describe('a call that every recorder has something against', () => {
  const refused = (status: number): TandemError =>
    new TandemError('SESSION_REFUSED', `${status}`, { details: { status } });

  it.each([
    ['an answer that cannot be used', new TandemError('SIPREC_INVALID', 'SAVP')],
    ['403', refused(403)],
    ['500', refused(500)],
    ['no answer', new TandemError('SESSION_TIMEOUT', '408')],
    ['BYE', undefined],
  ])('keeps no other from them (%s)', async (_, error) => {
    const { allocator, calls, client } = await start({ recorders: { r1: 'x', r2: 'y', r3: 'z' } });
    const isBad = (recordId: string): boolean =>
      client.requests.some(
        (request) => request.recordId === recordId && request.communicationSession.callId === 'bad',
      );
    client.onInvited = (callId) => (callId === 'bad' ? error : undefined);
    client.onAnswered = (_recorder, recordId) => {
      if (isBad(recordId)) client.emit('ended', { recordId, reason: 'srs_bye' });
    };
    await world.place('bad');
    await world.talk(1_000);
    for (let n = 0; n < 20; n += 1) {
      await world.talk(200);
      await world.place(`c${n}`);
      await world.talk(20);
      expect(allocator.list().map(({ state }) => state)).toEqual(['up', 'up', 'up']);
      const states = calls.get(`c${n}`).recordings.map(({ state }) => state);
      expect(states).toEqual(['recording', 'recording']);
    }
  });
});
