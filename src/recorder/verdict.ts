import type { CaptureReport } from '../edge/types.ts';

/** What the recorder itself took of a stream, before it was written; unknown after a crash. */
export type Taken = CaptureReport['streams'][number];

export interface StreamFacts {
  readonly label: string;
  /** On disk. */
  readonly packets: number;
  readonly lostMs: number;
  /** Never offered but as inactive: no media was to come. */
  readonly inactive: boolean;
  readonly taken: Taken | undefined;
}

export interface RecordingFacts {
  /** The capture stopped before the session did: the errno. */
  readonly captureFailed: string | undefined;
  /** The capture is not whole. */
  readonly damaged: boolean;
  readonly streams: readonly StreamFacts[];
  /** Labels of audio that was offered and not taken. */
  readonly declined: readonly string[];
}

/**
 * `complete`: media came, in a row, all of it is on disk, and the recorder saw the end. `unproven`: it did not see the end, so more may
 * have come, or more came and was refused for where it came from. `inactive`: none was to come.
 */
export function streamVerdict(facts: StreamFacts, damaged: boolean): string {
  const { packets, lostMs, inactive, taken } = facts;
  const gone = Math.max(0, (taken?.packets ?? 0) - packets);
  if (gone > 0) return `missing ${gone} packets`;
  if (packets === 0) return inactive ? 'inactive' : 'no-media';
  if (lostMs > 0) return `missing ${Math.round(lostMs)} ms`;
  return damaged || !isWhole(taken) ? 'unproven' : 'complete';
}

/** The last packet that was taken is the last that there was. */
function isWhole(taken: Taken | undefined): boolean {
  return taken !== undefined && taken.refusedAfterLast === 0;
}

/** The worst that can be said, with the labels of the streams where it is true of some. */
export function recordingVerdict(facts: RecordingFacts): string {
  const { captureFailed, damaged, streams, declined } = facts;
  if (captureFailed !== undefined) return `stopped: ${captureFailed}`;
  const gone = streams.reduce(
    (sum, one) => sum + Math.max(0, (one.taken?.packets ?? 0) - one.packets),
    0,
  );
  if (gone > 0) return `missing ${gone} packets`;
  // A description that was lost in a crash says nothing of what is in the capture.
  if (streams.length === 0) return 'unproven';
  if (streams.every(({ packets }) => packets === 0)) return 'no-media';
  const silent = streams.filter((one) => streamVerdict(one, damaged) === 'no-media');
  if (silent.length > 0) return `no-media: ${labelsOf(silent.map(({ label }) => label))}`;
  if (declined.length > 0) return `not recorded: ${labelsOf(declined)}`;
  const lostMs = streams.reduce((sum, one) => sum + one.lostMs, 0);
  if (lostMs > 0) return `missing ${Math.round(lostMs)} ms`;
  return damaged || !streams.every(({ taken }) => isWhole(taken)) ? 'unproven' : 'complete';
}

function labelsOf(labels: readonly string[]): string {
  return labels.join(', ');
}
