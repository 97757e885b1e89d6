import type { Party } from '../recording/interfaces.ts';
import { bothParties } from './party.ts';

/** Most ids that the edge is asked for at once. */
const idsAtOnce = 64;

export function arrivedAt(
  sequences: readonly (number | undefined)[],
): Partial<Record<Party, number>> {
  const arrived: Partial<Record<Party, number>> = {};
  for (const [index, party] of bothParties.entries()) {
    const sequence = sequences[index];
    if (sequence !== undefined) arrived[party] = sequence;
  }
  return arrived;
}

/** As many as the edge takes at once. */
export function inChunks<T>(
  ids: readonly number[],
  ask: (chunk: readonly number[]) => readonly T[],
): T[] {
  const all: T[] = [];
  for (let at = 0; at < ids.length; at += idsAtOnce)
    all.push(...ask(ids.slice(at, at + idsAtOnce)));
  return all;
}
