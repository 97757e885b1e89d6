import type { Candidate, Policy } from './candidate.ts';
import { leastLoaded } from './policies/least-loaded.ts';
import { roundRobin } from './policies/round-robin.ts';
import { twoChoices } from './policies/two-choices.ts';
import { weighted } from './policies/weighted.ts';

export type PolicyName = 'least-loaded' | 'round-robin' | 'weighted' | 'two-choices';

export const policies: Readonly<Record<PolicyName, Policy>> = {
  'least-loaded': leastLoaded,
  'round-robin': roundRobin,
  weighted,
  'two-choices': twoChoices,
};

/**
 * Which of the able. The reluctant are asked when there is nobody else; of those that are left, the zones to avoid are left
 * aside as long as another zone has one.
 */
export function select(
  able: readonly Candidate[],
  options: { policy: PolicyName; avoidZones: readonly string[]; random: () => number },
): Candidate | undefined {
  const willing = able.filter(({ reluctant }) => !reluctant);
  const asked = willing.length > 0 ? willing : able;
  const elsewhere = asked.filter(({ zone }) => !options.avoidZones.includes(zone));
  const pool = elsewhere.length > 0 ? elsewhere : asked;
  return pool.length > 0 ? policies[options.policy](pool, options.random) : undefined;
}
