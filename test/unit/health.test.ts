import { expect, it } from 'vitest';
import { healthOf } from '../../src/health.ts';

const up = ['r1', 'r2'].map((id) => ({ id, state: 'up' }));
const processes = [
  { role: 'control', id: 'control', pid: 7, startedAt: '2026-11-30T12:00:00Z', starts: 1 },
] as const;
const well = {
  problems: [],
  recorders: up,
  legsWithoutRecorder: 0,
  callsWithoutMedia: 0,
  processes,
};

it('is ok when nothing is wrong', () => {
  expect(healthOf(well)).toEqual({ status: 'ok', problems: [], processes });
});

it('names the recorders that are down, and says what calls lack', () => {
  const recorders = [
    ...up,
    { id: 'r3', state: 'down' },
    { id: 'r4', state: 'suspect' },
    { id: 'r5', state: 'standby' },
    { id: 'r6', state: 'up', busyUntil: '2026-01-01T00:00:00Z' },
  ];
  const sources = { problems: ['a worker hangs'], legsWithoutRecorder: 2, callsWithoutMedia: 3 };
  expect(healthOf({ ...well, recorders, ...sources })).toEqual({
    status: 'degraded',
    problems: [
      'a worker hangs',
      'recorders down: r3',
      'recorders suspected: r4',
      'recorders that take no sessions for now, by their own word: r6',
      '2 legs have no recorder',
      '3 calls have no media of a party',
    ],
    processes,
  });
});

it('says when a call can be recorded once only, or not at all', () => {
  const problem = (recorders: typeof up): string | undefined =>
    healthOf({ ...well, recorders }).problems[0];
  expect(problem(up.slice(1))).toBe('only one recorder is up: calls are recorded once');
  expect(problem([])).toBe('no recorder is up');
});

it('names twenty recorders at most', () => {
  const down = Array.from({ length: 30 }, (_, n) => ({ id: `d${n}`, state: 'down' }));
  const [problem] = healthOf({ ...well, recorders: [...up, ...down] }).problems;
  expect(problem).toMatch(/^recorders down: d0, .*, d19 and 10 more$/);
});
