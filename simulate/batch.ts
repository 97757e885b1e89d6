import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { SabotageName } from './sabotages.ts';
import type { SeedResult } from './run-seed.ts';

export interface BatchOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly sabotage?: SabotageName;
  /** Of results, in the order in which they come. Answering true ends the batch. */
  readonly onResult: (result: SeedResult) => boolean;
  readonly threads?: number;
}

/** What a thread is asked to do. */
export interface SeedRequest {
  readonly seed: number;
  readonly sabotage: SabotageName | undefined;
}

/** So long on this machine's clock, and a seed hangs. */
const seedMsMax = 120_000;
/** Most of what a seed makes is soon of no use: with room for it, little is copied. */
const resourceLimits = { maxYoungGenerationSizeMb: 64 };

/** Runs seeds on all cores. Resolves when all are done, or `onResult` has seen enough. */
export async function runBatch(options: BatchOptions): Promise<void> {
  const { firstSeed, seeds, sabotage, onResult } = options;
  const threads = Math.min(seeds, options.threads ?? availableParallelism());
  let next = firstSeed;
  let over = false;
  const take = (): SeedRequest | undefined =>
    over || next >= firstSeed + seeds ? undefined : { seed: next++, sabotage };
  await Promise.all(
    Array.from({ length: threads }, () =>
      runThread(take, (result) => {
        if (!over && onResult(result)) over = true;
      }),
    ),
  );
}

async function runThread(
  take: () => SeedRequest | undefined,
  onResult: (result: SeedResult) => void,
): Promise<void> {
  const worker = new Worker(new URL('./seed-thread.ts', import.meta.url), { resourceLimits });
  try {
    for (let request = take(); request !== undefined; request = take()) {
      onResult(await ask(worker, request));
    }
  } finally {
    await worker.terminate();
  }
}

function ask(worker: Worker, request: SeedRequest): Promise<SeedResult> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`seed ${request.seed} does not end`));
    }, seedMsMax);
    const onMessage = (result: SeedResult): void => {
      settle();
      resolve(result);
    };
    const onError = (cause: unknown): void => {
      settle();
      reject(new Error(`seed ${request.seed} ended its thread`, { cause }));
    };
    const settle = (): void => {
      clearTimeout(timer);
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(request);
  });
}
