import type { Metrics } from './metrics.ts';
import type { RecordingObserver } from './recording/observer.ts';

/** What recording tells, as metrics. */
export function metricsObserver(metrics: Metrics): RecordingObserver {
  return {
    callCreated: () => {
      metrics.callsCreated.inc();
    },
    callRejected: (reason) => {
      metrics.callsRejected.inc({ reason });
    },
    callEnded: () => undefined,
    sessionEstablished: () => undefined,
    sessionRefused: (reason) => {
      metrics.recordingSessionsRefused.inc({ reason });
    },
    sessionEnded: (result) => {
      metrics.recordingSessionsEnded.inc({ result });
    },
    failoverStarted: (_callId, { reason, detectionMs }) => {
      metrics.failovers.inc({ reason });
      metrics.failoverDetectionSeconds.observe({ reason }, detectionMs / 1_000);
    },
    failoverDone: (_callId, { reason, failoverMs, replayedPackets }) => {
      metrics.failoverDurationSeconds.observe({ reason }, (failoverMs ?? 0) / 1_000);
      metrics.replayedPackets.inc(replayedPackets);
    },
    legEnded: (_callId, _leg, lostPackets, lostMs) => {
      metrics.lostPackets.inc(lostPackets);
      metrics.lostMediaSeconds.inc(lostMs / 1_000);
    },
    legUnrecorded: () => {
      metrics.scarceLegs.inc();
    },
  };
}
