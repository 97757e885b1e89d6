import type { FailoverState } from '../recording/call-state.ts';
import type { MediaPath, Party } from '../recording/interfaces.ts';
import type { HearingComparison } from './comparison.ts';
import type { KilledRecorder } from './recorded-call.ts';

/** What `tandem demo --json` prints. */
export interface DemoResult {
  /** Every check held. */
  readonly ok: boolean;
  readonly dir: string;
  readonly callId: string;
  readonly path: MediaPath;
  readonly replay: boolean;
  readonly source: string;
  readonly durationMs: number;
  readonly killed: KilledRecorder;
  /** `hearing`: what this party received of what the other sent. `log`: JSON lines of what it sent. */
  readonly parties: Readonly<
    Record<
      Party,
      { readonly sentPackets: number; readonly log: string; readonly hearing: HearingComparison }
    >
  >;
  readonly legs: readonly LegResult[];
  readonly checks: readonly Check[];
}

export interface LegResult {
  readonly leg: 1 | 2;
  /** Sessions, folders, recorders and zones in order: one each. */
  readonly recordIds: readonly string[];
  readonly recorders: readonly string[];
  readonly zones: readonly string[];
  readonly folders: readonly string[];
  /** Distinct packets on disk. */
  readonly packets: number;
  /** As the ledger has it: of both parties, and of each. */
  readonly lostPackets: number;
  readonly lostPacketsOf: Readonly<Record<Party, number>>;
  readonly lostMs: number;
  /** Nothing proves these to be there, nor to be missing. */
  readonly unprovenPackets: number;
  /** As a comparison of the files with the senders' logs has it. */
  readonly missingPackets: number;
  readonly replayedPackets: number;
  readonly failovers: readonly FailoverState[];
}

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** The numbers, when it did not hold. */
  readonly detail?: string;
}
