import type { Policy } from '../candidate.ts';
import { first, tieBreak, type Order } from './order.ts';

/** By sessions ÷ capacity, compared without dividing so that equal is equal. */
export const byLoad: Order = (left, right) =>
  left.sessions * right.capacity - right.sessions * left.capacity;

export const leastLoaded: Policy = (candidates) => {
  const tie = tieBreak(candidates);
  return first(candidates, (left, right) => byLoad(left, right) || tie(left, right));
};
