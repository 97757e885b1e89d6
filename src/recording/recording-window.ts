import type { StreamReport } from '../edge/types.ts';
import { nextSequence } from './delivery.ts';
import type { StreamWindow } from './delivery.ts';
import type { Range } from '../rtp/ranges.ts';
import type { Party } from './interfaces.ts';

/** As many as an edge keeps out of one copy. */
const keptOutMax = 64;

type Streams = Readonly<Record<Party, StreamReport>>;
type Marks = Readonly<Record<Party, number | undefined>>;

interface Pause {
  readonly from: Marks;
  /** Asked to go on. */
  to?: Marks;
  /** Both legs were sending again. */
  resumed?: Marks;
}

/**
 * Which packets were to be recorded: from the beginning to the end, less the pauses. The marks are sequence numbers, so they
 * are exact, and the same for both legs.
 */
export class RecordingWindow {
  #from: Marks | undefined;
  #to: Marks | undefined;
  readonly #pauses: Pause[] = [];

  /** Everything that arrives after this moment. */
  begin(streams: Streams): void {
    this.#from ??= marks(streams);
  }

  pause(streams: Streams): void {
    const last = this.#pauses.at(-1);
    if (last === undefined || last.to !== undefined) this.#pauses.push({ from: marks(streams) });
  }

  /** First packet that the last pause keeps out. */
  pausedFrom(): Readonly<Record<Party, number>> {
    const from = this.#pauses.at(-1)?.from;
    return { a: from?.a ?? 0, b: from?.b ?? 0 };
  }

  resume(streams: Streams): void {
    const pause = this.#pauses.at(-1);
    if (pause !== undefined) pause.to ??= marks(streams);
  }

  /** The legs send again: from here on nothing is withheld. */
  resumed(streams: Streams): void {
    const pause = this.#pauses.at(-1);
    if (pause?.to !== undefined) pause.resumed ??= marks(streams);
  }

  end(streams: Streams): void {
    this.#to ??= marks(streams);
  }

  of(party: Party): StreamWindow {
    const from = this.#from?.[party];
    return {
      ...(from === undefined ? {} : { from }),
      // A stream that had not begun by the end has nothing to record.
      ...(this.#to === undefined ? {} : { to: (this.#to[party] ?? 0) - 1 }),
      paused: this.#pauses.map((pause) => between(pause.from, pause.to, party)),
      resuming: this.#pauses.flatMap(({ to, resumed }) =>
        to === undefined ? [] : [between(to, resumed, party)],
      ),
    };
  }

  /** Pauses that are over, the last ones: what a copy must leave out wherever it begins. */
  keptOut(): Readonly<Record<Party, readonly Range[]>> {
    const over = this.#pauses.filter(({ to }) => to !== undefined).slice(-keptOutMax);
    const of = (party: Party): Range[] =>
      over
        .map(({ from, to }) => between(from, to, party))
        .filter(({ first, last }) => last >= first);
    return { a: of('a'), b: of('b') };
  }

  /** No copy begins before this packet. Undefined while nothing speaks against any. */
  floor(party: Party): number | undefined {
    // What lies before pauses that can no longer be told apart is given up.
    const over = this.#pauses.filter(({ to }) => to !== undefined);
    return over.at(-keptOutMax - 1)?.to?.[party] ?? this.#from?.[party];
  }
}

function between(
  from: Marks,
  to: Marks | undefined,
  party: Party,
): { first: number; last: number } {
  return {
    first: from[party] ?? 0,
    last: (to === undefined ? Infinity : (to[party] ?? 0)) - 1,
  };
}

function marks(streams: Streams): Marks {
  return { a: nextSequence(streams.a), b: nextSequence(streams.b) };
}
