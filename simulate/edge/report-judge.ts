import type { ForkReport, ReceiverReport } from '../../src/edge/types.ts';
import type { RecorderReport } from '../packet.ts';
import { extendNear } from '../packet.ts';
import { TimedRanges } from './timed-ranges.ts';

/** From such a gap on a recorder counts anew (RFC 3550 A.1). */
const dropoutMax = 3_000;

interface Sent {
  readonly at: number;
  times: number;
  sentAt: number;
}

interface Interval {
  readonly at: number;
  readonly highest: number;
  readonly cumulativeLost: number;
}

/** What a recorder's reports prove of what was sent to it. */
export class ReportJudge {
  readonly confirmed = new TimedRanges();
  readonly denied = new TimedRanges();
  reports = 0;
  reportsRanges = false;
  last: ReceiverReport | undefined;
  highestSent = 0;
  readonly #straggleMs: number;
  readonly #sent = new Map<number, Sent>();
  #closedLost = 0;
  /** Of the counting that goes on: less when what was late came after all. */
  #openLost = 0;
  #firstSent = 0;
  #interval: Interval | undefined;
  /** When a number at or below the interval's highest was last sent again. */
  #resentAt = -Infinity;
  /** When a report last told of loss. */
  #lossAt = -Infinity;

  /** @param straggleMs a copy that comes so late after others may still fill the gap that a report told of */
  constructor(straggleMs: number) {
    this.#straggleMs = straggleMs;
  }

  /** @param at when the packet arrived */
  onSent(extended: number, at: number, now: number): void {
    if (this.#sent.size === 0) this.#firstSent = extended;
    const known = this.#sent.get(extended);
    if (known === undefined) this.#sent.set(extended, { at, times: 1, sentAt: now });
    else {
      known.times += 1;
      known.sentAt = now;
    }
    if (extended <= (this.#interval?.highest ?? -1)) this.#resentAt = now;
    this.highestSent = Math.max(this.highestSent, extended);
  }

  /** Undefined: nothing that was sent explains it. */
  judge(report: RecorderReport, near: number, now: number): ReceiverReport | undefined {
    const highest = extendNear(near, report.highestSequence);
    if (highest > this.highestSent || highest < this.#firstSent) return undefined;
    const fractionLost =
      report.ranges === undefined
        ? this.#judgeCounts(highest, report.cumulativeLost, now)
        : this.#judgeRanges(report, highest);
    this.reports += 1;
    this.last = { at: now, highestSequence: highest, fractionLost, jitterMs: 0 };
    return this.last;
  }

  /** Another recorder: what it counts it counts anew, of what is sent from now on. */
  onNewTarget(): void {
    this.#closedLost += Math.max(0, this.#openLost);
    this.#openLost = 0;
    this.#interval = undefined;
    this.#firstSent = this.highestSent + 1;
  }

  /** @param settled no later report would say more: what lies behind a final one's highest number did not come */
  account(settled: boolean): Pick<ForkReport, 'confirmed' | 'denied' | 'reportedLost'> {
    const confirmed = this.confirmed.list();
    const behind = this.last?.final === true ? this.#behind(this.last.highestSequence) : [];
    if (this.reportsRanges) {
      if (settled) for (const [extended, { at }] of behind) this.denied.add(extended, at);
      return { confirmed, denied: this.denied.list(), reportedLost: { atLeast: 0, atMost: 0 } };
    }
    const open = this.#openPackets() + behind.length;
    const atLeast = this.#closedLost + Math.max(0, this.#openLost) + (settled ? behind.length : 0);
    const reportedLost = { atLeast: Math.min(open, atLeast), atMost: open };
    return { confirmed, denied: this.denied.list(), reportedLost };
  }

  #openPackets(): number {
    if (this.last === undefined) return 0;
    let open = 0;
    for (const extended of this.#sent.keys()) {
      if (extended <= this.last.highestSequence && !this.confirmed.has(extended)) open += 1;
    }
    return open;
  }

  #behind(highest: number): [number, Sent][] {
    return [...this.#sent].filter(
      ([extended]) => extended > highest && !this.confirmed.has(extended),
    );
  }

  #judgeRanges(report: RecorderReport, highest: number): number {
    const { begin, numbers, received } = report.ranges as NonNullable<RecorderReport['ranges']>;
    this.reportsRanges = true;
    const first = extendNear(highest, begin);
    let came = 0;
    let lost = 0;
    let next = 0;
    const deny = (until: number): void => {
      for (; next < until; next += 1) {
        const sent = this.#sent.get(first + next);
        if (sent === undefined || this.confirmed.has(first + next)) continue;
        this.denied.add(first + next, sent.at);
        lost += 1;
      }
    };
    for (const range of received) {
      deny(range.first);
      for (next = range.first; next <= range.last; next += 1) {
        const sent = this.#sent.get(first + next);
        if (sent === undefined) continue;
        came += 1;
        this.confirmed.add(first + next, sent.at);
        this.denied.delete(first + next);
      }
    }
    deny(numbers);
    return came + lost === 0 ? 0 : lost / (came + lost);
  }

  /** Receiver reports count and name nothing: only an interval of which nothing can be missing is proof. */
  #judgeCounts(highest: number, cumulativeLost: number, now: number): number {
    const before = this.#interval;
    this.#interval = { at: now, highest, cumulativeLost };
    // Which packet it began to count with is not known: what came before proves nothing.
    if (before === undefined) {
      this.#lossAt = now;
      return 0;
    }
    const numbers = highest - before.highest;
    const lost = cumulativeLost - before.cumulativeLost;
    // It counts anew, or tells of something else.
    if (numbers < 0 || numbers >= dropoutMax || lost > numbers) {
      this.#closedLost += Math.max(0, this.#openLost);
      this.#openLost = 0;
      this.#lossAt = now;
      return 0;
    }
    const received = numbers - lost;
    const { copies, sent } = this.#count(before.highest + 1, highest);
    this.#openLost += Math.max(sent - received, Math.min(0, copies - received));
    // A copy of what the report before told of may have come after it, in the place of something that did not.
    const resent = this.#resentAt > before.at - this.#straggleMs;
    const filled = resent || now - this.#lossAt < this.#straggleMs;
    if (received !== copies || this.#widestGap(before.highest, highest) >= dropoutMax) {
      this.#lossAt = now;
    } else if (!filled) this.#confirm(before.highest + 1, highest);
    return copies === 0 ? 0 : Math.min(1, Math.max(0, (copies - received) / copies));
  }

  #confirm(first: number, last: number): void {
    for (let extended = first; extended <= last; extended += 1) {
      const sent = this.#sent.get(extended);
      if (sent !== undefined) this.confirmed.add(extended, sent.at);
    }
  }

  #count(first: number, last: number): { sent: number; copies: number } {
    let sent = 0;
    let copies = 0;
    for (let extended = first; extended <= last; extended += 1) {
      const times = this.#sent.get(extended)?.times ?? 0;
      sent += times > 0 ? 1 : 0;
      copies += times;
    }
    return { sent, copies };
  }

  #widestGap(first: number, last: number): number {
    let widest = 0;
    let before = first;
    for (let extended = first + 1; extended <= last; extended += 1) {
      if (!this.#sent.has(extended)) continue;
      widest = Math.max(widest, extended - before);
      before = extended;
    }
    return widest;
  }
}
