import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { z } from 'zod';
import { TandemError } from '../errors.ts';
import { killTree } from '../supervisor/kill-tree.ts';
import type { MediaPath } from '../recording/interfaces.ts';

export interface TandemProcessOptions {
  /** Configuration, log and recordings go here. */
  readonly dir: string;
  readonly path: MediaPath;
  readonly replay: boolean;
  readonly recorders: number;
  readonly zones: readonly string[];
}

const readyMs = 60_000;
const stopMs = 20_000;
const logLines = 12;

const readyMessage = z.looseObject({ ready: z.literal(true), http: z.string() });

/** `tandem serve` as a child process, on ports of its own choice. */
export class TandemProcess {
  /** Of the HTTP API. */
  readonly url: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #dir: string;

  private constructor(child: ChildProcess, dir: string, url: string, logFile: string) {
    this.#child = child;
    this.#dir = dir;
    this.url = url;
    this.logFile = logFile;
  }

  /** Resolves when it takes calls. Errors: INTERNAL, with the end of its log. */
  static async create(options: TandemProcessOptions, signal: AbortSignal): Promise<TandemProcess> {
    const configFile = join(options.dir, 'tandem.yaml');
    const logFile = join(options.dir, 'tandem.log');
    writeFileSync(configFile, stringify(configOf(options)));
    const log = openSync(logFile, 'a');
    const child = fork(
      fileURLToPath(new URL('../main.ts', import.meta.url)),
      ['serve', '--config', configFile],
      { stdio: ['ignore', log, log, 'ipc'] },
    );
    closeSync(log);
    try {
      return new TandemProcess(child, options.dir, await ready(child, logFile, signal), logFile);
    } catch (error) {
      await stop(child, options.dir);
      throw error;
    }
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGTERM, and in the end SIGKILL. Idempotent. */
  close(): Promise<void> {
    return stop(this.#child, this.#dir);
  }
}

function configOf({ dir, path, replay, recorders, zones }: TandemProcessOptions): object {
  return {
    state: { dir: stateDirOf(dir) },
    http: { host: '127.0.0.1', port: 0 },
    sip: { host: '127.0.0.1', port: 0 },
    media: { path },
    recording: { mode: 'duplicate', replay, ledgerDir: join(dir, 'ledgers') },
    recorders: { embedded: { count: recorders, dir, zones: [...zones] } },
  };
}

function ready(child: ChildProcess, logFile: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      fail(`tandem serve was not ready after ${readyMs / 1_000} s`);
    }, readyMs);
    const onAbort = () => {
      settle();
      reject(signal.reason as Error);
    };
    const onExit = () => {
      fail('tandem serve did not start');
    };
    const onMessage = (message: unknown) => {
      const parsed = readyMessage.safeParse(message);
      if (!parsed.success) return;
      settle();
      resolve(parsed.data.http);
    };
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      child.off('exit', onExit).off('message', onMessage);
    };
    const fail = (message: string) => {
      settle();
      const end = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-logLines);
      reject(new TandemError('INTERNAL', `${message}. The end of ${logFile}:\n${end.join('\n')}`));
    };
    child.on('exit', onExit).on('message', onMessage);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

/** Nothing of it is left, however it ended. */
async function stop(child: ChildProcess, dir: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.kill('SIGTERM');
    });
  }
  killTree(stateDirOf(dir));
}

function stateDirOf(dir: string): string {
  return join(dir, 'state');
}
