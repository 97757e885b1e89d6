import type { EdgeClient } from '../../src/edge/edge-client.ts';
import type { OpenedPort } from '../../src/edge/types.ts';
import type { UdpPeer } from './udp-peer.ts';

export interface EdgeCall {
  readonly parties: readonly [UdpPeer, UdpPeer];
  readonly recorder: UdpPeer;
  /** The first party's. */
  readonly port: OpenedPort;
  readonly forkId: number;
}

/** Two parties that hear each other, and a fork of what the first one says. @param peer opens one */
export async function openCall(
  client: EdgeClient,
  peer: () => Promise<UdpPeer>,
): Promise<EdgeCall> {
  const parties = [await peer(), await peer()] as const;
  const recorder = await peer();
  const open = async ({ address }: UdpPeer): Promise<OpenedPort> => {
    const port = await client.openPort({ shard: 0, host: '127.0.0.1', latch: 'announced' });
    const remote = { rtp: address, rtcp: address, send: true, clockRates: {} };
    await client.setRemote(port.portId, remote);
    return port;
  };
  const [port, other] = [await open(parties[0]), await open(parties[1])];
  await client.setRoutes([
    { portId: port.portId, route: { kind: 'direct', peerPortId: other.portId } },
    { portId: other.portId, route: { kind: 'direct', peerPortId: port.portId } },
  ]);
  const { address } = recorder;
  const [forkId] = await client.addForks([
    {
      ...{ portId: port.portId, streamIndex: 0, rtp: address, rtcp: address, paused: false },
      from: { kind: 'live' },
    },
  ]);
  return { parties, recorder, port, forkId: forkId! };
}
