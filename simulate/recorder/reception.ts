import { TimedRanges } from '../edge/timed-ranges.ts';
import type { RecorderReport } from '../packet.ts';
import { extendNear } from '../packet.ts';

/** RFC 3550 appendix A.1. */
const dropoutMax = 3_000;
const misorderMax = 100;
/** An extended report goes back to where this many before it ended, so that one that was lost matters little. */
const overlapReports = 3;
const numbersMax = 6_000;

/** What a recorder knows of one stream: RFC 3550 A.1 and A.3 to the letter, and which numbers came, if it reports those. */
export class Reception {
  #started = false;
  #base = 0;
  #highest = 0;
  #received = 0;
  #badSequence: number | undefined;
  readonly #ranges = new TimedRanges();
  /** Oldest first. */
  #reportedTo: number[] = [];
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
        this.#ranges.add(extended, 0);
        return;
      }
      this.#begin(extended);
    }
    this.#badSequence = undefined;
    this.#highest = Math.max(this.#highest, extended);
    this.#received += 1;
    this.#ranges.add(extended, 0);
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
    const ranges = this.#ranges.list();
    const newest = Math.max(this.#highest, ranges.at(-1)?.last ?? 0);
    const oldest = ranges[0]?.first ?? newest;
    const before = this.#reportedTo.length < overlapReports ? 0 : (this.#reportedTo[0] ?? 0);
    const begin = Math.max(oldest, before, newest - numbersMax + 1);
    this.#reportedTo = [...this.#reportedTo, newest].slice(-overlapReports);
    const received = ranges
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
}
