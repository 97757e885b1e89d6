import { readFileSync } from 'node:fs';
import type { TandemProcess } from './tandem-process.ts';

/** The process id of a mediasoup worker of this Tandem. */
export function mediasoupWorkerOf({ child: { pid } }: TandemProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const found = children.find((child) =>
    readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('mediasoup-worke'),
  );
  return Number(found);
}
