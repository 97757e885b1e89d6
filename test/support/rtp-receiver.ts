import { receiverReport } from './rtcp-fixtures.ts';

/**
 * A receiver that counts by the letter of RFC 3550, appendix A.1 and A.3: what it does with the first packets, with gaps of 3,000
 * numbers and with copies is what the judging of reports has to live with.
 */
export class RtpReceiver {
  #begun = false;
  #maxSeq = 0;
  #cycles = 0;
  #baseSeq = 0;
  #badSeq = -1;
  #probation = 0;
  #received = 0;
  readonly #reporter: number;

  constructor(reporter = 99) {
    this.#reporter = reporter;
  }

  receive(sequence: number): void {
    if (!this.#begun) {
      this.#begun = true;
      this.#begin(sequence);
      this.#maxSeq = (sequence - 1) & 0xffff;
      this.#probation = 2;
    }
    const ahead = (sequence - this.#maxSeq) & 0xffff;
    if (this.#probation > 0) {
      this.#probation = ahead === 1 ? this.#probation - 1 : 1;
      this.#maxSeq = sequence;
      if (this.#probation > 0) return;
      this.#begin(sequence);
    } else if (ahead < 3_000) {
      if (sequence < this.#maxSeq) this.#cycles += 65_536;
      this.#maxSeq = sequence;
    } else if (ahead <= 65_536 - 100) {
      if (sequence !== this.#badSeq) {
        this.#badSeq = (sequence + 1) & 0xffff;
        return;
      }
      this.#begin(sequence);
    }
    this.#received += 1;
  }

  /** Undefined as long as it has counted nothing. */
  report(ssrc: number): Buffer | undefined {
    if (this.#received === 0) return undefined;
    const highestSequence = this.#cycles + this.#maxSeq;
    const cumulativeLost = highestSequence - this.#baseSeq + 1 - this.#received;
    return receiverReport(this.#reporter, { ssrc, highestSequence, cumulativeLost });
  }

  #begin(sequence: number): void {
    this.#baseSeq = this.#maxSeq = sequence;
    this.#badSeq = -1;
    this.#received = 0;
    this.#cycles = 0;
  }
}
