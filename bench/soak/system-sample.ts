import { readdirSync } from 'node:fs';
import type { TandemProcess } from '../../test/support/tandem-process.ts';
import { memoryBytes } from '../process-usage.ts';

export interface ProcessSample {
  readonly memoryBytes: number;
  readonly fds: number;
  readonly threads: number;
}

/** What a running Tandem holds. */
export interface SystemSample {
  /** Supervisor and control. */
  readonly serve: ProcessSample;
  /** All together. */
  readonly workers: ProcessSample;
  /** By id. Each is younger than the run: it was killed and started again. */
  readonly recorders: Readonly<Record<string, ProcessSample>>;
  readonly heapBytes: number;
  readonly timers: number;
  /** Sockets and the like of Node's event loop. */
  readonly handles: number;
  readonly calls: number;
  readonly recordingSessions: number;
  readonly ports: number;
  readonly forks: number;
  readonly recorderSessions: number;
  /** Folders that no recorder has made whole. */
  readonly unfinishedRecordings: number;
}

export async function sampleSystem(
  tandem: TandemProcess,
  unfinishedRecordings: number,
): Promise<SystemSample> {
  const [metrics, recorders] = [await readMetrics(tandem), await tandem.recorders()];
  const processes = await tandem.processes();
  const pidsOf = (...roles: string[]): number[] =>
    processes.filter(({ role }) => roles.includes(role)).map(({ pid }) => pid);
  const pids = new Map(recorders.flatMap(({ id, pid }) => (pid === undefined ? [] : [[id, pid]])));
  const sum = (of: (recorder: (typeof recorders)[number]) => number): number =>
    recorders.reduce((total, recorder) => total + of(recorder), 0);
  const timers = metrics('tandem_nodejs_active_resources', /type="Timeout"/);
  return {
    serve: sampleProcesses(pidsOf('supervisor', 'control')),
    workers: sampleProcesses(pidsOf('worker')),
    recorders: Object.fromEntries(
      Array.from(pids, ([id, pid]) => [id, sampleProcesses([pid])] as const),
    ),
    heapBytes: metrics('tandem_nodejs_heap_size_used_bytes'),
    timers,
    handles: metrics('tandem_nodejs_active_resources_total') - timers,
    calls: metrics('tandem_calls'),
    recordingSessions: metrics('tandem_recording_sessions'),
    ports: metrics('tandem_edge_ports'),
    forks: metrics('tandem_edge_forks'),
    recorderSessions: sum(({ sessions }) => sessions),
    unfinishedRecordings,
  };
}

function sampleProcesses(pids: readonly number[]): ProcessSample {
  const entries = (folder: string): number =>
    pids.reduce((total, pid) => total + readdirSync(`/proc/${pid}/${folder}`).length, 0);
  return { memoryBytes: memoryBytes(pids), fds: entries('fd'), threads: entries('task') };
}

/** Sums the samples of a metric, of those with matching labels. */
async function readMetrics(
  tandem: TandemProcess,
): Promise<(name: string, labels?: RegExp) => number> {
  const text = await (await fetch(`${tandem.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return (name, labels = /^/) =>
    lines
      .map((line) => /^([^\s{]+)(\{.*\})? (\S+)$/.exec(line))
      .filter((match) => match?.[1] === name && labels.test(match[2] ?? ''))
      .reduce((total, match) => total + Number(match?.[3]), 0);
}
