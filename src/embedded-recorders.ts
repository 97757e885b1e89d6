import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from './clock.ts';
import { embeddedRecorderId } from './config.ts';
import type { Logger } from './logger.ts';
import type { RecorderReady } from './recorder/command.ts';

export interface EmbeddedRecordersOptions {
  readonly count: number;
  readonly dir: string;
  readonly host: string;
  readonly ports: { readonly min: number; readonly max: number };
  readonly zones: readonly string[];
  readonly capacity: number;
  /** Between their receiver reports. */
  readonly rtcpIntervalMs: number;
  readonly restart: { readonly initialMs: number; readonly maxMs: number };
  readonly logLevel: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onUp: (recorder: {
    id: string;
    uri: string;
    zone: string;
    capacity: number;
    pid: number;
    reportsEveryMs: number;
  }) => void;
  readonly onDown: (id: string) => void;
}

/** A process that lived this long has earned a quick restart. */
const steadyMs = 30_000;
const stopMs = 15_000;
/** One that has not got ready by then never will. */
const readyMsMax = 30_000;

interface Slot {
  readonly id: string;
  readonly zone: string;
  readonly ports: { readonly min: number; readonly max: number };
  child: ChildProcess | undefined;
  /** Kept over a restart, so that the recorder keeps its address. */
  sipPort: number;
  restartMs: number;
  timer: Timer | undefined;
}

/** Reference recorders as child processes: started, watched, and started again with backoff when they die. */
export class EmbeddedRecorders {
  readonly #options: EmbeddedRecordersOptions;
  readonly #slots: readonly Slot[];
  #closing: Promise<void> | undefined;

  private constructor(options: EmbeddedRecordersOptions) {
    this.#options = options;
    const share = Math.floor(
      (options.ports.max - options.ports.min + 1) / Math.max(1, options.count),
    );
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      id: embeddedRecorderId(index),
      zone: options.zones[index % options.zones.length] as string,
      ports: {
        min: options.ports.min + index * share,
        max: options.ports.min + (index + 1) * share - 1,
      },
      child: undefined,
      sipPort: 0,
      restartMs: options.restart.initialMs,
      timer: undefined,
    }));
  }

  /** Resolves when every recorder is ready. */
  static async create(options: EmbeddedRecordersOptions): Promise<EmbeddedRecorders> {
    const recorders = new EmbeddedRecorders(options);
    await Promise.all(recorders.#slots.map((slot) => recorders.#start(slot)));
    return recorders;
  }

  /** SIGTERM to all; resolves when they are gone. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#slots.map((slot) => this.#stop(slot))).then(
      () => undefined,
    );
    return this.#closing;
  }

  async #start(slot: Slot): Promise<void> {
    const { clock, dir, host, capacity, logger, logLevel, restart, rtcpIntervalMs } = this.#options;
    const startedAt = clock.now();
    const child = fork(
      fileURLToPath(new URL('./main.ts', import.meta.url)),
      [
        'recorder',
        ...['--id', slot.id],
        ...['--host', host],
        ...['--sip-port', String(slot.sipPort)],
        ...['--dir', `${dir}/${slot.id}`],
        ...['--ports', `${slot.ports.min}-${slot.ports.max}`],
        ...['--capacity', String(capacity)],
        ...['--rtcp-interval', String(rtcpIntervalMs)],
        ...['--log-level', logLevel],
      ],
      // Standard output belongs to the parent's command.
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    );
    slot.child = child;
    const patience = clock.setTimeout(() => child.kill('SIGKILL'), readyMsMax);
    await new Promise<void>((resolve) => {
      let isReady = false;
      child.once('message', (message) => {
        isReady = true;
        clock.clearTimeout(patience);
        const { uri } = message as RecorderReady;
        slot.sipPort = Number(/:(\d+)(?:;|$)/.exec(uri)?.[1] ?? 0);
        const pid = child.pid ?? 0;
        const { id, zone } = slot;
        this.#options.onUp({ id, uri, zone, capacity, pid, reportsEveryMs: rtcpIntervalMs });
        logger.info({ recorder: slot.id, uri, pid }, 'embedded recorder is ready');
        resolve();
      });
      child.once('error', (error) => {
        logger.error(
          { recorder: slot.id, error: error.message },
          'embedded recorder does not start',
        );
        // Then there is no exit.
        if (child.pid === undefined) gone(null, null);
      });
      child.once('exit', (code, signal) => {
        gone(code, signal);
      });
      const gone = (code: number | null, signal: NodeJS.Signals | null): void => {
        slot.child = undefined;
        clock.clearTimeout(patience);
        // Somebody else may have taken its port while it was down: then it gets another one.
        if (!isReady) slot.sipPort = 0;
        resolve();
        if (this.#closing !== undefined) return;
        this.#options.onDown(slot.id);
        if (clock.now() - startedAt > steadyMs) slot.restartMs = restart.initialMs;
        logger.warn(
          { recorder: slot.id, code, signal, restartMs: slot.restartMs },
          'embedded recorder died, it will be started again',
        );
        slot.timer = clock.setTimeout(() => void this.#start(slot), slot.restartMs);
        slot.restartMs = Math.min(slot.restartMs * 2, restart.maxMs);
      };
    });
  }

  async #stop(slot: Slot): Promise<void> {
    const { clock } = this.#options;
    if (slot.timer !== undefined) clock.clearTimeout(slot.timer);
    const child = slot.child;
    if (child === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(() => child.kill('SIGKILL'), stopMs);
      child.once('exit', () => {
        clock.clearTimeout(timer);
        resolve();
      });
      child.kill('SIGTERM');
    });
  }
}
