import type { FailureReason } from '../interfaces.ts';

/** What a move of a leg lost and sent again. */
export interface FailoverCost {
  readonly lostPackets: number;
  readonly lostMs: number;
  readonly replayedPackets: number;
}

/** The measure of one move: detection, failover, and what it cost. Times: Unix ms. */
export interface FailoverRecord {
  readonly leg: 1 | 2;
  readonly from: string;
  readonly reason: FailureReason;
  readonly detectedAt: number;
  /** The first packet that was not received, or the recorder's last sign of life. */
  readonly deadAt: number;
  /** Absent while no recorder could take the leg. */
  readonly done?: { readonly to: string; readonly at: number; readonly cost: FailoverCost };
}

/** Finishes once. */
export function finishFailover(
  failover: FailoverRecord,
  to: string,
  at: number,
  cost: FailoverCost,
): FailoverRecord {
  return failover.done === undefined ? { ...failover, done: { to, at, cost } } : failover;
}
