import type { Metrics } from './metrics.ts';
import type { Alarms } from './alarm/alarms.ts';
import type { LedgerArchive } from './ledger-archive.ts';
import type { FailureReason } from './recording/interfaces.ts';
import type { RecordingObserver } from './recording/observer.ts';

/** What recording tells, as metrics, alarms and files. */
export function recordingObserver(
  metrics: Metrics,
  alarms: Alarms,
  ledgers: LedgerArchive,
): RecordingObserver {
  return {
    callCreated: () => {
      metrics.callsCreated.inc();
    },
    callRejected: (reason) => {
      metrics.callsRejected.inc({ reason });
    },
    callEnded: (ledger) => {
      ledgers.keep(ledger);
    },
    sessionEstablished: (setupMs) => {
      metrics.recordingSetupSeconds.observe(setupMs / 1_000);
    },
    sessionRefused: (reason) => {
      metrics.recordingSessionsRefused.inc({ reason });
    },
    sessionEnded: (reason) => {
      metrics.recordingSessionsEnded.inc({ result: resultOf(reason) });
    },
    failoverStarted: (_callId, { reason, detectionMs }) => {
      metrics.failovers.inc({ reason });
      metrics.failoverDetectionSeconds.observe({ reason }, detectionMs / 1_000);
    },
    failoverDone: (callId, failover) => {
      const { reason, failoverMs, replayedPackets } = failover;
      alarms.raise('failover', callId, failover.leg, { ...failover });
      metrics.failoverDurationSeconds.observe({ reason }, (failoverMs ?? 0) / 1_000);
      metrics.replayedPackets.inc(replayedPackets);
    },
    legEnded: (callId, leg, lostPackets, lostMs) => {
      if (lostPackets > 0) alarms.raise('verdict', callId, leg, { lostPackets, lostMs });
      metrics.lostPackets.inc(lostPackets);
      metrics.lostMediaSeconds.inc(lostMs / 1_000);
    },
    legUnrecorded: (callId, leg, otherRecords) => {
      alarms.raise(otherRecords ? 'single-leg' : 'leg-without-recorder', callId, leg, {});
      metrics.scarceLegs.inc();
    },
    legRecorded: () => undefined,
    callWithoutMedia: () => undefined,
  };
}

const failures: ReadonlySet<string> = new Set<FailureReason>([
  'icmp',
  'unsendable',
  'media_refused',
  'sip_closed',
  'sip_error',
  'sip_timeout',
  'options_timeout',
  'srs_bye',
  'rtcp_silence',
  'rtcp_loss',
]);

function resultOf(reason: string): 'ended' | 'moved' | 'failed' {
  if (reason === 'operator') return 'moved';
  return failures.has(reason) ? 'failed' : 'ended';
}
