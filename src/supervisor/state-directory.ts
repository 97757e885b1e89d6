import { closeSync, mkdirSync, openSync, chmodSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { lockFile } from '../edge/processes.ts';
import { messageOf, TandemError } from '../errors.ts';

/** Of `sockaddr_un`, with the zero at its end: unix(7). */
const socketPathBytesMax = 107;

/** The folder that one supervisor has for itself, with what outlives it. */
export class StateDirectory {
  readonly dir: string;
  /** Where processes tell the supervisor who they are. */
  readonly socket: string;
  readonly #lock: number;

  private constructor(dir: string, lock: number) {
    this.dir = dir;
    this.socket = socketIn(dir);
    this.#lock = lock;
  }

  /** Errors: STATE_BUSY, with the pid that holds it; STATE_UNUSABLE. */
  static take(dir: string): StateDirectory {
    if (Buffer.byteLength(socketIn(dir)) > socketPathBytesMax) {
      throw unusable(dir, `its path is too long: ${socketPathBytesMax} bytes for the socket in it`);
    }
    let lock: number;
    let holder: number | undefined;
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      // What is in it speaks for calls: it is nobody else's to read.
      if ((statSync(dir).mode & 0o077) !== 0) chmodSync(dir, 0o700);
      lock = openSync(join(dir, 'supervisor.lock'), 'a', 0o600);
      holder = lockFile(lock);
    } catch (cause) {
      throw unusable(dir, messageOf(cause), cause);
    }
    if (holder !== undefined) {
      closeSync(lock);
      const who = holder === 0 ? 'another process' : `process ${holder}`;
      throw new TandemError('STATE_BUSY', `state.dir: ${dir} is held by ${who}`, {
        details: { field: 'state.dir', value: dir, pid: holder },
      });
    }
    return new StateDirectory(dir, lock);
  }

  /** Another supervisor may have it. */
  release(): void {
    closeSync(this.#lock);
  }
}

/** As seen from here, where that is shorter: its processes are started in the same folder. */
function socketIn(dir: string): string {
  const path = join(dir, 'supervisor.sock');
  const fromHere = relative(process.cwd(), path);
  return fromHere.length < path.length ? fromHere : path;
}

function unusable(dir: string, reason: string, cause?: unknown): TandemError {
  return new TandemError('STATE_UNUSABLE', `state.dir: ${dir}: ${reason}`, {
    cause,
    details: { field: 'state.dir', value: dir },
  });
}
