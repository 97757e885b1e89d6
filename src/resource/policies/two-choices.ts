import type { Candidate, Policy } from '../candidate.ts';
import { byLoad } from './least-loaded.ts';
import { byLastChosen, first } from './order.ts';

/**
 * The less loaded of two drawn at random (Mitzenmacher, The power of two choices): nearly as even as the least loaded, and
 * several allocators that see each other late do not all run to the same recorder.
 */
export const twoChoices: Policy = (candidates, random) => {
  const drawn = Math.floor(random() * candidates.length);
  const step = 1 + Math.floor(random() * (candidates.length - 1));
  const pair = [candidates[drawn], candidates[(drawn + step) % candidates.length]].filter(
    (candidate): candidate is Candidate => candidate !== undefined,
  );
  return first(pair, (left, right) => byLoad(left, right) || byLastChosen(left, right));
};
