import type { ForkReport, ForkStart, StreamReport } from '../../edge/types.ts';
import type { FailureReason, Party } from '../interfaces.ts';

/** What a leg remembers of its sessions and a call of its recording: plain data, all that the ledger is made of. */

export type ByParty<T> = Partial<Readonly<Record<Party, T>>>;
export type Streams = Readonly<Record<Party, StreamReport>>;
export type Forks = ByParty<ForkReport>;

export interface SessionFailure {
  readonly reason: FailureReason;
  /** Until then the recorder is held to have received what it was sent. Unix ms. */
  readonly deadAt: number;
  /** Until then it did receive that, for sure, where no report tells better. Unix ms. */
  readonly safeAt: number;
  readonly detectedAt: number;
}

/** One recording session: one record identifier on one recorder, and what became of its copies. */
export interface SessionRecord {
  readonly recordId: string;
  readonly recorder: string;
  readonly zone: string;
  readonly startedAt: number;
  /** Where each copy began. */
  readonly from: ByParty<ForkStart>;
  readonly failure?: SessionFailure;
  readonly endedAt?: number;
  readonly endReason?: string;
  /** The final account of its copies, once it has ended. */
  readonly forks?: Forks;
  /** First packet that the recorder is held not to have received, if it failed. */
  readonly deadFrom?: ByParty<number>;
  /** First packet that it may not have received: `deadFrom` or before. */
  readonly unsureFrom?: ByParty<number>;
}

/** Extended sequence number of the next packet of each party; undefined: its stream has not begun. */
export type Marks = Readonly<Record<Party, number | undefined>>;

export interface Pause {
  readonly from: Marks;
  /** Asked to go on. */
  readonly to?: Marks;
  /** Both legs were sending again. */
  readonly resumed?: Marks;
}

/** Which packets were to be recorded: from the beginning to the end, less the pauses. The same for both legs. */
export interface WindowRecord {
  readonly from?: Marks;
  readonly to?: Marks;
  readonly pauses: readonly Pause[];
}
