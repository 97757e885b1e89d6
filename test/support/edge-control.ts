// A control of its own process, to be killed: starts the edge, makes a call of two parties and a fork of what a says, prints what it
// has made, and stays. Its one argument is what it needs to know, as JSON.

import { startOrFindEdge } from '../../src/edge/edge-process.ts';
import type { EdgeProcessOptions } from '../../src/edge/edge-process-types.ts';
import type { PortRoute, SocketAddress } from '../../src/edge/types.ts';

export interface ControlPlan {
  readonly process: EdgeProcessOptions;
  readonly parties: readonly [SocketAddress, SocketAddress];
  /** What stands for mediasoup, of each party; absent: the direct route. */
  readonly transports?: readonly [SocketAddress, SocketAddress];
  readonly recorder: SocketAddress;
}

/** Standard output, one line of JSON. */
export interface ControlMade {
  readonly edgePid: number;
  readonly relay: SocketAddress;
  readonly ports: readonly { portId: number; rtp: SocketAddress; ssrc: number }[];
  readonly forkId: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as ControlPlan;
const { client } = await startOrFindEdge(plan.process);
const open = async (rtp: SocketAddress) => {
  const port = await client.openPort({ shard: 0, host: rtp.ip, latch: 'announced' });
  await client.setRemote(port.portId, { rtp, rtcp: rtp, send: true, clockRates: {} });
  return port;
};
const [a, b] = [await open(plan.parties[0]), await open(plan.parties[1])];
const route = (side: 0 | 1, peerPortId: number): PortRoute =>
  plan.transports === undefined
    ? { kind: 'direct', peerPortId }
    : { kind: 'relay', to: plan.transports[side], peerPortId, payloadTypes: [0] };
await client.setRoutes([
  { portId: a.portId, route: route(0, b.portId) },
  { portId: b.portId, route: route(1, a.portId) },
]);
const [forkId] = await client.addForks([
  {
    ...{ portId: a.portId, streamIndex: 0, paused: false },
    ...{ rtp: plan.recorder, rtcp: plan.recorder, from: { kind: 'live' } },
  },
]);
const made: ControlMade = {
  edgePid: client.hello.pid,
  relay: client.relayAddress(0),
  ports: [a, b],
  forkId: forkId ?? 0,
};
process.stdout.write(`${JSON.stringify(made)}\n`);
