import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1_048_576;

/** Larger than what a recorder wants to be free before it begins a session. */
export function mountSmallDisk(dir: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=192m', 'tandem-bench', dir]);
}

/** Writes until there is no room. Blocks, so that its time is known. */
export function fillDisk(dir: string): void {
  const { bavail, bsize } = statfsSync(dir);
  // The recorder goes on writing meanwhile: the rest is taken page by page.
  const most = Math.max(MIB, bavail * bsize - MIB);
  execFileSync('fallocate', ['-l', String(most), join(dir, 'filler')]);
  const fd = openSync(join(dir, 'filler-rest'), 'a');
  const page = Buffer.alloc(4_096);
  try {
    for (let written = 0; written < 4 * MIB; written += page.length) writeSync(fd, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
}

/** Whatever is mounted below `dir`. Never throws. */
export function unmountBelow(dir: string): void {
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, point] = line.split(' ');
    if (point?.startsWith(`${dir}/`) !== true) continue;
    try {
      execFileSync('umount', ['-l', point]);
    } catch {
      // It stays: the folder cannot be removed then, and that is told.
    }
  }
}
