import type { Range } from '../../src/rtp/ranges.ts';
import { union } from '../../src/rtp/ranges.ts';
import type { RecorderReport } from '../packet.ts';
import { extendNear } from '../packet.ts';

/** RFC 3550 appendix A.1. */
const dropoutMax = 3_000;
const misorderMax = 100;
/** What an extended report goes back behind the one before it, so that one that was lost matters little. */
const overlapNumbers = 400;
const numbersMax = 6_000;

/** What a recorder knows of one stream: RFC 3550 A.1 and A.3 to the letter, and which numbers came, if it reports those. */
export class Reception {
  #started = false;
  #base = 0;
  #highest = 0;
  #received = 0;
  #badSequence: number | undefined;
  #ranges: Range[] = [];
  #reportedTo = 0;
  packets = 0;

  receive(sequence: number): void {
    this.packets += 1;
    if (!this.#started) this.#begin(0x10000 + sequence);
    const extended = extendNear(this.#highest, sequence);
    const distance = extended - this.#highest;
    if (distance >= dropoutMax || distance < -misorderMax) {
      // Two in a row and it is another stream, as far as the counting goes.
      if (this.#badSequence !== sequence) {
        this.#badSequence = (sequence + 1) & 0xffff;
        this.#note(extended);
        return;
      }
      this.#begin(extended);
    }
    this.#badSequence = undefined;
    this.#highest = Math.max(this.#highest, extended);
    this.#received += 1;
    this.#note(extended);
  }

  report(ssrc: number, lastSenderReport: number, named: boolean): RecorderReport | undefined {
    if (!this.#started) return undefined;
    const counts: RecorderReport = {
      kind: 'rr',
      ssrc,
      highestSequence: this.#highest & 0xffff,
      cumulativeLost: this.#highest - this.#base + 1 - this.#received,
      lastSenderReport,
    };
    if (!named) return counts;
    const newest = Math.max(this.#highest, this.#ranges.at(-1)?.last ?? 0);
    const oldest = this.#ranges[0]?.first ?? newest;
    const begin = Math.max(oldest, this.#reportedTo - overlapNumbers, newest - numbersMax + 1);
    this.#reportedTo = newest;
    const received = this.#ranges
      .filter(({ last }) => last >= begin)
      .map(({ first, last }) => ({ first: Math.max(first, begin) - begin, last: last - begin }));
    const numbers = newest - begin + 1;
    return { ...counts, ranges: { begin: begin & 0xffff, numbers, received } };
  }

  #begin(extended: number): void {
    this.#started = true;
    this.#base = extended;
    this.#highest = extended;
    this.#received = 0;
  }

  #note(extended: number): void {
    const newest = this.#ranges.at(-1);
    if (newest?.last === extended - 1) {
      this.#ranges[this.#ranges.length - 1] = { first: newest.first, last: extended };
    } else this.#ranges = union(this.#ranges, [{ first: extended, last: extended }]);
  }
}
