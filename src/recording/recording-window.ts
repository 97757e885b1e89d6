import type { StreamReport } from '../edge/types.ts';
import { nextSequence } from './delivery.ts';
import type { StreamWindow } from './delivery.ts';
import type { Party } from './interfaces.ts';

type Streams = Readonly<Record<Party, StreamReport>>;
type Marks = Readonly<Record<Party, number | undefined>>;

/**
 * Which packets were to be recorded: from the beginning to the end, less the pauses. The marks are sequence numbers, so they
 * are exact, and the same for both legs.
 */
export class RecordingWindow {
  #from: Marks | undefined;
  #to: Marks | undefined;
  readonly #pauses: { readonly from: Marks; to?: Marks }[] = [];

  /** Everything that arrives after this moment. */
  begin(streams: Streams): void {
    this.#from ??= marks(streams);
  }

  pause(streams: Streams): void {
    const last = this.#pauses.at(-1);
    if (last === undefined || last.to !== undefined) this.#pauses.push({ from: marks(streams) });
  }

  resume(streams: Streams): void {
    const pause = this.#pauses.at(-1);
    if (pause !== undefined) pause.to ??= marks(streams);
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
      paused: this.#pauses.map((pause) => ({
        first: pause.from[party] ?? 0,
        last: (pause.to === undefined ? Infinity : (pause.to[party] ?? 0)) - 1,
      })),
    };
  }
}

function marks(streams: Streams): Marks {
  return { a: nextSequence(streams.a), b: nextSequence(streams.b) };
}
