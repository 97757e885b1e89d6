import type { RecordingObserver } from '../src/recording/observer.ts';

/** What recording tells the world, into the story. */
export function observerOf(tell: (text: string) => void): RecordingObserver {
  return {
    callCreated: () => undefined,
    callRejected: (code) => {
      tell(`call rejected: ${code}`);
    },
    callEnded: ({ callId, verdict }) => {
      tell(`${callId} ended: ${verdict}`);
    },
    sessionEstablished: () => undefined,
    sessionRefused: (reason) => {
      tell(`session refused: ${reason}`);
    },
    sessionEnded: () => undefined,
    failoverStarted: (callId, { leg, from, reason }) => {
      tell(`${callId} leg ${leg} leaves ${from}: ${reason}`);
    },
    failoverDone: (callId, { leg, to, replayedPackets, lostPackets }) => {
      tell(
        `${callId} leg ${leg} is on ${String(to)}, replayed ${replayedPackets}, lost ${lostPackets}`,
      );
    },
    legEnded: (callId, leg, { lostPackets }) => {
      tell(`${callId} leg ${leg} ended, lost ${lostPackets}`);
    },
    legRecorded: (callId, leg) => {
      tell(`${callId} leg ${leg} has a recorder again`);
    },
    callWithoutMedia: (callId) => {
      tell(`${callId} has no media`);
    },
    legUnrecorded: (callId, leg, other) => {
      tell(`${callId} leg ${leg} has no recorder, the other ${other ? 'has' : 'has none'}`);
    },
  };
}
