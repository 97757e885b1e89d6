import type { CallPlan } from './call-plan.ts';
import type { CallResult } from './soak-call.ts';

const problemsKept = 20;

/** Sums over all calls, and what was wrong with some. */
export class SoakTally {
  calls = 0;
  failedCalls = 0;
  sentPackets = 0;
  receivedPackets = 0;
  recordedPackets = 0;
  lostPackets = 0;
  failovers = 0;
  readonly failoversByReason: Record<string, number> = {};
  /** Legs that had not ended with their call, or had an open session. */
  openLegs = 0;
  /** The first ones, in words. */
  readonly problems: string[] = [];

  failed(plan: CallPlan, message: string): void {
    this.calls += 1;
    this.failedCalls += 1;
    this.#problem(plan, message);
  }

  add({ plan, state, sentPackets, receivedPackets }: CallResult): void {
    this.calls += 1;
    this.sentPackets += sentPackets;
    this.receivedPackets += receivedPackets;
    this.failovers += state.failovers.length;
    for (const { reason } of state.failovers) {
      this.failoversByReason[reason] = (this.failoversByReason[reason] ?? 0) + 1;
    }
    for (const leg of state.recordings) {
      const { a, b } = leg.streams;
      const lost = a.lostPackets + b.lostPackets;
      this.recordedPackets += a.sentPackets + b.sentPackets;
      this.lostPackets += lost;
      if (lost > 0) {
        this.#problem(plan, `leg ${leg.leg} lost ${lost} packets: ${JSON.stringify(leg)}`);
      }
      const open = leg.sessions.filter(({ endedAt }) => endedAt === null);
      const ended = leg.state === 'ended' || plan.kind === 'unanswered';
      if (ended && open.length === 0) continue;
      this.openLegs += 1;
      this.#problem(plan, `leg ${leg.leg} is ${leg.state} with ${open.length} sessions open`);
    }
    if (state.state !== 'ended') this.#problem(plan, `it is ${state.state} after its end`);
  }

  #problem({ id, kind, path, mode }: CallPlan, what: string): void {
    if (this.problems.length < problemsKept) {
      this.problems.push(`${id} (${kind}, ${path}, ${mode}): ${what}`);
    }
  }
}
