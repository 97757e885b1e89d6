import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { StoreWriter } from '../../../src/store/store-writer.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

let clock: ManualClock;
let store: MemoryStore;
let writer: StoreWriter;
let told: string[];

beforeEach(() => {
  clock = new ManualClock();
  store = new MemoryStore();
  told = [];
  writer = new StoreWriter({
    store,
    clock,
    logger: pino({ level: 'silent' }),
    onFailing: () => told.push('failing'),
    onWell: () => told.push('well'),
  });
});

const batches = () =>
  store.batches.map((batch) => batch.map(({ id, data }) => [id, JSON.stringify(data)]));

it('writes what changes in one turn in one batch, of each record the last', async () => {
  writer.put('call', 'c1', { state: 'offered' });
  writer.put('call', 'c2', { state: 'offered' });
  writer.put('call', 'c1', { state: 'answered' });
  writer.remove('leg', 'l1');
  await writer.flush();
  expect(batches()).toEqual([
    [
      ['c2', '{"state":"offered"}'],
      ['c1', '{"state":"answered"}'],
      ['l1', undefined],
    ],
  ]);
});

it('writes without being waited for', async () => {
  writer.put('call', 'c1', {});
  await clock.advance(0);
  expect(batches()).toHaveLength(1);
});

it('has one batch out at a time; who waits is told when all that was put before is in the store', async () => {
  const held = Promise.withResolvers<undefined>();
  store.hold = held.promise;
  const done: string[] = [];
  writer.put('call', 'c1', {});
  void writer.flush().then(() => done.push('first'));
  await clock.advance(0);
  writer.put('call', 'c2', {});
  void writer.flush().then(() => done.push('second'));
  await clock.advance(0);
  expect([done, batches()]).toEqual([[], []]);
  held.resolve(undefined);
  await clock.advance(0);
  expect(done).toEqual(['first', 'second']);
  expect(batches()).toEqual([[['c1', '{}']], [['c2', '{}']]]);
});

it('has nothing to wait for when nothing was put', async () => {
  await writer.flush();
  expect(batches()).toEqual([]);
});

it('keeps what the store did not take under what came after it, and says so once', async () => {
  store.failure = new Error('full');
  writer.put('call', 'c1', { state: 1 });
  writer.put('call', 'c2', { state: 1 });
  await expect(writer.flush()).rejects.toThrow('full');
  writer.put('call', 'c1', { state: 2 });
  await expect(writer.flush()).rejects.toThrow('full');
  expect(told).toEqual(['failing']);
  store.failure = undefined;
  await clock.advance(1_000);
  expect(told).toEqual(['failing', 'well']);
  expect(batches()).toEqual([
    [
      ['c2', '{"state":1}'],
      ['c1', '{"state":2}'],
    ],
  ]);
  await writer.flush();
  expect(clock.pending).toBe(0);
});

it('writes what waits as it closes, and takes nothing after that', async () => {
  writer.put('call', 'c1', {});
  await writer.close();
  writer.put('call', 'c2', {});
  await clock.advance(2_000);
  expect(batches()).toEqual([[['c1', '{}']]]);
});
