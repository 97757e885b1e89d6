import { afterEach, expect, it } from 'vitest';
import type { StoredCall } from '../../../src/recording/adoption/stored.ts';
import type { Journal } from '../../../src/recording/journal.ts';
import { settle } from '../../support/manual-clock.ts';
import { RecordingWorld } from '../../support/recording-world.ts';

let world: RecordingWorld | undefined;

afterEach(async () => {
  await world?.finish();
  world = undefined;
});

/** A journal in memory, which can be held up. */
class HeldJournal implements Journal {
  readonly records = new Map<string, object>();
  held: Promise<unknown> = Promise.resolve();

  put(kind: string, id: string, data: object): void {
    this.records.set(`${kind} ${id}`, data);
  }

  remove(kind: string, id: string): void {
    this.records.delete(`${kind} ${id}`);
  }

  async flush(): Promise<void> {
    await this.held;
  }
}

it('answers nobody before what was done is written down, nor never where that fails', async () => {
  const journal = new HeldJournal();
  world = await RecordingWorld.create({ journal });
  await world.place('c1');
  const held = Promise.withResolvers<never>();
  journal.held = held.promise;
  let isAnswered = false;
  const paused = world.during(world.calls.recording('c1', 'pause')).then(() => {
    isAnswered = true;
  });
  await world.talk(2_000);
  const { data } = journal.records.get('call c1') as StoredCall;
  expect([data.doing, data.recordings[0]?.window.pauses.length]).toEqual([undefined, 1]);
  expect(isAnswered).toBe(false);
  held.reject(new Error('the disk is full'));
  await settle();
  await paused;
  journal.held = Promise.resolve();
});

it('leaves nothing of a call that has ended but what it still shows', async () => {
  const journal = new HeldJournal();
  world = await RecordingWorld.create({ journal });
  await world.place('c1');
  expect([...journal.records.keys()]).toEqual(['call c1', 'leg c1 1 1', 'leg c1 1 2']);
  await world.during(world.calls.delete('c1'));
  expect([...journal.records.keys()]).toEqual(['ended c1']);
});

it('leaves nothing of a call that could not be placed', async () => {
  const journal = new HeldJournal();
  world = await RecordingWorld.create({ journal });
  await expect(world.calls.create({ id: 'c1', offer: 'bad' })).rejects.toThrow('bad offer');
  expect(journal.records.size).toBe(0);
});

it('goes on with calls whose ports are there, ends those whose are not, and shows what has ended', async () => {
  const journal = new HeldJournal();
  const before = await RecordingWorld.create({ journal });
  await before.place('c1');
  await before.place('gone');
  await before.during(before.calls.delete('gone'));
  await before.calls.create({ id: 'never', offer: 'offer' });
  const of = (kind: string): never[] =>
    [...journal.records].flatMap(([key, data]) =>
      key.startsWith(`${kind} `) ? [structuredClone(data) as never] : [],
    );
  const undone = of('call').map((call: StoredCall) =>
    call.id === 'never' ? { ...call, data: { ...call.data, opened: false } } : call,
  );
  const stored = { calls: undone, legs: of('leg'), ended: of('ended'), sessions: new Map() };
  world = await RecordingWorld.create({ journal });
  const report = world.calls.adopt(stored);
  expect(report).toMatchObject({ calls: 0, callsLost: 1, callsUndone: 1, sessions: 0 });
  expect(world.calls.get('gone').state).toBe('ended');
  expect(() => world?.calls.get('never')).toThrow('no call');
  await world.talk(6_000);
  expect(world.calls.get('c1').state).toBe('ended');
  expect([...journal.records.keys()].filter((key) => !key.startsWith('ended'))).toEqual([]);
});
