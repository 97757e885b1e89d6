import { readFileSync } from 'node:fs';

/** One process for its life: ids are given again, but not with the same start time. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the start of the machine: proc(5), `starttime`. */
  readonly startTicks: number;
}

/** USER_HZ: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;
/** Ended, and its parent has not asked how yet. */
const ended = new Set(['Z', 'X']);

/** Undefined when there is no such process any more. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name of the command may hold anything, but ends with the last parenthesis: proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ended.has(fields[0] ?? '') ? undefined : { pid, startTicks: Number(fields[19]) };
}

export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return identityOf(pid)?.startTicks === startTicks;
}

/** RFC 3339, by the machine's clock as it is now. */
export function startedAtOf({ startTicks }: ProcessIdentity): string {
  const uptimeMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000;
  const ageMs = uptimeMs - (startTicks / ticksPerSecond) * 1_000;
  return new Date(Date.now() - ageMs).toISOString();
}

/** New whenever the machine starts: then no process of before lives. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
