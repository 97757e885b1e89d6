import { spawn } from 'node:child_process';
import type { Clock, Timer } from '../clock.ts';
import { environmentForChildren } from '../config.ts';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** A process that was started here, or found. */
export interface RunningProcess {
  readonly identity: ProcessIdentity;
  /** Nothing happens when it is gone. */
  signal(name: NodeJS.Signals): void;
  /** It may be gone: it is looked for at once, and again in short. */
  suspect(): void;
}

/** @param exit exit code, signal, or the error at its start; `unseen` where that is for another process to know */
export type OnGone = (exit: string) => void;

export interface Launcher {
  /** Undefined when it cannot be started: then `onGone` says why. */
  launch(command: Command, onGone: OnGone): RunningProcess | undefined;
  adopt(identity: ProcessIdentity, onGone: OnGone): RunningProcess;
}

/** How often a process is looked for that is nobody's child here. */
const lookMs = 200;
/** One whose socket closed is about to go: the kernel closes files first. */
const suspectLookMs = 5;
const suspectLooks = 40;

/** Processes of this system: each in a session of its own, so that no signal to ours and no end of ours reaches it. */
export class SystemProcesses implements Launcher {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  launch({ file, args }: Command, onGone: OnGone): RunningProcess | undefined {
    // Standard output belongs to the command that started us.
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: environmentForChildren(),
    });
    const { pid } = child;
    if (pid === undefined) {
      // Then there is no exit.
      child.once('error', (error: NodeJS.ErrnoException) => {
        onGone(error.code ?? error.message);
      });
      return undefined;
    }
    // Signals that cannot be sent.
    child.on('error', () => undefined);
    child.once('exit', (code, signal) => {
      onGone(signal ?? String(code));
    });
    return {
      // It is ours: its id is not given again before `exit`.
      identity: identityOf(pid) ?? { pid, startTicks: 0 },
      signal: (name) => {
        child.kill(name);
      },
      suspect: () => undefined,
    };
  }

  adopt(identity: ProcessIdentity, onGone: OnGone): RunningProcess {
    return new AdoptedProcess(identity, this.#clock, onGone);
  }
}

class AdoptedProcess implements RunningProcess {
  readonly identity: ProcessIdentity;
  readonly #clock: Clock;
  readonly #onGone: OnGone;
  #timer: Timer;
  #suspectLooks = 0;
  #gone = false;

  constructor(identity: ProcessIdentity, clock: Clock, onGone: OnGone) {
    this.identity = identity;
    this.#clock = clock;
    this.#onGone = onGone;
    this.#timer = clock.setTimeout(this.#look, lookMs);
  }

  signal(name: NodeJS.Signals): void {
    if (this.#gone || !isAlive(this.identity)) return;
    try {
      process.kill(this.identity.pid, name);
    } catch {
      // It went meanwhile.
    }
  }

  suspect(): void {
    if (this.#gone) return;
    this.#suspectLooks = suspectLooks;
    this.#clock.clearTimeout(this.#timer);
    this.#look();
  }

  readonly #look = (): void => {
    if (!isAlive(this.identity)) {
      this.#gone = true;
      this.#onGone('unseen');
      return;
    }
    this.#timer = this.#clock.setTimeout(
      this.#look,
      this.#suspectLooks > 0 ? suspectLookMs : lookMs,
    );
    this.#suspectLooks = Math.max(0, this.#suspectLooks - 1);
  };
}
