import { randomInt, randomUUID } from 'node:crypto';
import { BRANCH_COOKIE } from '../message/via.ts';

/** What the SIP stack needs of chance; a simulation gives its own. */
export interface SipRandom {
  /** A token that nobody has guessed and that never comes twice. */
  token(): string;
  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number;
}

// Unguessable, so that a stranger can neither answer our requests nor speak in our dialogs: 122 random bits, of which Node
// keeps a supply, so that many requests at once do not ask the system for each.
export const systemRandom: SipRandom = {
  token: () => randomUUID(),
  below: (limit) => randomInt(limit),
};

export function newBranch(random: SipRandom): string {
  return BRANCH_COOKIE + random.token();
}

export function newTag(random: SipRandom): string {
  return random.token();
}

export function newCallId(random: SipRandom): string {
  return random.token();
}
