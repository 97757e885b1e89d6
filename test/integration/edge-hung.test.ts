import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeClient } from '../../src/edge/edge-client.ts';
import { openCall, type EdgeCall } from '../support/edge-call.ts';
import { EdgeProcesses, loseNothing } from '../support/edge-processes.ts';
import { EdgeState, groupOf, processesOf, testEdgeOptions, until } from '../support/edge-state.ts';
import { rtpRun } from '../support/rtp-fixtures.ts';
import { UdpPeer } from '../support/udp-peer.ts';

let state: EdgeState;
let peers: UdpPeer[];
let client: EdgeClient;
/** Its number is that of the first keeper, which is the active one. */
let group: number;
let processes: EdgeProcesses;

beforeEach(() => {
  state = new EdgeState();
  peers = [];
});
afterEach(async () => {
  await state.close();
  await Promise.all(peers.map((each) => each.close()));
});

async function start(options: Parameters<EdgeState['start']>[0] = {}): Promise<void> {
  ({ client } = await state.start(options));
  group = groupOf(client.hello.pid);
  processes = new EdgeProcesses(group);
}

const call = (): Promise<EdgeCall> =>
  openCall(client, async () => {
    const peer = await UdpPeer.open();
    peers.push(peer);
    return peer;
  });

async function isHeard({ parties, port, recorder }: EdgeCall): Promise<void> {
  await parties[0].send(port.rtp, ...rtpRun(4_001, 3));
  await parties[1].gets(4_003);
  await recorder.gets(4_003);
}

describe('an edge that hangs', () => {
  it('loses nothing and sends nothing twice', async () => {
    await start();
    const held = await call();
    await loseNothing(client, held, async (sent) => {
      for (const at of [300, 1_200]) {
        await until('some packets', () => sent() >= at);
        await processes.hang(processes.workers()[0]!);
      }
    });
  });

  it('goes on by itself as long as nothing of it hangs', async () => {
    await start({ edge: testEdgeOptions({ threads: 2 }), hangMs: 300 });
    const { pid } = client.hello;
    // Nothing but its beats wakes it; a keeper that hangs meanwhile shows that it was looked at.
    await processes.hang(group);
    expect(processes.workers()).toEqual([pid]);
    expect((await client.inventory()).ports).toEqual([]);
  });

  it('has another keeper in the place of one that hangs, which can start it again', async () => {
    await start();
    const held = await call();
    const { pid } = client.hello;
    await loseNothing(client, held, async () => {
      const second = processes.keepers().find((keeper) => keeper !== group)!;
      await processes.hang(second);
      await processes.hang(group);
    });
    expect(processes.workers()).toEqual([pid]);
    await processes.kill(pid);
    await isHeard(held);
  });

  it('goes on when it is killed while the keeper hangs that would start it again', async () => {
    await start();
    const held = await call();
    await loseNothing(client, held, async () => {
      const [pid] = processes.workers();
      process.kill(group, 'SIGSTOP');
      await processes.kill(pid!);
      expect(processes.keepers()).not.toContain(group);
    });
  });

  it('is refused an order that hangs one of its threads, and everything else goes on', async () => {
    const hangHost = '127.6.6.6';
    await start({ hangHost });
    const held = await call();
    const hanging = { shard: 0, host: hangHost, latch: 'any' } as const;
    await loseNothing(client, held, async () => {
      await expect(client.openPort(hanging)).rejects.toMatchObject({ code: 'EDGE_ORDER_REFUSED' });
    });
    expect(client.hello.starts).toBe(4);
    expect((await client.inventory()).ports).toHaveLength(2);
  });

  it('ends when it was asked to while it hung', async () => {
    await start();
    await call();
    const closed = once(client, 'closed');
    process.kill(processes.workers()[0]!, 'SIGSTOP');
    process.kill(group, 'SIGTERM');
    await closed;
    await until('its end', () => processesOf(group).length === 0);
  });

  it('is not started with a limit that its beats cannot keep', async () => {
    await expect(state.start({ hangMs: 299 })).rejects.toMatchObject({
      details: { field: 'hangMs', value: 299 },
    });
  });
});
