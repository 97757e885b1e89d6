import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { OpenedPort, SocketAddress } from '../../src/edge/types.ts';
import type { EdgeChildOptions } from './edge-child.ts';

const childPath = fileURLToPath(new URL('./edge-child.ts', import.meta.url));

export interface EdgeProcess {
  readonly child: ChildProcess;
  readonly memory: string;
  readonly ports: readonly OpenedPort[];
  readonly forkIds: readonly number[];
}

/** An edge in a process of its own: a port for each party, and forks of the first one's to the recorders. */
export async function startEdgeProcess(
  parties: readonly SocketAddress[],
  recorders: readonly SocketAddress[] = [],
  transports?: readonly SocketAddress[],
): Promise<EdgeProcess> {
  const min = 20_000 + 2 * Math.floor(Math.random() * 8_000);
  const options: EdgeChildOptions = {
    threads: 1,
    legHosts: ['127.0.0.1'],
    ports: { min, max: min + 999 },
    ring: { seconds: 10, bytes: 1_048_576 },
    catchUpRate: 4,
    rtcpIntervalMs: 60_000,
    cname: 'edge@test.invalid',
    parties,
    recorders,
    ...(transports !== undefined && { transports }),
  };
  const child = spawn(process.execPath, [childPath, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, ...(JSON.parse(line) as Omit<EdgeProcess, 'child'>) };
}

export async function kill({ child }: EdgeProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
