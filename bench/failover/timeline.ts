import type { CallState, SessionState } from '../../src/recording/call-state.ts';
import { readArrivals } from './ground-truth.ts';
import type { SessionFile } from './ground-truth.ts';
import type { MovedLeg, TimelineSample } from './job.ts';
import type { SentLog } from './sent-log.ts';

const BEFORE_MS = 160;
const AFTER_MS = 240;

/** One moved leg, one stream of it, as the files have it; null when no leg moved once and to somewhere. */
export function sampleTimeline(options: {
  readonly moved: readonly MovedLeg[];
  readonly callIds: readonly string[];
  readonly states: readonly CallState[];
  readonly sessions: readonly SessionFile[];
  readonly log: SentLog;
  readonly faultAt: number;
}): TimelineSample | null {
  const { moved, callIds, states, sessions, log, faultAt } = options;
  const usable = moved.filter(({ to, failoverMs }) => to !== null && failoverMs !== null);
  // In the middle of how long it took, so that it stands for the others.
  const byTime = [...usable].sort((one, other) => one.detectionMs - other.detectionMs);
  const leg = byTime[Math.floor(byTime.length / 2)];
  if (leg === undefined) return null;
  const call = callIds.indexOf(leg.callId);
  const record = states[call]?.recordings.find((entry) => entry.leg === leg.leg);
  // A leg may come back to the recorder that it left.
  const left = record?.sessions.findIndex(({ recorder }) => recorder === leg.from) ?? -1;
  const fileOf = (session: SessionState | undefined): SessionFile | undefined =>
    sessions.find(({ recordId }) => recordId === session?.recordId);
  const from = fileOf(record?.sessions[left]);
  const to = fileOf(record?.sessions[left + 1]);
  if (from === undefined || to === undefined) return null;
  const sessionMs = leg.detectionMs + (leg.failoverMs ?? 0);
  const sentAt = log.sentAt[2 * call]!;
  const chosen = [...sentAt.keys()].filter((number) => {
    const ms = sentAt[number]! - faultAt;
    return ms >= -BEFORE_MS && ms <= Math.max(sessionMs + AFTER_MS, 2 * sessionMs);
  });
  const arrivals = (file: SessionFile): (number | null)[] => {
    const arrived = readArrivals(file, log, 0);
    return chosen.map((number) => {
      const at = arrived[number] ?? NaN;
      return Number.isNaN(at) ? null : tenths(at - faultAt);
    });
  };
  return {
    callId: leg.callId,
    leg: leg.leg,
    from: leg.from,
    to: leg.to ?? '',
    reason: leg.reason,
    deadMs: tenths(leg.detectionMs - leg.apiDetectionMs),
    detectedMs: tenths(leg.detectionMs),
    sessionMs: tenths(sessionMs),
    sentMs: chosen.map((number) => tenths(sentAt[number]! - faultAt)),
    oldMs: arrivals(from),
    newMs: arrivals(to),
  };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
