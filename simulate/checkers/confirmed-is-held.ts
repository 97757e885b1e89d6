import type { Range } from '../../src/rtp/ranges.ts';
import { subtract, union } from '../../src/rtp/ranges.ts';
import { filesOf, isHeld, recordedCalls, shown, wasLiedTo } from './checker.ts';
import type { Checker } from './checker.ts';
import type { World } from '../world.ts';

/** A ledger costs more than a look. */
const lookEvery = 3;

/** No packet is confirmed that no file holds. */
export function confirmedIsHeld(): Checker {
  let looks = 0;
  /** By call, leg and party, what a file holds: files lose nothing, so that it is looked for once. */
  const held = new Map<string, readonly Range[]>();
  const check = (world: World): string[] =>
    recordedCalls(world).flatMap(({ truth, legs, ledger }) =>
      legs.flatMap((leg) => {
        if (wasLiedTo(world, leg)) return [];
        const files = filesOf(world, leg);
        return ledger.streams.flatMap(({ party, legs: entries }) => {
          const name = `${truth.id} leg ${leg.leg} ${party}`;
          const confirmed = entries.find((entry) => entry.leg === leg.leg)?.confirmed ?? [];
          const known = held.get(name) ?? [];
          const fresh = subtract(confirmed, known);
          const invented: number[] = [];
          for (const { first, last } of fresh) {
            for (let extended = first; extended <= last; extended += 1) {
              if (!isHeld(files, party, extended)) invented.push(extended);
            }
          }
          if (invented.length > 0) {
            return [`${name}: confirmed, and in no file: ${shown(invented)}`];
          }
          if (fresh.length > 0) held.set(name, union(known, fresh));
          return [];
        });
      }),
    );
  return {
    name: 'confirmed is held',
    during: (world) => {
      looks += 1;
      return looks % lookEvery === 0 ? check(world) : [];
    },
    after: check,
  };
}
