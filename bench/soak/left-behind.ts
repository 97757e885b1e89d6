import type { SoakReport } from './soak.ts';
import type { ProcessSample, SystemSample } from './system-sample.ts';

export interface Figure {
  readonly name: string;
  readonly warm: number;
  readonly end: number;
  readonly endMax: number;
}

interface Tolerance {
  readonly memoryFraction: number;
  readonly memoryBytes: number;
  /** Of descriptors and the like: a reading may meet a scrape's own connection, or a probe under way. */
  readonly count: number;
}

const defaultTolerance: Tolerance = {
  memoryFraction: 0.1,
  memoryBytes: 16 * 1_048_576,
  count: 2,
};

/** What is compared, and how much each may be at the end. */
export function compare({ warm, end, tally }: SoakReport, tolerance = defaultTolerance): Figure[] {
  const memory = (name: string, before: number, after: number): Figure => ({
    name,
    warm: before,
    end: after,
    endMax: before * (1 + tolerance.memoryFraction) + tolerance.memoryBytes,
  });
  const loose = (name: string, before: number, after: number): Figure => ({
    name,
    warm: before,
    end: after,
    endMax: before + tolerance.count,
  });
  const gone = (name: string, of: (sample: SystemSample) => number): Figure => ({
    name,
    warm: of(warm),
    end: of(end),
    endMax: 0,
  });
  const none = (name: string, count: number): Figure => ({ name, warm: 0, end: count, endMax: 0 });
  const most = (sample: SystemSample, of: (recorder: ProcessSample) => number): number =>
    Math.max(0, ...Object.values(sample.recorders).map(of));
  const recorders = (name: string, of: (recorder: ProcessSample) => number) =>
    [name, most(warm, of), most(end, of)] as const;
  return [
    gone('calls', ({ calls }) => calls),
    gone('recording sessions', ({ recordingSessions }) => recordingSessions),
    gone('pinned ports', ({ ports }) => ports),
    gone('forks', ({ forks }) => forks),
    gone("recorders' sessions", ({ recorderSessions }) => recorderSessions),
    gone('unfinished recordings', ({ unfinishedRecordings }) => unfinishedRecordings),
    loose('serve: file descriptors', warm.serve.fds, end.serve.fds),
    loose('serve: threads', warm.serve.threads, end.serve.threads),
    loose('serve: timers', warm.timers, end.timers),
    loose('serve: handles', warm.handles, end.handles),
    loose('workers: file descriptors', warm.workers.fds, end.workers.fds),
    loose(...recorders('a recorder at most: file descriptors', ({ fds }) => fds)),
    loose(...recorders('a recorder at most: threads', ({ threads }) => threads)),
    memory('serve: memory (PSS), bytes', warm.serve.memoryBytes, end.serve.memoryBytes),
    memory('serve: JavaScript heap, bytes', warm.heapBytes, end.heapBytes),
    memory('workers: memory (PSS), bytes', warm.workers.memoryBytes, end.workers.memoryBytes),
    memory(...recorders('a recorder at most: memory (PSS), bytes', (one) => one.memoryBytes)),
    none('calls that failed', tally.failedCalls),
    none('packets lost', tally.lostPackets),
    none('legs left open', tally.openLegs),
  ];
}

export function isLeftBehind({ end, endMax }: Figure): boolean {
  return end > endMax;
}
