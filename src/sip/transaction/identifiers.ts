import { randomBytes } from 'node:crypto';
import { BRANCH_COOKIE } from '../message/via.ts';

/** Unguessable, so that a stranger can neither answer our requests nor speak in our dialogs. */
export function newBranch(): string {
  return BRANCH_COOKIE + randomBytes(12).toString('hex');
}

export function newTag(): string {
  return randomBytes(8).toString('hex');
}

export function newCallId(): string {
  return randomBytes(16).toString('hex');
}
