import { filesOf, isHeld, recordedCalls, shown, wasLiedTo } from './checker.ts';
import type { Checker } from './checker.ts';
import type { World } from '../world.ts';

/** Nothing that was to be recorded is missing on a leg that the ledger does not name as missing, or leave unproven. */
export const missingIsNamed: Checker = { name: 'missing is named', after: check };

function check(world: World): string[] {
  return recordedCalls(world).flatMap(({ truth, legs, ledger }) =>
    legs.flatMap((leg) => {
      const files = filesOf(world, leg);
      return ledger.streams.flatMap(({ party, legs: entries }) => {
        const entry = entries.find((one) => one.leg === leg.leg);
        if (entry === undefined) return [`${truth.id} leg ${leg.leg}: not in the ledger`];
        const inRanges = (ranges: typeof entry.missing, extended: number): boolean =>
          ranges.some(({ first, last }) => first <= extended && extended <= last);
        const both = entry.missing.filter(({ first }) => inRanges(entry.confirmed, first));
        if (both.length > 0) return [`${truth.id} leg ${leg.leg} ${party}: missing and confirmed`];
        if (wasLiedTo(world, leg)) return [];
        const lacking = [
          ...new Set(
            truth
              .wanted(party)
              .map(({ extended }) => extended)
              .filter((extended) => !isHeld(files, party, extended)),
          ),
        ].sort((x, y) => x - y);
        const unnamed = lacking.filter((extended) => !inRanges(entry.missing, extended));
        const admitted = entry.unprovenPackets + entry.reportedLostPackets;
        if (unnamed.length <= admitted) return [];
        return [
          `${truth.id} leg ${leg.leg} ${party}: in no file and not named: ${shown(unnamed)}; ${admitted} admitted`,
        ];
      });
    }),
  );
}
