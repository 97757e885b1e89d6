import type { StreamReport } from '../edge/types.ts';
import { nextSequence } from './delivery.ts';
import type { StreamWindow } from './delivery.ts';
import type { Party } from './interfaces.ts';

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

  /**
   * A copy goes through the ring without a break, so one that begins before this packet would send again what was paused.
   * Undefined while nothing speaks against any packet.
   */
  floor(party: Party): number | undefined {
    const from = this.#from?.[party];
    return this.#pauses.reduce<number | undefined>((floor, { to }) => to?.[party] ?? floor, from);
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
