import { expect, test } from 'vitest';
import { IdleWatch } from '../../../src/recorder/idle-watch.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const IDLE_MS = 60_000;

/** One session whose media stopped, and what happened to it. */
function watched(alive: boolean): {
  clock: ManualClock;
  watch: IdleWatch;
  told: { asked: number; givenUp: number; looks: number; lastMediaAt: number };
} {
  const clock = new ManualClock();
  const told = { asked: 0, givenUp: 0, looks: 0, lastMediaAt: clock.now() };
  const watch = new IdleWatch({
    idleMs: IDLE_MS,
    clock,
    candidates: () => [
      [
        'r',
        {
          lastMediaAt: told.lastMediaAt,
          isAlive: () => {
            told.asked += 1;
            return Promise.resolve(alive);
          },
          giveUp: () => {
            told.givenUp += 1;
          },
        },
      ],
    ],
    onLook: () => {
      told.looks += 1;
    },
  });
  watch.start();
  return { clock, watch, told };
}

test('asks nobody while media comes', async () => {
  const { clock, told } = watched(false);
  for (let minute = 0; minute < 10; minute += 1) {
    told.lastMediaAt = clock.now();
    await clock.advance(IDLE_MS - 10_000);
  }
  expect(told).toMatchObject({ asked: 0, givenUp: 0 });
});

test('gives up a silent session whose client does not answer', async () => {
  const { clock, told } = watched(false);
  await clock.advance(IDLE_MS);
  expect(told).toMatchObject({ asked: 1, givenUp: 1 });
});

test('keeps a silent session whose client answers, and asks again after as long', async () => {
  const { clock, told } = watched(true);
  await clock.advance(2 * IDLE_MS - 1);
  expect(told).toMatchObject({ asked: 1, givenUp: 0 });
  await clock.advance(IDLE_MS);
  expect(told).toMatchObject({ asked: 2, givenUp: 0 });
});

test('looks no more once closed', async () => {
  const { clock, watch, told } = watched(false);
  watch.close();
  await clock.advance(10 * IDLE_MS);
  expect(told).toMatchObject({ asked: 0, looks: 0 });
  expect(clock.pending).toBe(0);
});
