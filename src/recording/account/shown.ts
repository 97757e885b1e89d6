import type { FailoverState, SessionState } from '../call-state.ts';
import type { FailoverRecord } from './failovers.ts';
import type { SessionRecord } from './records.ts';

/** Records as the API shows them. `wallOf`: times as the machine's clock has them now. Pure. */
type WallOf = (at: number) => number;

export function sessionState(
  { recordId, recorder, startedAt, endedAt, endReason }: SessionRecord,
  wallOf: WallOf,
): SessionState {
  return {
    recordId,
    recorder,
    startedAt: shown(startedAt, wallOf),
    endedAt: endedAt === undefined ? null : shown(endedAt, wallOf),
    endReason: endReason ?? null,
  };
}

export function failoverState(
  { leg, from, reason, detectedAt, deadAt, done }: FailoverRecord,
  wallOf: WallOf,
): FailoverState {
  return {
    leg,
    from,
    to: done?.to ?? null,
    reason,
    at: shown(detectedAt, wallOf),
    detectionMs: round(Math.max(0, detectedAt - deadAt)),
    failoverMs: done === undefined ? null : round(done.at - detectedAt),
    lostPackets: done?.cost.lostPackets ?? 0,
    lostMs: round(done?.cost.lostMs ?? 0),
    replayedPackets: done?.cost.replayedPackets ?? 0,
  };
}

function shown(at: number, wallOf: WallOf): string {
  return new Date(wallOf(at)).toISOString();
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
