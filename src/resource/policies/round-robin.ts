import type { Policy } from '../candidate.ts';
import { byLastChosen, first } from './order.ts';

/** Whose turn is longest past. Unlike a cursor this stays fair when zones or limits leave some out. */
export const roundRobin: Policy = (candidates) => first(candidates, byLastChosen);
