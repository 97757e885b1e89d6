import type { FailoverState, Leg } from './call-state.ts';
import type { FailureReason } from './interfaces.ts';
import type { FailoverCost } from './leg-account.ts';

/** The measure of one move: detection, failover, and what it cost. */
export class Failover {
  readonly #leg: Leg;
  readonly #from: string;
  readonly #reason: FailureReason;
  readonly #detectedAt: number;
  readonly #deadAt: number;
  #to: string | null = null;
  #failoverMs: number | null = null;
  #lostPackets = 0;
  #lostMs = 0;
  #replayedPackets = 0;

  /** @param deadAt the first packet that was not received, or the recorder's last sign of life; Unix ms */
  constructor(leg: Leg, from: string, reason: FailureReason, detectedAt: number, deadAt: number) {
    this.#leg = leg;
    this.#from = from;
    this.#reason = reason;
    this.#detectedAt = detectedAt;
    this.#deadAt = deadAt;
  }

  get done(): boolean {
    return this.#to !== null;
  }

  finish(to: string, at: number, cost: FailoverCost): void {
    this.#to = to;
    this.#failoverMs = round(at - this.#detectedAt);
    this.#lostPackets = cost.lostPackets;
    this.#lostMs = round(cost.lostMs);
    this.#replayedPackets = cost.replayedPackets;
  }

  get state(): FailoverState {
    return {
      leg: this.#leg,
      from: this.#from,
      to: this.#to,
      reason: this.#reason,
      at: new Date(this.#detectedAt).toISOString(),
      detectionMs: round(Math.max(0, this.#detectedAt - this.#deadAt)),
      failoverMs: this.#failoverMs,
      lostPackets: this.#lostPackets,
      lostMs: this.#lostMs,
      replayedPackets: this.#replayedPackets,
    };
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
