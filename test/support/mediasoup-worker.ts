import type { TandemProcess } from './tandem-process.ts';

/** The process id of a mediasoup worker of this Tandem. */
export async function mediasoupWorkerOf(tandem: TandemProcess): Promise<number> {
  const processes = await tandem.processes();
  const worker = processes.find(({ role }) => role === 'worker');
  if (worker === undefined) throw new Error('there is no mediasoup worker');
  return worker.pid;
}
