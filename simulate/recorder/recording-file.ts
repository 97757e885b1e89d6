import type { LegPacket } from '../packet.ts';
import type { Party } from '../../src/recording/interfaces.ts';

/** What is on a recorder's disk of one recording session, by the edge's numbers. */
export class RecordingFile {
  readonly recordId: string;
  readonly recorder: string;
  readonly #packets: Readonly<Record<Party, Map<number, number>>> = { a: new Map(), b: new Map() };

  readonly #ssrcs: Partial<Record<Party, number>> = {};

  constructor(recordId: string, recorder: string) {
    this.recordId = recordId;
    this.recorder = recorder;
  }

  write(party: Party, { extended, id, ssrc }: LegPacket): void {
    this.#packets[party].set(extended, id);
    this.#ssrcs[party] = ssrc;
  }

  /** Of the party's stream, as our port gave it out: no two streams have the same. */
  ssrcOf(party: Party): number | undefined {
    return this.#ssrcs[party];
  }

  holds(party: Party, extended: number): boolean {
    return this.#packets[party].has(extended);
  }

  /** By extended number: which packet of the party it is. */
  of(party: Party): ReadonlyMap<number, number> {
    return this.#packets[party];
  }
}
