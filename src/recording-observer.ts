import type { AlarmCenter } from './alarm-center.ts';
import type { LedgerArchive } from './ledger-archive.ts';
import type { Metrics } from './metrics.ts';
import type { FailureReason } from './recording/interfaces.ts';
import type { RecordingObserver } from './recording/observer.ts';

export interface RecordingObserverOptions {
  readonly metrics: Metrics;
  readonly ledgers: LedgerArchive;
  readonly alarmCenter: AlarmCenter;
  /** Whether it is worth an alarm that nothing confirms what a leg has. */
  readonly unproven: boolean;
}

/** What recording tells, as metrics, alarms and files. */
export function recordingObserver(options: RecordingObserverOptions): RecordingObserver {
  const { metrics, ledgers, alarmCenter } = options;
  const { alarms, recorderAlarms, unrecordedAlarms, mediaAlarms } = alarmCenter;
  return {
    callCreated: () => {
      metrics.callsCreated.inc();
    },
    callRejected: (reason) => {
      metrics.callsRejected.inc({ reason });
    },
    callEnded: (ledger) => {
      mediaAlarms.callEnded(ledger.callId);
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
    failoverStarted: (callId, failover) => {
      const { reason, detectionMs } = failover;
      recorderAlarms.legLeft({ callId, ...failover });
      metrics.failovers.inc({ reason });
      metrics.failoverDetectionSeconds.observe({ reason }, detectionMs / 1_000);
    },
    failoverDone: (callId, failover) => {
      const { leg, reason, failoverMs, replayedPackets } = failover;
      recorderAlarms.legMoved({ callId, ...failover });
      unrecordedAlarms.recorded({ callId, leg });
      metrics.failoverDurationSeconds.observe({ reason }, (failoverMs ?? 0) / 1_000);
      metrics.replayedPackets.inc(replayedPackets);
    },
    legEnded: (callId, leg, { lostPackets, lostMs, verdict, unreported }) => {
      recorderAlarms.legEnded({ callId, leg });
      unrecordedAlarms.ended({ callId, leg });
      // Recorders that report, but not by range, leave a little unproven in every call: no news.
      const isUnproven = verdict === 'unproven' && unreported && options.unproven;
      if (lostPackets > 0 || isUnproven) {
        alarms.raise('verdict', { callId, leg }, { lostPackets, lostMs, verdict });
      }
      metrics.lostPackets.inc(lostPackets);
      metrics.lostMediaSeconds.inc(lostMs / 1_000);
    },
    legUnrecorded: (callId, leg, otherRecords) => {
      unrecordedAlarms.unrecorded({ callId, leg }, otherRecords);
      metrics.scarceLegs.inc();
    },
    legRecorded: (callId, leg) => {
      unrecordedAlarms.recorded({ callId, leg });
    },
    callWithoutMedia: (callId, parties) => {
      mediaAlarms.withoutMedia(callId, parties);
    },
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
