import type { CallState } from '../../src/recording/call-state.ts';
import { legKey } from './ground-truth.ts';
import type { MovedLeg } from './job.ts';

/** Every failover that the API tells of, in the order of the calls. */
export function movedLegs(
  states: readonly CallState[],
  options: {
    readonly faultAt: number;
    readonly mustMove: boolean;
    readonly faulty: readonly string[];
  },
): MovedLeg[] {
  const { faultAt, mustMove, faulty } = options;
  return states.flatMap(({ id, failovers }) => {
    const left = new Set<string>();
    return failovers.map((failover): MovedLeg => {
      const { leg, from, to, reason, at, detectionMs, failoverMs, replayedPackets } = failover;
      const measuredMs = Math.round((Date.parse(at) - faultAt) * 10) / 10;
      // A leg leaves a recorder that failed once, and not before that failed; times are cut off to milliseconds.
      const place = `${leg} ${from}`;
      const isDue = mustMove && faulty.includes(from) && measuredMs >= -1 && !left.has(place);
      left.add(place);
      return {
        callId: id,
        leg,
        from,
        to,
        reason,
        detectionMs: Math.max(0, measuredMs),
        apiDetectionMs: detectionMs,
        failoverMs,
        replayedPackets,
        isFalseAlarm: !isDue,
      };
    });
  });
}

/** Legs, by `legKey`, that are on one of these recorders. */
export function legsOn(states: readonly CallState[], recorders: readonly string[]): Set<string> {
  return new Set(
    states.flatMap(({ recordings }, call) =>
      recordings
        .filter(({ recorder }) => recorder !== null && recorders.includes(recorder))
        .map(({ leg }) => legKey(call, leg)),
    ),
  );
}
