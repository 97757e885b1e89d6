import type { Candidate } from '../candidate.ts';

export type Order = (left: Candidate, right: Candidate) => number;

/** Who waited longest goes first; the id decides between recorders that were never chosen. */
export const byLastChosen: Order = (left, right) =>
  left.lastChosen - right.lastChosen || (left.id < right.id ? -1 : 1);

/**
 * For candidates that a policy holds to be equal. The zone with the most room left comes first: its recorders can only be
 * paired with those of other zones, so using it up first leaves pairs for every later call.
 */
export function tieBreak(candidates: readonly Candidate[]): Order {
  const room = new Map<string, number>();
  for (const { zone, capacity, sessions } of candidates) {
    room.set(zone, (room.get(zone) ?? 0) + capacity - sessions);
  }
  return (left, right) =>
    (room.get(right.zone) ?? 0) - (room.get(left.zone) ?? 0) || byLastChosen(left, right);
}

export function first(candidates: readonly Candidate[], order: Order): Candidate {
  return candidates.reduce((best, candidate) => (order(candidate, best) < 0 ? candidate : best));
}
