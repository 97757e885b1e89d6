import { recordedCalls } from './checker.ts';
import type { Checker } from './checker.ts';

/** A recording session that a call has shown it shows for good, whoever decides by then: none is forgotten, and none begun anew. */
export function sessionsGoOn(): Checker {
  /** By call, as seen last. */
  const seen = new Map<string, ReadonlySet<string>>();
  return {
    name: 'sessions go on',
    during: (world) =>
      recordedCalls(world).flatMap(({ truth, legs }) => {
        const shown = new Set(
          legs.flatMap(({ sessions }) => sessions.map(({ recordId }) => recordId)),
        );
        const forgotten = [...(seen.get(truth.id) ?? [])].filter((id) => !shown.has(id));
        seen.set(truth.id, shown);
        if (forgotten.length === 0) return [];
        return [`${truth.id}: ${forgotten.length} recording sessions are forgotten`];
      }),
  };
}
