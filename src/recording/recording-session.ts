import type { ForkReport, ForkStart, StreamReport } from '../edge/types.ts';
import type { SessionState } from './call-state.ts';
import { clip, subtract } from '../rtp/ranges.ts';
import { sequenceAt } from './delivery.ts';
import type { SessionDelivery } from './delivery.ts';
import { isCertain } from './evidence.ts';
import { parties } from './interfaces.ts';
import type { Allocation, FailureReason, Party } from './interfaces.ts';

export interface SessionFailure {
  readonly reason: FailureReason;
  /** Until then the recorder is held to have received what it was sent. Unix ms. */
  readonly deadAt: number;
  /** Until then it did receive that, for sure, where no receiver report tells better. Unix ms. */
  readonly safeAt: number;
  readonly detectedAt: number;
}

/**
 * A process that is killed keeps its sockets until its memory is torn down, and nobody reads what comes in meanwhile: 6 to 9 ms
 * were measured for the reference recorder.
 */
const dyingMs = 8;

type ByParty<T> = Partial<Readonly<Record<Party, T>>>;

/** One recording session: one record identifier on one recorder, and what became of its copies. */
export class RecordingSession {
  readonly recordId: string;
  readonly recorder: string;
  readonly zone: string;
  readonly startedAt: number;
  /** Where each copy began. */
  readonly from: ByParty<ForkStart>;
  #endedAt: number | undefined;
  #endReason: string | undefined;
  #failure: SessionFailure | undefined;
  #finalForks: ByParty<ForkReport> | undefined;
  #deadFrom: ByParty<number> = {};
  #unsureFrom: ByParty<number> = {};

  constructor(allocation: Allocation, startedAt: number, from: ByParty<ForkStart>) {
    this.recordId = allocation.recordId;
    this.recorder = allocation.recorder;
    this.zone = allocation.zone;
    this.startedAt = startedAt;
    this.from = from;
  }

  get failure(): SessionFailure | undefined {
    return this.#failure;
  }

  get ended(): boolean {
    return this.#endedAt !== undefined;
  }

  fail(failure: SessionFailure): void {
    this.#failure ??= failure;
  }

  /** The copies have stopped; `forks` is their final account. */
  end(
    endedAt: number,
    reason: string,
    forks: ByParty<ForkReport>,
    streams: Readonly<Record<Party, StreamReport>>,
  ): void {
    if (this.ended) return;
    this.#endedAt = endedAt;
    this.#endReason = reason;
    this.#finalForks = forks;
    if (this.#failure !== undefined) {
      const { deadAt, reason: sign } = this.#failure;
      const goneAt = sign === 'icmp' ? deadAt - dyingMs : deadAt;
      this.#deadFrom = deadFrom(goneAt, forks, streams);
      this.#unsureFrom = unsureFrom(this.#failure, this.#deadFrom, forks, streams);
    }
  }

  /** What copies of an ended session were still told of: replaces the account that it ended with. */
  settle(forks: ByParty<ForkReport>): void {
    if (this.ended) this.#finalForks = forks;
  }

  /** By party, what was delivered; `live` gives the account of copies that still run. */
  delivery(party: Party, live: ByParty<ForkReport>): SessionDelivery | undefined {
    const fork = (this.#finalForks ?? live)[party];
    if (fork === undefined) return undefined;
    const dead = this.#deadFrom[party];
    if (dead === undefined) return { fork };
    return { fork, deadFrom: dead, unsureFrom: this.#unsureFrom[party] ?? dead };
  }

  /** First packet that this recorder is held not to have received; undefined if it did not fail. */
  deadFrom(party: Party): number | undefined {
    return this.#deadFrom[party];
  }

  state(): SessionState {
    return {
      recordId: this.recordId,
      recorder: this.recorder,
      startedAt: new Date(this.startedAt).toISOString(),
      endedAt: this.#endedAt === undefined ? null : new Date(this.#endedAt).toISOString(),
      endReason: this.#endReason ?? null,
    };
  }
}

/**
 * From which packet on a failed recorder is held to have received nothing. An ICMP refusal names the packet; a stream that
 * was not refused itself goes by the time at which the recorder was gone; a receiver report proves what it had by then.
 * A copy that was behind sent packets long after they arrived, so their times say nothing; but copies send in order, so what
 * comes before a packet that was sent as it arrived had been sent by then.
 */
function deadFrom(
  goneAt: number,
  forks: ByParty<ForkReport>,
  streams: Readonly<Record<Party, StreamReport>>,
): ByParty<number> {
  const refusedAt = parties.flatMap((party) => forks[party]?.refused?.at ?? []);
  const deadAt = Math.min(goneAt, ...refusedAt.map((at) => at - dyingMs));
  const result: Partial<Record<Party, number>> = {};
  for (const party of parties) {
    const fork = forks[party];
    if (fork === undefined) continue;
    const arrived = sequenceAt(streams[party].received, deadAt) ?? 0;
    const sentLive = subtract(fork.sent, fork.replayed);
    const lastSafe = clip(sentLive, 0, arrived - 1).at(-1)?.last;
    const byTime = lastSafe === undefined ? (fork.sent[0]?.first ?? arrived) : lastSafe + 1;
    const confirmed = (fork.receiverReport?.highestSequence ?? -1) + 1;
    const byRefusal = fork.refused?.sequence ?? Infinity;
    result[party] = Math.min(byRefusal, Math.max(byTime, confirmed));
  }
  return result;
}

/**
 * From which packet on it is not sure any more: there the next session begins, less the overlap. A receiver report says what
 * the recorder has read; what was sent after it may have lain in the socket of a process that was killed.
 */
function unsureFrom(
  { reason, safeAt }: SessionFailure,
  dead: ByParty<number>,
  forks: ByParty<ForkReport>,
  streams: Readonly<Record<Party, StreamReport>>,
): ByParty<number> {
  // One that still said goodbye was not killed.
  if (reason === 'srs_bye') return dead;
  const safe = isCertain(reason) ? dead : deadFrom(safeAt, forks, streams);
  const result: Partial<Record<Party, number>> = {};
  for (const party of parties) {
    const from = dead[party];
    if (from === undefined) continue;
    const report = forks[party]?.receiverReport;
    const sure = report === undefined ? safe[party] : report.highestSequence + 1;
    result[party] = Math.min(from, sure ?? from);
  }
  return result;
}
