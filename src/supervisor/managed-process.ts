import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { FromSupervisor, ProcessFacts, SupervisedRole } from './messages.ts';
import { startedAtOf, type ProcessIdentity } from './process-identity.ts';
import { isStillThere, type RegistryEntry } from './process-registry.ts';
import { restartDelay, type RestartSettings } from './restart-delay.ts';
import type { Command, Launcher, RunningProcess } from './system-processes.ts';

/** What is to run. */
export interface ProcessSpec {
  readonly role: SupervisedRole;
  readonly id: string;
  /** @param facts of the one before it: so that its successor gets the same ports */
  readonly command: (facts: ProcessFacts | undefined) => Command;
  /** Whether it says who it is, and when it is ready; another program may do neither. */
  readonly registers: boolean;
  readonly restart: RestartSettings;
  /** How long it may take to end after SIGTERM. */
  readonly stopMs: number;
}

/** The other end of its connection. */
export interface ProcessLine {
  send(message: FromSupervisor): void;
  close(): void;
}

export interface ManagedProcessOptions {
  readonly spec: ProcessSpec;
  /** Of an earlier supervisor. */
  readonly entry: RegistryEntry | undefined;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What `entry`, `facts` or `isSettled` say is another thing than before. */
  readonly onChange: () => void;
  /** Not asked for. */
  readonly onDeath: (identity: ProcessIdentity | undefined, exit: string) => void;
}

/** One that has not got ready by then never will. */
export const readyMsMax = 30_000;

/** Keeps one process alive: adopts the one that is there, starts it, starts it again with backoff, ends it. */
export class ManagedProcess {
  readonly spec: ProcessSpec;
  readonly #options: ManagedProcessOptions;
  #entry: RegistryEntry;
  #running: RunningProcess | undefined;
  #line: ProcessLine | undefined;
  /** Of the one that runs, once it was ready. */
  #facts: ProcessFacts | undefined;
  /** It said so to us. */
  #ready = false;
  #settled = false;
  #runsSince = 0;
  #delayMs: number | undefined;
  /** Until it is ready, or is started again. */
  #timer: Timer | undefined;
  #stopping: Promise<void> | undefined;
  #onStopped: (() => void) | undefined;

  constructor(options: ManagedProcessOptions) {
    this.#options = options;
    this.spec = options.spec;
    const { role, id } = options.spec;
    this.#entry = options.entry ?? { role, id, starts: 0, deaths: 0 };
  }

  get entry(): RegistryEntry {
    return this.#entry;
  }

  /** It said to this supervisor that it is. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** Undefined while it has never been ready. */
  get facts(): ProcessFacts | undefined {
    return this.#facts;
  }

  get pid(): number | undefined {
    return this.#running?.identity.pid;
  }

  /** It was ready once, or did not get ready. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** Adopts the process that the registry names, if that lives; else starts one. */
  start(): void {
    if (isStillThere(this.#entry) && this.#entry.last !== undefined) this.#adopt(this.#entry.last);
    else this.#launch();
  }

  /** The process that the registry names died while there was no supervisor. */
  foundDead(): void {
    this.#settled = true;
    this.#entry = { ...this.#entry, deaths: this.#entry.deaths + 1 };
  }

  /**
   * A process says that it is this one.
   *
   * @returns false when another one is
   */
  attach(identity: ProcessIdentity, line: ProcessLine): boolean {
    if (this.#stopping !== undefined && this.#running === undefined) return false;
    if (this.#running === undefined) this.#adopt(identity);
    if (this.#running?.identity.pid !== identity.pid) return false;
    this.#line?.close();
    this.#line = line;
    return true;
  }

  /** Its connection ended: most often, because the process did. */
  detach(line: ProcessLine): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#running?.suspect();
  }

  tell(message: FromSupervisor): void {
    this.#line?.send(message);
  }

  /** It says that it is ready. */
  ready(facts: ProcessFacts): void {
    const { logger, onChange } = this.#options;
    const { role, id } = this.spec;
    this.#stopWaiting();
    this.#ready = true;
    this.#facts = facts;
    this.#settled = true;
    const { last } = this.#entry;
    this.#entry = {
      ...this.#entry,
      facts,
      ...(last === undefined ? {} : { last: { ...last, wasReady: true } }),
    };
    logger.info({ role, id, process: this.pid, facts }, 'process is ready');
    onChange();
  }

  /** SIGTERM, later SIGKILL; resolves when it is gone, and stays so. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { clock, logger } = this.#options;
    const { role, id, stopMs } = this.spec;
    this.#stopWaiting();
    const running = this.#running;
    if (running === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve;
      this.#timer = clock.setTimeout(() => {
        logger.error(
          { role, id, process: running.identity.pid, stopMs },
          'process does not end: killed',
        );
        running.signal('SIGKILL');
      }, stopMs);
      running.signal('SIGTERM');
    });
    this.#stopWaiting();
  }

  #launch(): void {
    const { clock, launcher, logger, onChange } = this.#options;
    const { role, id, command } = this.spec;
    this.#runsSince = clock.now();
    const running = launcher.launch(command(this.#entry.facts), (exit) => {
      this.#gone(running, exit);
    });
    this.#running = running;
    const starts = this.#entry.starts + 1;
    if (running !== undefined) {
      this.#entry = { ...this.#entry, starts, last: seen(running.identity) };
      logger.info({ role, id, process: running.identity.pid, starts }, 'process was started');
    }
    this.#awaitReady();
    onChange();
  }

  #adopt(identity: ProcessIdentity): void {
    const { clock, launcher, logger, onChange } = this.#options;
    const { role, id } = this.spec;
    this.#stopWaiting();
    this.#runsSince = clock.now();
    const running = launcher.adopt(identity, (exit) => {
      this.#gone(running, exit);
    });
    this.#running = running;
    const { facts, starts, last } = this.#entry;
    const isKnown = last?.pid === identity.pid && last.startTicks === identity.startTicks;
    this.#entry = {
      ...this.#entry,
      starts: isKnown ? starts : starts + 1,
      last: isKnown ? last : seen(identity),
    };
    // It is as it was; that it answers is still to be seen.
    if (isKnown && last.wasReady) {
      this.#facts = facts;
      this.#settled = true;
    }
    logger.info({ role, id, process: identity.pid }, 'process lives: adopted');
    this.#awaitReady();
    onChange();
  }

  /** One that does not say so by itself is taken for ready. */
  #awaitReady(): void {
    const { clock, logger } = this.#options;
    const { role, id, registers } = this.spec;
    const running = this.#running;
    if (running === undefined) return;
    if (!registers) {
      this.#settled = true;
      return;
    }
    this.#timer = clock.setTimeout(() => {
      logger.error(
        { role, id, process: running.identity.pid },
        'process does not get ready: killed',
      );
      running.signal('SIGKILL');
    }, readyMsMax);
  }

  #gone(running: RunningProcess | undefined, exit: string): void {
    if (this.#running !== running) return;
    const { clock, logger, onChange, onDeath } = this.#options;
    const { role, id, restart } = this.spec;
    this.#stopWaiting();
    this.#running = undefined;
    this.#line?.close();
    this.#line = undefined;
    const wasReady = this.#facts !== undefined;
    this.#facts = undefined;
    this.#ready = false;
    if (this.#stopping !== undefined) {
      logger.info({ role, id, exit }, 'process has ended');
      this.#onStopped?.();
      onChange();
      return;
    }
    this.#settled = true;
    this.#delayMs = restartDelay(this.#delayMs, clock.now() - this.#runsSince, restart);
    this.#entry = { ...this.#entry, deaths: this.#entry.deaths + 1 };
    // Somebody else may have taken its ports while it was down: then it gets others.
    if (!wasReady) this.#forgetFacts();
    logger.error(
      { role, id, process: running?.identity.pid, exit, restartMs: this.#delayMs },
      'process died, it will be started again',
    );
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#launch();
    }, this.#delayMs);
    onDeath(running?.identity, exit);
    onChange();
  }

  #forgetFacts(): void {
    const { facts: _facts, ...entry } = this.#entry;
    this.#entry = entry;
  }

  #stopWaiting(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function seen(identity: ProcessIdentity): NonNullable<RegistryEntry['last']> {
  return { ...identity, startedAt: startedAtOf(identity), wasReady: false };
}
