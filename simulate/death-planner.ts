import type { CallPlan, DeathPlan, FaultPlan } from './plan.ts';
import type { Random } from './random.ts';

/** Until what was begun is over, most often. */
const shortlyMs = 60;

/** When control is killed: at any time, or while something is under way. */
export function planDeaths(
  random: Random,
  calls: readonly CallPlan[],
  faults: readonly FaultPlan[],
  lengthMs: number,
): DeathPlan[] {
  const moments = [
    ...calls.flatMap(({ at, answerAfterMs, endAt, actions }) => [
      at,
      at + answerAfterMs,
      endAt,
      ...actions.map((action) => at + action.at),
    ]),
    ...faults.map((fault) => fault.at),
  ];
  const count = random.pick([0, 1, 1, 2, 3, 6]);
  return Array.from({ length: count }, () => ({
    at: random.chance(0.5)
      ? random.next() * lengthMs
      : random.pick(moments) + random.next() * random.pick([1, shortlyMs, 20 * shortlyMs]),
    awayMs: random.pick([0, 1, 20, 300, 1_500, 5_000]),
  })).filter(({ at }) => at < lengthMs);
}
