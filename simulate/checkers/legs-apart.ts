import { recordedCalls } from './checker.ts';
import type { Checker } from './checker.ts';

/** The two legs of a call are never on one recorder. */
export const legsApart: Checker = {
  name: 'legs apart',
  during: (world) => [
    ...world.places.shared(),
    ...recordedCalls(world).flatMap(({ truth, legs }) => {
      const on = legs.map(({ sessions }) =>
        sessions.filter(({ endedAt }) => endedAt === null).map(({ recorder }) => recorder),
      );
      const both = on[0]?.find((recorder) => on[1]?.includes(recorder));
      if (both === undefined || truth.deleted === 'done') return [];
      return [`${truth.id}: both legs are on ${both}`];
    }),
  ],
};
