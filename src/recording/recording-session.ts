import type { ForkReport, ForkStart, StreamReport } from '../edge/types.ts';
import type { SessionState } from './call-state.ts';
import { sequenceAt } from './delivery.ts';
import type { SessionDelivery } from './delivery.ts';
import { parties } from './interfaces.ts';
import type { Allocation, FailureReason, Party } from './interfaces.ts';

export interface SessionFailure {
  readonly reason: FailureReason;
  /** Until then the recorder is held to have received what it was sent. Unix ms. */
  readonly deadAt: number;
  readonly detectedAt: number;
}

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
      this.#deadFrom = deadFrom(this.#failure, forks, streams);
    }
  }

  /** By party, what was delivered; `live` gives the account of copies that still run. */
  delivery(party: Party, live: ByParty<ForkReport>): SessionDelivery | undefined {
    const fork = (this.#finalForks ?? live)[party];
    if (fork === undefined) return undefined;
    const from = this.#deadFrom[party];
    return from === undefined ? { fork } : { fork, deadFrom: from };
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
 */
function deadFrom(
  failure: SessionFailure,
  forks: ByParty<ForkReport>,
  streams: Readonly<Record<Party, StreamReport>>,
): ByParty<number> {
  const refusedAt = parties.flatMap((party) => forks[party]?.refused?.at ?? []);
  const deadAt = Math.min(failure.deadAt, ...refusedAt);
  const result: Partial<Record<Party, number>> = {};
  for (const party of parties) {
    const fork = forks[party];
    if (fork === undefined) continue;
    const byTime = sequenceAt(streams[party].received, deadAt) ?? 0;
    const confirmed = (fork.receiverReport?.highestSequence ?? -1) + 1;
    const byRefusal = fork.refused?.sequence ?? Infinity;
    result[party] = Math.min(byRefusal, Math.max(byTime, confirmed));
  }
  return result;
}
