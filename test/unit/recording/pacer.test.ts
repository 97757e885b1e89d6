import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Pacer } from '../../../src/recording/pacer.ts';
import { ManualClock } from '../../support/manual-clock.ts';

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

it('runs heavy work a few jobs in each turn, in order', async () => {
  const pacer = new Pacer(new ManualClock());
  const done: number[] = [];
  const jobs = Array.from({ length: 40 }, (_, job) => job);
  for (const job of jobs) pacer.run(() => done.push(job));
  expect(done).toEqual([]);
  await turn();
  expect(done.length).toBeLessThan(40);
  await turns(5);
  expect(done).toEqual(jobs);
});

it('puts off what nobody waits for until the last leg has moved', async () => {
  const pacer = new Pacer(new ManualClock());
  const done: string[] = [];
  const first = pacer.move();
  const second = pacer.move();
  pacer.afterMoves(() => done.push('bye'));
  first();
  first();
  await turns(3);
  expect(done).toEqual([]);
  second();
  await turns(3);
  expect(done).toEqual(['bye']);
});

it('does it at once when no leg is on its way', () => {
  const done: string[] = [];
  new Pacer(new ManualClock()).afterMoves(() => done.push('bye'));
  expect(done).toEqual(['bye']);
});

it('does not put it off for long while a leg finds no recorder', async () => {
  const clock = new ManualClock();
  const pacer = new Pacer(clock);
  const done: string[] = [];
  pacer.move();
  pacer.afterMoves(() => done.push('bye'));
  await clock.advance(499);
  await turns(3);
  expect(done).toEqual([]);
  await clock.advance(1);
  await turns(3);
  expect(done).toEqual(['bye']);
});
