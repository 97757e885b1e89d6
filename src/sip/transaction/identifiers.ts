import { randomUUID } from 'node:crypto';
import { BRANCH_COOKIE } from '../message/via.ts';

// Unguessable, so that a stranger can neither answer our requests nor speak in our dialogs: 122 random bits, of which Node
// keeps a supply, so that many requests at once do not ask the system for each.

export function newBranch(): string {
  return BRANCH_COOKIE + randomUUID();
}

export function newTag(): string {
  return randomUUID();
}

export function newCallId(): string {
  return randomUUID();
}
