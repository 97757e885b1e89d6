import type {
  AddForkOptions,
  EdgeEvent,
  ForkReport,
  ForkSigns,
  ForkStart,
  SocketAddress,
} from '../../src/edge/types.ts';
import type { RecorderReport, SenderReport } from '../packet.ts';
import { ReportJudge } from './report-judge.ts';
import type { RingEntry } from './ring.ts';
import type { SimPort } from './sim-port.ts';
import { TimedRanges } from './timed-ranges.ts';

/** What a fork needs of its edge. */
export interface ForkHost {
  readonly catchUpRate: number;
  readonly rtcpIntervalMs: number;
  /** How late a packet may come after others on its way to a recorder. */
  readonly straggleMs: number;
  now(): number;
  emit(event: EdgeEvent): void;
  /** The name of the error when the kernel does not take it. */
  sendRtp(fork: SimFork, entry: RingEntry): string | undefined;
  sendRtcp(fork: SimFork, report: SenderReport): void;
}

/** Of a BYE, first one included. */
const byesMax = 4;
const byeAgainMs = 25;
const overrunTellMs = 1_000;
const catchUpBurst = 64;
/** A pause of the stream, after which it begins to be sent anew. */
const restMs = 1_000;
/** Between two tries to send where the kernel does not let it, at first, and by how much longer later on. */
const holdMs = 50;
const holdGrowthMax = 8;

/** A cursor over a port's ring, on its way to one recorder: live, it follows the head; behind, it is paced until it is there. */
export class SimFork {
  readonly id: number;
  readonly port: SimPort;
  readonly streamIndex: number;
  rtp: SocketAddress;
  rtcp: SocketAddress;
  readonly #host: ForkHost;
  readonly #keptOut: AddForkOptions['keptOut'];
  readonly #judge: ReportJudge;
  readonly #sent = new TimedRanges();
  readonly #replayed = new TimedRanges();
  readonly #overrun = new TimedRanges();
  readonly #withheld = new TimedRanges();
  #state: ForkReport['state'] = 'live';
  #cursor = 0;
  #pauseAt = Infinity;
  #resumeAt = Infinity;
  #pace: { readonly arrivedAt: number; readonly at: number } | undefined;
  #sentPackets = 0;
  #sendErrors = 0;
  #lastSent = 0;
  #highestSent = 0;
  #lastSentAt = -Infinity;
  #sendingSince = 0;
  #sentBeforeReport = 0;
  /** Highest number that was sent when the last report came. */
  #sentThen = 0;
  /** Of the reports that say that media arrives. */
  #hearingReports = 0;
  #heardAt = 0;
  #refused: ForkReport['refused'];
  #refusalTold = false;
  #doubtedAt = 0;
  #unsendable: ForkReport['unsendable'];
  #heldUntil = -Infinity;
  #overrunUntold = 0;
  #overrunToldAt = -Infinity;
  #nextReportAt = 0;
  #stamps: number[] = [];
  #nextByeAt = 0;
  #settled = false;

  constructor(id: number, port: SimPort, options: AddForkOptions, host: ForkHost) {
    this.id = id;
    this.port = port;
    this.streamIndex = options.streamIndex;
    this.rtp = options.rtp;
    this.rtcp = options.rtcp;
    this.#keptOut = options.keptOut ?? [];
    this.#host = host;
    this.#judge = new ReportJudge(host.straggleMs);
    this.#start(options.from);
    if (options.paused) this.pause(options.pausedFrom ?? 0);
  }

  get state(): ForkReport['state'] {
    return this.#state;
  }

  get sentPackets(): number {
    return this.#sentPackets;
  }

  #start(from: ForkStart): void {
    const { ring, received, highest, started } = this.port;
    switch (from.kind) {
      case 'live':
        this.#cursor = ring.head;
        return;
      case 'oldest':
        this.#cursor = ring.first;
        break;
      case 'sequence': {
        this.#cursor = ring.find(({ extended }) => extended >= from.sequence);
        // What was asked for and had left the ring is lost in us, as much as what leaves it later.
        const oldest = ring.oldest?.extended ?? highest + 1;
        if (started) {
          for (const { first, last, firstAt } of received.list()) {
            for (let at = Math.max(first, from.sequence); at <= Math.min(last, oldest - 1); at += 1)
              this.#overran(at, firstAt);
          }
        }
        break;
      }
      default:
        from satisfies never;
    }
    this.#fallBehind();
  }

  pause(from: number): void {
    if (this.#state === 'paused' || this.#state === 'ended') return;
    const pausing = this.#pauseAt !== Infinity;
    if (pausing && this.#resumeAt === Infinity && from > 0) return;
    if (this.#state === 'catching-up' && !pausing) {
      const { ring } = this.port;
      let index = Math.max(this.#cursor, ring.first);
      while (index < ring.head && ring.at(index).extended < from) index += 1;
      if (index > this.#cursor) {
        this.#pauseAt = index;
        return;
      }
    }
    this.#pauseAt = Infinity;
    this.#resumeAt = Infinity;
    this.#state = 'paused';
    this.#withholdUntil(this.port.ring.head);
  }

  resume(): void {
    if (this.#pauseAt !== Infinity) {
      this.#resumeAt = Math.min(this.#resumeAt, this.port.ring.head);
      return;
    }
    if (this.#state !== 'paused') return;
    this.#withholdUntil(this.port.ring.head);
    this.#state = 'live';
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    if (this.#sentPackets > 0) this.#sayBye();
  }

  setTarget(rtp: SocketAddress, rtcp: SocketAddress): void {
    this.rtp = rtp;
    this.rtcp = rtcp;
    // All that was said of the other address.
    this.#refused = undefined;
    this.#refusalTold = false;
    this.#doubtedAt = 0;
    this.#unsendable = undefined;
    this.#heldUntil = -Infinity;
    this.#judge.onNewTarget();
  }

  /** New packets are in the ring. */
  offer(): void {
    const { ring } = this.port;
    if (this.#state === 'paused') this.#withholdUntil(ring.head);
    while (this.#state === 'live' && this.#cursor < ring.head) {
      if (this.#send(ring.at(this.#cursor), false)) this.#cursor += 1;
    }
  }

  onEvict(entry: RingEntry, index: number): void {
    if (index < this.#cursor || this.#state === 'ended') return;
    this.#cursor = index + 1;
    if ((index >= this.#pauseAt && index < this.#resumeAt) || this.#isKeptOut(entry.extended)) {
      this.#withheld.add(entry.extended, entry.at);
    } else this.#overran(entry.extended, entry.at);
  }

  onRefused(quoted: number | undefined): void {
    const now = this.#host.now();
    if (quoted === undefined) {
      this.#doubtedAt = now;
      return;
    }
    this.#refused =
      this.#refused === undefined
        ? { at: now, sequence: quoted, count: 1 }
        : { ...this.#refused, count: this.#refused.count + 1 };
    if (this.#refusalTold) return;
    this.#refusalTold = true;
    this.#host.emit({ type: 'fork-refused', forkId: this.id, at: now });
  }

  onReport(report: RecorderReport): void {
    if (report.ssrc !== this.port.ssrc || this.#sentPackets === 0) return;
    const before = this.#judge.last;
    const judged = this.#judge.judge(report, this.#lastSent, this.#host.now());
    if (judged === undefined) return;
    const highestSent = this.#judge.highestSent;
    const isSame = judged.highestSequence === before?.highestSequence;
    const isDeaf =
      isSame && before.highestSequence < this.#sentThen && this.#sentThen < highestSent;
    this.#sentThen = highestSent;
    if (!isDeaf) {
      this.#hearingReports += 1;
      this.#heardAt = judged.at;
      this.#sentBeforeReport = this.#sentPackets;
    }
    const isFinal = this.#state === 'ended' && this.#isFinal(judged.highestSequence, report);
    if (isFinal) this.#judge.last = { ...judged, final: true };
    else if (before?.final === true) this.#judge.last = before;
  }

  /** Slow duties, and paced sending while behind. */
  tick(): void {
    const now = this.#host.now();
    if (this.#state === 'catching-up') this.#catchUp(now);
    if (this.#overrunUntold > 0 && now - this.#overrunToldAt >= overrunTellMs) {
      this.#host.emit({ type: 'fork-overrun', forkId: this.id, packets: this.#overrunUntold });
      this.#overrunUntold = 0;
      this.#overrunToldAt = now;
    }
    if (this.#state === 'ended') {
      const byes = this.#stamps.length;
      if (byes > 0 && byes < byesMax && !this.#settled && now >= this.#nextByeAt) this.#sayBye();
    } else if (this.#state !== 'paused' && this.#sentPackets > 0 && now >= this.#nextReportAt) {
      this.#nextReportAt = now + this.#host.rtcpIntervalMs;
      const stamp = Math.floor(now) % 0x1_0000_0000;
      this.#host.sendRtcp(this, { kind: 'sr', ssrc: this.port.ssrc, stamp, bye: false });
    }
  }

  report(): ForkReport {
    return {
      forkId: this.id,
      state: this.#state === 'live' && !this.#isLevel ? 'catching-up' : this.#state,
      sentPackets: this.#sentPackets,
      sentBytes: this.#sentPackets * 172,
      sendErrors: this.#sendErrors,
      sent: this.#sent.list(),
      replayed: this.#replayed.list(),
      overrun: this.#overrun.list(),
      withheld: this.#withheld.list(),
      ...(this.#refused === undefined ? {} : { refused: this.#refused }),
      ...(this.#unsendable === undefined ? {} : { unsendable: this.#unsendable }),
      ...(this.#judge.last === undefined ? {} : { receiverReport: this.#judge.last }),
      receiverReports: this.#judge.reports,
      reportsRanges: this.#judge.reportsRanges,
      ...this.#judge.account(this.#settled),
    };
  }

  signs(): ForkSigns {
    return {
      forkId: this.id,
      reportedAt: this.#heardAt,
      receiverReports: this.#hearingReports,
      fractionLost: this.#judge.last?.fractionLost ?? 0,
      sentSinceReport: this.#sentPackets - this.#sentBeforeReport,
      sendingSince: this.#host.now() - this.#lastSentAt < restMs ? this.#sendingSince : 0,
      refusedAt: this.#refused?.at ?? 0,
      doubtedAt: this.#doubtedAt,
      unsendableAt: this.#unsendable?.at ?? 0,
      live: this.#state === 'live' && this.#isLevel,
      settled: this.#settled,
    };
  }

  /** False: the kernel did not take it; it is tried again, less and less often. */
  #send(entry: RingEntry, replayed: boolean): boolean {
    const now = this.#host.now();
    const error = this.#host.sendRtp(this, entry);
    if (error !== undefined) {
      this.#sendErrors += 1;
      const { at = now, sequence = entry.extended, count = 0 } = this.#unsendable ?? {};
      this.#unsendable = { at, sequence, count: count + 1, errno: error };
      this.#heldUntil = now + holdMs * Math.min(count + 1, holdGrowthMax);
      this.#fallBehind();
      return false;
    }
    this.#unsendable = undefined;
    if (now - this.#lastSentAt > restMs) this.#sendingSince = now;
    this.#lastSentAt = now;
    this.#sentPackets += 1;
    this.#lastSent = entry.extended;
    this.#highestSent = Math.max(this.#highestSent, entry.extended);
    this.#sent.add(entry.extended, entry.at);
    if (replayed) this.#replayed.add(entry.extended, entry.at);
    this.#judge.onSent(entry.extended, entry.at, now);
    return true;
  }

  #fallBehind(): void {
    this.#state = 'catching-up';
    this.#pace = undefined;
  }

  #catchUp(now: number): void {
    if (now < this.#heldUntil) return;
    const { ring } = this.port;
    this.#cursor = Math.max(this.#cursor, ring.first);
    const end = Math.min(ring.head, this.#pauseAt);
    for (let sent = 0; sent < catchUpBurst && this.#cursor < end;) {
      const entry = ring.at(this.#cursor);
      if (this.#isKeptOut(entry.extended)) {
        this.#withheld.add(entry.extended, entry.at);
        this.#pace = undefined;
      } else {
        this.#pace ??= { arrivedAt: entry.at, at: now };
        const pacedMs = (now - this.#pace.at) * this.#host.catchUpRate;
        if (entry.at > this.#pace.arrivedAt + pacedMs) break;
        if (!this.#send(entry, true)) return;
        sent += 1;
      }
      this.#cursor += 1;
    }
    if (this.#cursor >= this.#pauseAt) this.#reachPause();
    if (this.#cursor < ring.head || this.isPaused()) return;
    this.#state = 'live';
    this.#host.emit({ type: 'fork-live', forkId: this.id });
  }

  isPaused(): boolean {
    return this.#state === 'paused';
  }

  /** All that came before the pause is sent. */
  #reachPause(): void {
    const resumed = this.#resumeAt !== Infinity;
    this.#withholdUntil(resumed ? this.#resumeAt : this.port.ring.head);
    if (!resumed) this.#state = 'paused';
    this.#pace = undefined;
    this.#pauseAt = Infinity;
    this.#resumeAt = Infinity;
  }

  get #isLevel(): boolean {
    return this.#cursor >= this.port.ring.head;
  }

  #withholdUntil(index: number): void {
    const { ring } = this.port;
    for (this.#cursor = Math.max(this.#cursor, ring.first); this.#cursor < index;) {
      const { extended, at } = ring.at(this.#cursor);
      this.#withheld.add(extended, at);
      this.#cursor += 1;
    }
  }

  #overran(extended: number, at: number): void {
    this.#overrun.add(extended, at);
    this.#overrunUntold += 1;
  }

  #isKeptOut(extended: number): boolean {
    return (this.#keptOut ?? []).some(({ first, last }) => extended >= first && extended <= last);
  }

  #sayBye(): void {
    const now = this.#host.now();
    const stamp = Math.floor(now) % 0x1_0000_0000;
    this.#stamps.push(stamp);
    this.#nextByeAt = now + byeAgainMs;
    this.#host.sendRtcp(this, { kind: 'sr', ssrc: this.port.ssrc, stamp, bye: true });
  }

  #isFinal(highest: number, { lastSenderReport }: RecorderReport): boolean {
    const hasLast = highest >= this.#highestSent;
    const which = this.#stamps.indexOf(lastSenderReport);
    const answersLater = lastSenderReport === 0 ? this.#stamps.length > 1 : which > 0;
    if (!this.#settled && (hasLast || answersLater)) {
      this.#settled = true;
      this.#host.emit({ type: 'fork-ended', forkId: this.id });
    }
    return hasLast || which === 0 || answersLater;
  }
}
