import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { EdgeProcessOptions } from '../../src/edge/edge-process-types.ts';
import type { Edge } from '../../src/edge/edge.ts';
import type { EdgeEvent, EdgeOptions } from '../../src/edge/types.ts';
import { type ErrorCode, TandemError } from '../../src/errors.ts';
import type { EdgeOrders } from '../../src/media/media-edge.ts';

export interface SyncQuestion {
  readonly method: string;
  readonly args: readonly unknown[];
}

export type SyncAnswer =
  | { readonly value: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

export interface SyncWorkerData {
  readonly answered: Int32Array;
  readonly options: EdgeProcessOptions;
}

const patienceMs = 30_000;
const orders: ReadonlySet<string> = new Set<keyof EdgeOrders>([
  'openPort',
  'setRemote',
  'setRoutes',
  'closePort',
  'takeStock',
  'addForks',
  'setForkTarget',
  'pauseFork',
  'resumeFork',
  'endForks',
  'removeForks',
]);

/**
 * An edge in a process of its own, with the face of the one in this process: a thread beside this one is its control, and this one waits
 * for each answer. So what holds of the one can be asked of the other.
 */
export function createSyncEdge(edge: EdgeOptions, onEvent: (event: EdgeEvent) => void): Edge {
  const stateDir = mkdtempSync(join(tmpdir(), 'tandem-edge-'));
  const answered = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const { port1: port, port2: remote } = new MessageChannel();
  const options: EdgeProcessOptions = { edge, stateDir, orphanMs: 60_000 };
  const workerData: SyncWorkerData & { readonly remote: unknown } = { answered, options, remote };
  const worker = new Worker(new URL('./sync-edge-worker.ts', import.meta.url), {
    workerData,
    transferList: [remote],
    execArgv: [],
  });
  worker.on('message', onEvent);
  worker.unref();

  const ask = (method: string, args: readonly unknown[]): unknown => {
    Atomics.store(answered, 0, 0);
    port.postMessage({ method, args } satisfies SyncQuestion);
    Atomics.wait(answered, 0, 0, patienceMs);
    const answer = receiveMessageOnPort(port) as { message: SyncAnswer } | undefined;
    if (answer === undefined) throw new Error(`no answer to ${method}`);
    const { message } = answer;
    if ('value' in message) return message.value;
    throw new TandemError(message.error.code, message.error.message);
  };
  const close = (): void => {
    ask('shutdown', []);
    port.close();
    void worker.terminate();
    rmSync(stateDir, { recursive: true, force: true });
  };
  return new Proxy(Object.create(null) as Edge, {
    get: (_target, name) => {
      if (name === 'close') return close;
      const method = String(name);
      if (!orders.has(method)) return (...args: unknown[]) => ask(method, args);
      // As the one in this process answers: at once, and by a promise.
      return (...args: unknown[]) =>
        new Promise((resolve) => {
          resolve(ask(method, args));
        });
    },
  });
}
