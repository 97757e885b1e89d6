import type { Clock, Timer } from '../clock.ts';
import { TandemError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { DeathList } from './death-list.ts';
import { ManagedProcess, type ProcessSpec } from './managed-process.ts';
import type {
  ControlFacts,
  Death,
  FromProcess,
  ProcessTree,
  SupervisedProcess,
  SupervisedRecorder,
  SupervisedRole,
} from './messages.ts';
import { identityOf, startedAtOf, type ProcessIdentity } from './process-identity.ts';
import { isStillThere, ProcessRegistry, type RegistryEntry } from './process-registry.ts';
import { Registrar, type Registration } from './registrar.ts';
import { StateDirectory } from './state-directory.ts';
import { SystemProcesses } from './system-processes.ts';

export interface SupervisorOptions {
  /** Of the state. */
  readonly dir: string;
  /** @param socket where processes say who they are */
  readonly processes: (socket: string) => readonly ProcessSpec[];
  readonly zoneOf: (recorder: string) => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const self = { role: 'supervisor', id: 'supervisor' } as const;
/** Longer than a process takes to connect again: those that no list names are heard of in it. */
const lostListMs = 2_000;
/** For processes that are not configured any more. */
const retireMs = 20_000;
/** What ends before what. */
const stopOrder: readonly SupervisedRole[] = ['control', 'edge', 'recorder'];

/**
 * Keeps the processes alive, holds nothing of a call. It adopts those that live, whoever started them, and its own end by a kill ends
 * nothing: the next one goes on.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #state: StateDirectory;
  readonly #registry: ProcessRegistry;
  readonly #processes: readonly ManagedProcess[];
  readonly #deaths = new DeathList();
  readonly #lines = new Map<Registration['line'], ManagedProcess>();
  readonly #retiring = new Set<Promise<void>>();
  readonly #started = Promise.withResolvers<ControlFacts>();
  #registrar: Registrar | undefined;
  #graceTimer: Timer | undefined;
  /** Somebody relies on it: from then on, what cannot start is tried again. */
  #hasBegun: boolean;
  #closing: Promise<void> | undefined;

  private constructor(options: SupervisorOptions, state: StateDirectory) {
    const { clock, dir, logger } = options;
    this.#options = options;
    this.#state = state;
    this.#registry = ProcessRegistry.read(dir, logger);
    this.#hasBegun = this.#registry.list().length > 0;
    const launcher = new SystemProcesses(clock);
    this.#processes = options.processes(state.socket).map((spec) => {
      const managed: ManagedProcess = new ManagedProcess({
        ...{ spec, launcher, clock, logger },
        entry: this.#registry.get(spec),
        onChange: () => {
          this.#changed(managed);
        },
        onDeath: (identity, exit) => {
          this.#died(managed, identity, exit);
        },
      });
      return managed;
    });
    this.#started.promise.catch(() => undefined);
  }

  /** Resolves when what was there is adopted, and what is missing is being started. Errors: STATE_BUSY, STATE_UNUSABLE. */
  static async create(options: SupervisorOptions): Promise<Supervisor> {
    const state = StateDirectory.take(options.dir);
    try {
      const supervisor = new Supervisor(options, state);
      await supervisor.#begin();
      return supervisor;
    } catch (error) {
      state.release();
      throw error;
    }
  }

  /** Resolves when control is ready for the first time, and recorders had their chance; rejects with what kept it from it. */
  ready(): Promise<ControlFacts> {
    return this.#started.promise;
  }

  /** Control first, so that calls end and recorders' files are whole; nothing is left running. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, logger } = this.#options;
    if (this.#graceTimer !== undefined) clock.clearTimeout(this.#graceTimer);
    for (const role of stopOrder) {
      const processes = this.#processes.filter(({ spec }) => spec.role === role);
      if (processes.length === 0) continue;
      logger.info({ role, processes: processes.length }, 'ending processes');
      await Promise.all(processes.map((one) => one.stop()));
    }
    await Promise.all(this.#retiring);
    await this.#registrar?.close();
    this.#registry.remove();
    this.#state.release();
    this.#started.reject(new TandemError('INTERNAL', 'the supervisor was closed'));
  }

  async #begin(): Promise<void> {
    const { clock, logger } = this.#options;
    const former = this.#registry.list();
    this.#registry.put(this.#ownEntry());
    this.#registrar = await Registrar.create({
      ...{ clock, logger, path: this.#state.socket },
      onHello: (registration) => this.#greet(registration),
      onMessage: ({ line }, message) => {
        const managed = this.#lines.get(line);
        if (managed !== undefined) this.#hear(managed, message);
      },
      onClosed: ({ line }) => {
        this.#lines.get(line)?.detach(line);
        this.#lines.delete(line);
      },
    });
    for (const entry of former) this.#lookAt(entry);
    if (this.#registry.isLost) {
      logger.warn({ waitMs: lostListMs }, 'waiting for processes that no list names');
      this.#graceTimer = clock.setTimeout(() => {
        this.#startAll();
      }, lostListMs);
    } else {
      this.#startAll();
    }
  }

  #ownEntry(): RegistryEntry {
    const known = this.#registry.get(self) ?? { ...self, starts: 0, deaths: 0 };
    const identity = identityOf(process.pid);
    const last =
      identity === undefined
        ? {}
        : { last: { ...identity, startedAt: startedAtOf(identity), wasReady: true } };
    // The list goes with an end that was asked for: what it names has died.
    const deaths = known.deaths + (known.starts > 0 ? 1 : 0);
    return { ...known, starts: known.starts + 1, deaths, ...last };
  }

  /** What an earlier supervisor left in the list. */
  #lookAt(entry: RegistryEntry): void {
    const { role, id, last } = entry;
    const managed = this.#processes.find(({ spec }) => spec.role === role && spec.id === id);
    if (managed === undefined && role !== 'supervisor') {
      if (isStillThere(entry) && last !== undefined) this.#retire(role, id, last);
      this.#registry.delete(entry);
      return;
    }
    if (last === undefined || isStillThere(entry)) return;
    const death = { role, process: id, pid: last.pid, exit: 'unseen' };
    this.#deaths.add({ ...death, at: this.#now() });
    this.#options.logger.warn(death, 'process died while nobody looked');
    managed?.foundDead();
  }

  /** There is no place for it any more. */
  #retire(role: string, id: string, identity: ProcessIdentity): void {
    const { clock, logger } = this.#options;
    logger.info({ role, id, process: identity.pid }, 'process is not configured any more: ended');
    const gone = new Promise<void>((resolve) => {
      const running = new SystemProcesses(clock).adopt(identity, () => {
        clock.clearTimeout(timer);
        resolve();
      });
      const timer = clock.setTimeout(() => {
        running.signal('SIGKILL');
      }, retireMs);
      running.signal('SIGTERM');
    });
    this.#retiring.add(gone);
    void gone.then(() => this.#retiring.delete(gone));
  }

  #startAll(): void {
    for (const managed of this.#processes) {
      if (managed.pid !== undefined) continue;
      managed.start();
    }
  }

  #greet({ role, id, pid, line }: Registration): boolean {
    const { logger } = this.#options;
    const identity = identityOf(pid);
    const managed = this.#processes.find(({ spec }) => spec.role === role && spec.id === id);
    if (identity === undefined || managed?.attach(identity, line) !== true) {
      const reason =
        managed === undefined ? 'it is not configured' : 'another process is in its place';
      logger.warn({ role, id, process: pid, reason }, 'process is told to leave');
      line.send({ is: 'leave', reason });
      return false;
    }
    this.#lines.set(line, managed);
    line.send({ is: 'welcome', pid: process.pid });
    if (role === 'control') line.send(this.#tree());
    return true;
  }

  #hear(managed: ManagedProcess, message: FromProcess): void {
    const { role, id } = managed.spec;
    switch (message.is) {
      case 'hello':
        return;
      case 'ready':
        if (message.facts.role === role) managed.ready(message.facts);
        return;
      case 'failed': {
        const { code, message: reason } = message;
        this.#options.logger.error({ role, id, code, reason }, 'process cannot start');
        if (role === 'control') this.#cannotBegin(code as ErrorCode, reason);
        return;
      }
      case 'deaths-told':
        this.#deaths.told(message.ids);
    }
  }

  #changed(managed: ManagedProcess): void {
    if (this.#closing === undefined) {
      this.#registry.put(managed.entry);
      this.#tellControl();
    }
    const control = this.#processes.find(({ spec }) => spec.role === 'control');
    if (control?.facts?.role !== 'control' || !control.isReady) return;
    this.#hasBegun = true;
    if (this.#isSettled) this.#started.resolve(control.facts);
  }

  /** Every recorder is up, or has failed to come up. */
  get #isSettled(): boolean {
    return this.#processes.every(({ spec, isSettled }) => spec.role !== 'recorder' || isSettled);
  }

  #died(managed: ManagedProcess, identity: ProcessIdentity | undefined, exit: string): void {
    const { role, id } = managed.spec;
    if (identity !== undefined) {
      this.#deaths.add({ role, process: id, pid: identity.pid, exit, at: this.#now() });
    }
    if (role === 'control') this.#cannotBegin('INTERNAL', `control ended with ${exit}`);
  }

  /** Before control was ever ready, whoever started us is told, and no second try is made. */
  #cannotBegin(code: ErrorCode, reason: string): void {
    if (!this.#hasBegun) this.#started.reject(new TandemError(code, reason));
  }

  #tellControl(): void {
    const tree = this.#tree();
    for (const managed of this.#processes) {
      if (managed.spec.role === 'control') managed.tell(tree);
    }
  }

  #tree(): ProcessTree {
    const recorders = this.#processes.filter(({ spec }) => spec.role === 'recorder');
    const all = [this.#registry.get(self), ...this.#processes.map(({ entry }) => entry)];
    const entries = all.filter((entry) => entry !== undefined);
    return {
      is: 'tree',
      settled: this.#isSettled,
      processes: [
        ...entries.slice(0, 1),
        ...this.#processes.filter(({ pid }) => pid !== undefined).map(({ entry }) => entry),
      ].flatMap(viewOf),
      recorders: recorders.flatMap((recorder) => this.#recorderOf(recorder)),
      deaths: this.#deaths.list(),
      counts: entries.map(({ role, id, starts, deaths }) => ({ role, id, starts, deaths })),
    };
  }

  #recorderOf({ spec, facts, pid }: ManagedProcess): SupervisedRecorder[] {
    if (facts?.role !== 'recorder' || pid === undefined) return [];
    const { uri, capacity, reportsEveryMs } = facts;
    const { id } = spec;
    return [{ id, uri, capacity, reportsEveryMs, pid, zone: this.#options.zoneOf(id) }];
  }

  #now(): Death['at'] {
    const { clock } = this.#options;
    return new Date(clock.wallOf(clock.now())).toISOString();
  }
}

function viewOf({ role, id, starts, last }: RegistryEntry): SupervisedProcess[] {
  if (last === undefined) return [];
  return [{ role, id, pid: last.pid, startedAt: last.startedAt, starts }];
}
