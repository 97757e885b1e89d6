import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FinishRequest } from './finish-recording.ts';
import {
  MEDIA_FILE,
  MEDIA_PARTIAL_FILE,
  readSession,
  RECORDING_FILE,
  SESSION_PARTIAL_FILE,
} from './session-file.ts';
import type { SessionDescription } from './session-file.ts';

/**
 * Folders that a recorder which died left unfinished. One that another process still writes is left alone: a folder of recordings
 * belongs to one recorder at a time, but mistakes happen.
 */
export function findLeftovers(dir: string, recorder: string): FinishRequest[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const folder = join(dir, name);
      const media = [MEDIA_PARTIAL_FILE, MEDIA_FILE]
        .map((file) => join(folder, file))
        .find((file) => existsSync(file));
      const unfinished = existsSync(join(folder, SESSION_PARTIAL_FILE));
      if (media === undefined && !unfinished) {
        removeIfEmpty(folder);
        return [];
      }
      if (existsSync(join(folder, RECORDING_FILE)) && !unfinished) return [];
      const session = readSession(folder) ?? unknownSession(name, recorder);
      if (isAlive(session.pid)) return [];
      const endedAt = statSync(media ?? folder, { throwIfNoEntry: false })?.mtimeMs;
      // Taken away meanwhile.
      if (endedAt === undefined) return [];
      return [{ folder, session, endedAt, endReason: 'recorder died' }];
    });
}

/** The recorder died before it had written the first file. */
function removeIfEmpty(folder: string): void {
  try {
    if (readdirSync(folder).every((file) => file.endsWith('.tmp'))) {
      rmSync(folder, { recursive: true, force: true });
    }
  } catch {
    // Taken away meanwhile, or not ours to take away.
  }
}

/** Nothing is known but the packets. */
function unknownSession(recordId: string, recorder: string): SessionDescription {
  return {
    recordId,
    recorder,
    pid: 0,
    sipCallId: '',
    source: '',
    sessionId: null,
    startedAt: 0,
    streams: [],
  };
}

function isAlive(pid: number): boolean {
  if (pid === 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
