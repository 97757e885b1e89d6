import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Of the worker and its keepers: see keepers.h. */
const names = new Set(['tandem-edge', 'edge-keeper']);

/** A file system in memory: what is written often does not go to a disk. */
const memoryDir = '/dev/shm';

/** The same for each edge of a state directory: what one that was killed leaves is replaced by the next. */
export function memoryFileOf(stateDir: string): string {
  const name = createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 16);
  return join(memoryDir, `tandem-edge-${name}`);
}

/** SIGKILL to all processes of the edge of a state directory at once, so that none starts another again. Nothing is left of it. */
export function killEdge(stateDir: string): void {
  const group = groupOf(stateDir);
  // Another program's group may have that number by now.
  if (group === undefined || !isEdge(group)) return;
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // They went meanwhile.
  }
  rmSync(memoryFileOf(stateDir), { force: true });
}

/** The first of them is who took the lock. */
function groupOf(stateDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(stateDir, 'edge.sock.lock'), 'utf8'));
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** proc(5): the name of the command may hold anything, but ends with the last parenthesis. */
function isEdge(group: number): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const end = stat.lastIndexOf(')');
      const [, , processGroup] = stat.slice(end + 2).split(' ');
      return Number(processGroup) === group && names.has(stat.slice(stat.indexOf('(') + 1, end));
    } catch {
      return false;
    }
  });
}
