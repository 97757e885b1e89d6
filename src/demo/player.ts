import { setTimeout as delay } from 'node:timers/promises';
import { parties } from '../recording/interfaces.ts';
import type { Party } from '../recording/interfaces.ts';
import type { MediaSource } from './media-source.ts';

/**
 * Sends every packet at its own time after `startAt` (`performance.now()`), so that being late once delays no other: the
 * schedule never drifts. Rejects with an AbortError.
 */
export async function play(
  source: MediaSource,
  send: (party: Party, bytes: Buffer) => void,
  startAt: number,
  signal: AbortSignal,
): Promise<void> {
  const schedule = parties
    .flatMap((party) => source.packets[party].map((packet) => ({ ...packet, party })))
    .sort((x, y) => x.dueMs - y.dueMs);
  for (const { party, dueMs, bytes } of schedule) {
    const waitMs = startAt + dueMs - performance.now();
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
    send(party, bytes);
  }
}
