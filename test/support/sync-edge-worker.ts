// The thread behind sync-edge.ts: runs what it is asked, one after the other.

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { startOrFindEdge } from '../../src/edge/edge-process.ts';
import { messageOf, TandemError } from '../../src/errors.ts';
import type { SyncAnswer, SyncQuestion, SyncWorkerData } from './sync-edge.ts';

const { answered, options, remote } = workerData as SyncWorkerData & { remote: MessagePort };
const started = startOrFindEdge(options);
started
  .then(({ client }) => client.on('event', (event) => parentPort?.postMessage(event)))
  .catch(() => undefined);

async function run({ method, args }: SyncQuestion): Promise<SyncAnswer> {
  try {
    const { client } = await started;
    const methods = client as unknown as Record<string, (...args: unknown[]) => unknown>;
    return { value: await methods[method]?.(...args) };
  } catch (error) {
    const code = error instanceof TandemError ? error.code : 'INTERNAL';
    return { error: { code, message: messageOf(error) } };
  }
}

remote.on('message', (question: SyncQuestion) => {
  void run(question).then((answer) => {
    remote.postMessage(answer);
    Atomics.store(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
});
