import type { LegState } from '../src/recording/call-state.ts';
import type { RecorderAllocator } from '../src/recording/interfaces.ts';
import { changed } from './changed.ts';

/** Whose the recording sessions are that recorders take, at the moment in which they do. */
export class Places {
  /** Legs as the API has them. Throws when there is no such call. */
  look: (callId: string) => readonly LegState[] = () => [];
  /** Of each that was allocated and not given back, by record id. */
  readonly #held = new Map<string, { readonly callId: string; readonly leg: number }>();
  readonly #shared: string[] = [];

  /** The same allocator, listened to. */
  noted(allocator: RecorderAllocator): RecorderAllocator {
    return changed(allocator, {
      allocate: (request) => {
        const allocation = allocator.allocate(request);
        this.#held.set(allocation.recordId, request);
        return allocation;
      },
      release: (recordId) => {
        this.#held.delete(recordId);
        allocator.release(recordId);
      },
    });
  }

  /** A recorder takes a session: the call's other leg is not to be there. */
  taken(recordId: string, recorder: string): void {
    const place = this.#held.get(recordId);
    // Nobody waits for it any more: it answers after a CANCEL.
    if (place === undefined) return;
    const isThere = this.#legsOf(place.callId).some(
      ({ leg, sessions }) =>
        leg !== place.leg &&
        sessions.some((session) => session.recorder === recorder && session.endedAt === null),
    );
    if (isThere) this.#shared.push(`${place.callId}: ${recorder} takes both legs`);
  }

  /** What was seen since it was asked last. */
  shared(): string[] {
    return this.#shared.splice(0);
  }

  #legsOf(callId: string): readonly LegState[] {
    try {
      return this.look(callId);
    } catch {
      return [];
    }
  }
}
