import { expect, it } from 'vitest';
import { restartDelay, steadyMs } from '../../../src/supervisor/restart-delay.ts';

const restart = { initialMs: 100, maxMs: 500 };

it('doubles with every death in a row, up to the most that is allowed', () => {
  const delays: number[] = [];
  for (let death = 0; death < 5; death += 1) delays.push(restartDelay(delays.at(-1), 10, restart));
  expect(delays).toEqual([100, 200, 400, 500, 500]);
});

it('begins anew for a process that has lived for a while', () => {
  expect(restartDelay(500, steadyMs, restart)).toBe(500);
  expect(restartDelay(500, steadyMs + 1, restart)).toBe(100);
});
