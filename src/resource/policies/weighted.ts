import type { Policy } from '../candidate.ts';
import { first, tieBreak } from './order.ts';

/** Sessions in proportion to weight, whatever the capacities: the next goes where sessions ÷ weight will be least. */
export const weighted: Policy = (candidates) => {
  const tie = tieBreak(candidates);
  return first(
    candidates,
    (left, right) =>
      (left.sessions + 1) * right.weight - (right.sessions + 1) * left.weight || tie(left, right),
  );
};
