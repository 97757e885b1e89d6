// `tandem recorder`, in a process that can close sockets of its own when its parent asks: what a fault inside a recorder
// does, with a recorder that is otherwise the real one. Arguments are those of `tandem recorder`.

import { closeSync, openSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { runRecorderCommand } from '../../src/recorder/command.ts';

export type RecorderOrder =
  | { readonly order: 'close-rtp'; readonly ports: { readonly min: number; readonly max: number } }
  | {
      readonly order: 'close-sip';
      readonly ports: { readonly min: number; readonly max: number };
    }
  /** The thread that does signalling stands still; receiving, writing and receiver reports have threads of their own. */
  | { readonly order: 'hang-sip'; readonly ms: number };

process.on('message', (message) => {
  const order = message as RecorderOrder;
  switch (order.order) {
    case 'close-rtp':
      closeSockets((port) => port >= order.ports.min && port <= order.ports.max && port % 2 === 0);
      break;
    case 'close-sip':
      closeSockets((port) => port < order.ports.min || port > order.ports.max);
      break;
    case 'hang-sip':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.ms);
      break;
  }
});
process.exitCode = await runRecorderCommand(process.argv.slice(2));

/**
 * Of this process, UDP and TCP, by local port. Something harmless takes over the number of each, so that who still
 * holds it cannot hit another file.
 */
function closeSockets(chosen: (port: number) => boolean): void {
  const ports = new Map<string, number>();
  for (const table of ['udp', 'tcp']) {
    for (const line of readFileSync(`/proc/self/net/${table}`, 'utf8').split('\n').slice(1)) {
      // proc_net_tcp(5): number, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode.
      const fields = line.trim().split(/\s+/);
      const [local, inode] = [fields[1], fields[9]];
      if (local !== undefined && inode !== undefined) {
        ports.set(`socket:[${inode}]`, Number.parseInt(local.split(':')[1] ?? '', 16));
      }
    }
  }
  for (const name of readdirSync('/proc/self/fd')) {
    const port = ports.get(linkOf(name));
    if (port === undefined || !chosen(port)) continue;
    closeSync(Number(name));
    openSync('/dev/null', 'r+');
  }
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
