import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks a second in /proc (USER_HZ): 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface CpuTime {
  readonly totalUs: number;
  readonly userUs: number;
  readonly systemUs: number;
  /** The total by name of thread, numbers at the end of names left out: `edge`, `node`, `mediasoup-worke`. */
  readonly byThreadUs: Readonly<Record<string, number>>;
}

/** A process and all below it: `tandem serve` and its mediasoup workers. */
export function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
  return [
    pid,
    ...children.filter((child) => child !== '').flatMap((id) => processTree(Number(id))),
  ];
}

/**
 * CPU time of processes so far, all their threads. The user and system times of /proc/PID/stat are the figures that
 * getrusage gives the process itself: the exact run time, divided as the samples at each tick were (it is the
 * machine-wide /proc/stat that is sampled as a whole), here in steps of 10 ms. The total has nanoseconds, from
 * schedstat, but is the sum over threads alive: none of the processes measured ends threads under load.
 */
export function cpuTime(pids: readonly number[]): CpuTime {
  let totalUs = 0;
  let userUs = 0;
  let systemUs = 0;
  const byThreadUs: Record<string, number> = {};
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [runNs] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      const threadUs = Number(runNs) / 1_000;
      totalUs += threadUs;
      const name = readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim();
      const group = name.replace(/-?\d+$/, '');
      byThreadUs[group] = (byThreadUs[group] ?? 0) + threadUs;
    }
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the command's name, may hold anything but ends with the last parenthesis: proc(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    userUs += (Number(fields[11]) / TICKS_PER_SECOND) * 1_000_000;
    systemUs += (Number(fields[12]) / TICKS_PER_SECOND) * 1_000_000;
  }
  return { totalUs, userUs, systemUs, byThreadUs };
}

/** Between two readings: the exact total, divided between user and system as their coarser times are. */
export function cpuBetween(before: CpuTime, after: CpuTime): CpuTime {
  const totalUs = after.totalUs - before.totalUs;
  const user = after.userUs - before.userUs;
  const system = after.systemUs - before.systemUs;
  const userUs = user + system === 0 ? 0 : (totalUs * user) / (user + system);
  const byThreadUs = Object.fromEntries(
    Object.entries(after.byThreadUs).map(([name, us]) => [
      name,
      us - (before.byThreadUs[name] ?? 0),
    ]),
  );
  return { totalUs, userUs, systemUs: totalUs - userUs, byThreadUs };
}

/** Proportional set size: memory shared between processes is counted once. */
export function memoryBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return sum + Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? Number.NaN) * 1_024;
  }, 0);
}
