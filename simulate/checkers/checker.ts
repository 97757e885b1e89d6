import type { Ledger } from '../../src/recording/account/ledger.ts';
import type { LegState } from '../../src/recording/call-state.ts';
import type { Party } from '../../src/recording/interfaces.ts';
import type { RecordingFile } from '../recorder/recording-file.ts';
import type { CallTruth } from '../truth.ts';
import type { World } from '../world.ts';

/** One thing that must hold, whatever happens. Each gives what is wrong, in words; nothing when all is well. */
export interface Checker {
  readonly name: string;
  /** Several times a second of simulated time. */
  during?(world: World): string[];
  /** When all calls have ended, and all that waits for them. */
  after?(world: World): string[];
  /** When everything is closed. */
  closed?(world: World): string[];
}

/** A call that was recorded, by what the API says of it and by what really was. */
export interface Recorded {
  readonly truth: CallTruth;
  readonly legs: readonly LegState[];
  /** Made when it is asked for: it costs. */
  readonly ledger: Ledger;
}

const looks = new WeakMap<World, { at: number; calls: readonly Recorded[] }>();

/** As they are at this moment; asked for by every checker, and made once. */
export function recordedCalls(world: World): readonly Recorded[] {
  const at = world.clock.now();
  const known = looks.get(world);
  if (known?.at === at) return known.calls;
  const calls = lookAt(world);
  looks.set(world, { at, calls });
  return calls;
}

function lookAt(world: World): Recorded[] {
  return world.drivers.flatMap(({ truth }) => {
    if (!truth.answered) return [];
    try {
      const { recordings } = world.calls.get(truth.id);
      let ledger: Ledger | undefined;
      return [
        {
          truth,
          legs: recordings,
          get ledger(): Ledger {
            ledger ??= world.ledger(truth.id);
            return ledger;
          },
        },
      ];
    } catch {
      return [];
    }
  });
}

/** What recorders really have of this leg. */
export function filesOf(world: World, leg: LegState): RecordingFile[] {
  return leg.sessions.flatMap(({ recordId, recorder }) => {
    const file = world.recorders.get(recorder)?.files.get(recordId);
    return file === undefined ? [] : [file];
  });
}

export function isHeld(files: readonly RecordingFile[], party: Party, extended: number): boolean {
  return files.some((file) => file.holds(party, extended));
}

/** Whether a recorder of this leg ever reported what was not so. */
export function wasLiedTo(world: World, leg: LegState): boolean {
  return leg.sessions.some(({ recorder }) => world.troubles.isLiar(recorder));
}

/** Numbers as ranges, for people. */
export function shown(numbers: readonly number[]): string {
  const ranges: string[] = [];
  let first: number | undefined;
  for (const [index, number] of numbers.entries()) {
    first ??= number;
    if (numbers[index + 1] === number + 1) continue;
    ranges.push(first === number ? String(number) : `${first}-${number}`);
    first = undefined;
  }
  const most = 4;
  const more = ranges.length > most ? ` and ${ranges.length - most} more` : '';
  return `${numbers.length} (${ranges.slice(0, most).join(', ')}${more})`;
}
