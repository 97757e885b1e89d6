import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errors.ts';
import { finishRecording } from './finish-recording.ts';
import type { FinishRequest } from './finish-recording.ts';

/** Finished recordings can wait; those that are running cannot. On Linux 0 is the calling thread, not the process. */
const finishNice = 10;
setPriority(0, finishNice);

/** One folder a message, answered with what went wrong or null. */
parentPort?.on('message', (request: FinishRequest) => {
  let failure: string | null = null;
  try {
    finishRecording(request);
  } catch (error) {
    failure = messageOf(error);
  }
  parentPort?.postMessage(failure);
});
