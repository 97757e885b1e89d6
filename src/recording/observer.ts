import type { FailoverState, Leg } from './call-state.ts';
import type { Party } from './interfaces.ts';
import type { Ledger } from './account/ledger.ts';
import type { Verdict } from './account/verdict.ts';

/** What no recorder of a leg received, and what can be said of the rest. */
export interface LegAccount {
  readonly lostPackets: number;
  readonly lostMs: number;
  readonly verdict: Verdict;
  /** No recorder of it has ever said anything of a stream that it was sent. */
  readonly unreported: boolean;
}

/** What recording tells the world as it happens: metrics, alarms. Calls nothing back, and must not throw. */
export interface RecordingObserver {
  callCreated(): void;
  callRejected(code: string): void;
  /** With its final account. */
  callEnded(ledger: Ledger): void;
  /** @param setupMs from the INVITE to the media address of the recorder */
  sessionEstablished(setupMs: number): void;
  sessionRefused(reason: string): void;
  sessionEnded(reason: string): void;
  /** A leg has left its recorder; `failover.to` is null until there is another. */
  failoverStarted(callId: string, failover: FailoverState): void;
  failoverDone(callId: string, failover: FailoverState): void;
  /** Final account of a leg: what no recorder of it received, and what can be said of the rest. */
  legEnded(callId: string, leg: Leg, account: LegAccount): void;
  /** A leg is without a recorder; told once until it has one again. */
  legUnrecorded(callId: string, leg: Leg, otherLegRecords: boolean): void;
  /** A leg that was told to be without a recorder has one again. */
  legRecorded(callId: string, leg: Leg): void;
  /** Nothing comes, or came, of these parties of a call that is recorded. Told when it changes; empty: all are heard. */
  callWithoutMedia(callId: string, parties: readonly Party[]): void;
}
