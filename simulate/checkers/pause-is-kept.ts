import { parties } from '../../src/recording/interfaces.ts';
import { shown } from './checker.ts';
import type { Checker } from './checker.ts';

/** What was said in a pause, or after recording was stopped, is in no file. */
export const pauseIsKept: Checker = {
  name: 'pause is kept',
  after: (world) => {
    const files = [...world.recorders.values()].flatMap((recorder) => [...recorder.files.values()]);
    return world.drivers.flatMap(({ truth }) =>
      parties.flatMap((party) => {
        const ssrc = truth.ssrcs[party];
        const own = files.filter((file) => ssrc !== undefined && file.ssrcOf(party) === ssrc);
        // A number that came twice may have been said before.
        const wanted = new Set(
          truth.heard[party]
            .filter(({ at }) => truth.wishAt(at) !== 'off')
            .map(({ extended }) => extended),
        );
        const overheard = truth
          .unwanted(party)
          .filter(({ extended }) => !wanted.has(extended))
          .filter(({ extended }) => own.some((file) => file.holds(party, extended)))
          .map(({ extended }) => extended);
        if (overheard.length === 0) return [];
        return [
          `${truth.id} ${party}: said while it was not to be recorded, and in a file: ${shown(overheard)}`,
        ];
      }),
    );
  },
};
