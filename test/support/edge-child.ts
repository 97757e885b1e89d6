import { Edge } from '../../src/edge/edge.ts';
import type { AddForkOptions, EdgeOptions, SocketAddress } from '../../src/edge/types.ts';

// An edge in a process of its own, to be killed: `node edge-child.ts OPTIONS`, JSON. It opens a port for each party, each
// heard by the next one, with the forks to recorders; says where its memory is and what it has opened, and lives until then.

export interface EdgeChildOptions extends EdgeOptions {
  readonly parties: readonly SocketAddress[];
  /** Of the first party's port. */
  readonly recorders: readonly SocketAddress[];
  /** What stands for mediasoup, of each party; absent: the direct route. */
  readonly transports?: readonly SocketAddress[];
}

const { parties, recorders, transports, ...options } = JSON.parse(
  process.argv[2] ?? '{}',
) as EdgeChildOptions;
const edge = Edge.create(options, () => undefined);
const ports = await Promise.all(
  parties.map(async (party) => {
    const port = await edge.openPort({ shard: 0, host: party.ip, latch: 'announced' });
    await edge.setRemote(port.portId, { rtp: party, rtcp: party, send: true, clockRates: {} });
    return port;
  }),
);
await edge.setRoutes(
  ports.map(({ portId }, i) => {
    const peerPortId = ports[(i + 1) % ports.length]?.portId ?? portId;
    const to = transports?.[i];
    if (to === undefined) return { portId, route: { kind: 'direct', peerPortId } };
    return { portId, route: { kind: 'relay', to, peerPortId, payloadTypes: [0] } };
  }),
);
const forks = recorders.map((to): AddForkOptions => {
  const portId = ports[0]?.portId ?? 0;
  return { portId, streamIndex: 0, rtp: to, rtcp: to, from: { kind: 'live' }, paused: false };
});
const forkIds = forks.length > 0 ? await edge.addForks(forks) : [];
process.stdout.write(`${JSON.stringify({ memory: edge.memoryPath(), ports, forkIds })}\n`);
setInterval(() => undefined, 1 << 30);
