import { parentPort } from 'node:worker_threads';
import { pino } from 'pino';
import type { SeedRequest } from './batch.ts';
import { takeDatesOver, takeImmediatesOver } from './clock.ts';
import { runSeed } from './run-seed.ts';
import { sabotages } from './sabotages.ts';
import { clockIfAny, currentClock } from './world.ts';

/** A thread of its own: what seeds do to the globals of the platform stays here. */
takeImmediatesOver(currentClock);
takeDatesOver(clockIfAny);
const logger = pino({ level: 'silent' });

parentPort?.on('message', ({ seed, sabotage }: SeedRequest) => {
  void runSeed(seed, {
    logger,
    ...(sabotage === undefined ? {} : { sabotage: sabotages[sabotage] }),
  }).then((result) => {
    // A story is for those who have something to read in it.
    const story = result.violations.length > 0 ? result.story : [];
    parentPort?.postMessage({ ...result, story });
  });
});
