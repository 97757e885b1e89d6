import { filesOf, isHeld, recordedCalls, shown, wasLiedTo } from './checker.ts';
import type { Checker } from './checker.ts';
import type { World } from '../world.ts';

/** A ledger costs more than a look. */
const lookEvery = 5;

/** No packet is confirmed that no file holds. */
export function confirmedIsHeld(): Checker {
  let looks = 0;
  return {
    name: 'confirmed is held',
    during: (world) => {
      looks += 1;
      return looks % lookEvery === 0 ? check(world) : [];
    },
    after: check,
  };
}

function check(world: World): string[] {
  return recordedCalls(world).flatMap(({ truth, legs, ledger }) =>
    legs.flatMap((leg) => {
      if (wasLiedTo(world, leg)) return [];
      const files = filesOf(world, leg);
      return ledger.streams.flatMap(({ party, legs: entries }) => {
        const confirmed = entries.find((entry) => entry.leg === leg.leg)?.confirmed ?? [];
        const invented: number[] = [];
        for (const { first, last } of confirmed) {
          for (let extended = first; extended <= last; extended += 1) {
            if (!isHeld(files, party, extended)) invented.push(extended);
          }
        }
        if (invented.length === 0) return [];
        return [
          `${truth.id} leg ${leg.leg} ${party}: confirmed, and in no file: ${shown(invented)}`,
        ];
      });
    }),
  );
}
