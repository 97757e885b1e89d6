import type { SipLimits } from '../limits.ts';
import { contentLength, findEndOfHead, readHead, skipLineEnds } from './head.ts';
import type { Head } from './head.ts';
import { assemble, fail } from './parse.ts';
import type { ParseFailure, ParseOutcome } from './parse.ts';

const FIRST_CAPACITY_BYTES = 4_096;

/**
 * Cuts a byte stream into messages by Content-Length (RFC 3261 section 18.3). Holds at most one head and one body
 * within the limits, whatever the size of the chunks, and looks at each byte once.
 */
export class StreamFramer {
  readonly #limits: SipLimits;
  #buffer: Buffer = Buffer.allocUnsafe(0);
  #start = 0;
  #end = 0;
  /** No end of head before this index. */
  #scanned = 0;
  #head: Head | undefined;
  #bodyBytes = 0;
  #broken = false;

  constructor(limits: SipLimits) {
    this.#limits = limits;
  }

  /** Bytes held back until the rest of their message arrives. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /**
   * @returns the messages that are complete now. `broken` is set when the stream cannot be cut any further: answer
   * and destroy it, more bytes are ignored.
   */
  push(chunk: Buffer): { outcomes: ParseOutcome[]; broken: ParseFailure | undefined } {
    const outcomes: ParseOutcome[] = [];
    if (this.#broken) return { outcomes, broken: undefined };
    this.#append(chunk);
    for (;;) {
      const outcome = this.#next();
      if (outcome === undefined) return { outcomes, broken: undefined };
      if ('broken' in outcome) {
        this.#broken = true;
        this.#buffer = Buffer.allocUnsafe(0);
        this.#start = this.#end = 0;
        return { outcomes, broken: outcome.broken };
      }
      outcomes.push(outcome.outcome);
    }
  }

  #next(): undefined | { outcome: ParseOutcome } | { broken: ParseFailure } {
    if (this.#head === undefined) {
      if (this.#scanned <= this.#start) {
        this.#start = skipLineEnds(this.#buffer, this.#start, this.#end);
        this.#scanned = this.#start;
      }
      if (this.#start === this.#end) {
        this.#release();
        return undefined;
      }
      const searchEnd = Math.min(this.#end, this.#start + this.#limits.headerBytes);
      const headEnd = findEndOfHead(this.#buffer, this.#scanned, searchEnd);
      if (headEnd === -1) {
        // Two bytes back: the empty line may be cut between CR, LF, CR and LF.
        this.#scanned = Math.max(this.#start + 1, searchEnd - 3);
        if (searchEnd - this.#start < this.#limits.headerBytes) return undefined;
        const cut = readHead(this.#buffer.subarray(this.#start, searchEnd), this.#limits);
        return { broken: fail(cut, 513, 'Message Too Large') };
      }
      const head = readHead(this.#buffer.subarray(this.#start, headEnd), this.#limits);
      this.#start = headEnd;
      this.#scanned = headEnd;
      const length = contentLength(head.headers);
      if (length === undefined || length === 'invalid')
        return { broken: fail(head, 400, 'Bad Content-Length') };
      if (length > this.#limits.bodyBytes)
        return { broken: fail(head, 413, 'Request Entity Too Large') };
      this.#head = head;
      this.#bodyBytes = length;
    }
    if (this.#end - this.#start < this.#bodyBytes) return undefined;
    // A copy, so that a message kept for long does not hold the stream's buffer.
    const body = Buffer.from(this.#buffer.subarray(this.#start, this.#start + this.#bodyBytes));
    const outcome = assemble(this.#head, body);
    this.#start += this.#bodyBytes;
    this.#scanned = this.#start;
    this.#head = undefined;
    this.#bodyBytes = 0;
    return { outcome };
  }

  #release(): void {
    this.#start = this.#end = this.#scanned = 0;
    if (this.#buffer.length > FIRST_CAPACITY_BYTES) this.#buffer = Buffer.allocUnsafe(0);
  }

  /** Doubles the buffer when it is full: the cost stays linear even when every chunk is one byte. */
  #append(chunk: Buffer): void {
    const pending = this.#end - this.#start;
    if (this.#end + chunk.length > this.#buffer.length) {
      const needed = pending + chunk.length;
      const capacity = Math.max(FIRST_CAPACITY_BYTES, needed * 2);
      const target =
        needed * 2 <= this.#buffer.length ? this.#buffer : Buffer.allocUnsafe(capacity);
      this.#buffer.copy(target, 0, this.#start, this.#end);
      this.#scanned -= this.#start;
      this.#buffer = target;
      this.#start = 0;
      this.#end = pending;
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }
}
