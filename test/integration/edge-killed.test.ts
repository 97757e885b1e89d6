import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeClient } from '../../src/edge/edge-client.ts';
import type { OpenedPort } from '../../src/edge/types.ts';
import { openCall, type EdgeCall } from '../support/edge-call.ts';
import { EdgeProcesses, loseNothing } from '../support/edge-processes.ts';
import { EdgeState, groupOf, killGroup, processesOf, until } from '../support/edge-state.ts';
import { rtpRun } from '../support/rtp-fixtures.ts';
import { UdpPeer } from '../support/udp-peer.ts';

let state: EdgeState;
let peers: UdpPeer[];
let client: EdgeClient;
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

async function start(options: { readonly fatalHost?: string } = {}): Promise<void> {
  ({ client } = await state.start(options));
  group = groupOf(client.hello.pid);
  processes = new EdgeProcesses(group);
}

async function peer(): Promise<UdpPeer> {
  const opened = await UdpPeer.open();
  peers.push(opened);
  return opened;
}

const call = (): Promise<EdgeCall> => openCall(client, peer);

describe('an edge whose processes are killed', () => {
  it('loses nothing and sends nothing twice, whenever the one that has the packets is killed', async () => {
    await start();
    const held = await call();
    await loseNothing(client, held, async (sent) => {
      for (let death = 1; death <= 10; death += 1) {
        const at = death * 250 + Math.random() * 150;
        await until('some packets', () => sent() >= at);
        await processes.kill(processes.workers()[0]!);
      }
    });
  });

  it('does not notice when one of its keepers is killed, which is there again at once', async () => {
    await start();
    const held = await call();
    const { pid } = client.hello;
    await loseNothing(client, held, async () => {
      for (const keeper of [group, ...processes.keepers()]) await processes.kill(keeper);
    });
    expect(processes.workers()).toEqual([pid]);
    // Who came last can start a worker, too.
    await processes.kill(pid);
    await held.parties[0].send(held.port.rtp, ...rtpRun(4_001, 3));
    await held.parties[1].gets(4_003);
    await held.recorder.gets(4_003);
  });

  it('goes on when the worker and a keeper are killed together', async () => {
    await start();
    const held = await call();
    await loseNothing(client, held, async () => {
      const before = [processes.workers()[0]!, group];
      for (const pid of before) process.kill(pid, 'SIGKILL');
      for (const pid of before) await processes.isWholeWithout(pid);
    });
  });

  it('is gone for good when all are killed, and the next one starts anew', async () => {
    await start();
    await call();
    const { memory } = client.hello;
    const closed = once(client, 'closed');
    killGroup(group);
    await closed;
    await expect(client.inventory()).rejects.toMatchObject({ code: 'EDGE_LOST' });
    const next = await state.start();
    expect(next.isNew).toBe(true);
    expect(next.client.found).toEqual({ ports: [], forks: [] });
    expect(next.client.hello.memory).toBe(memory);
  });

  it.each(['the worker', 'the first keeper', 'the second keeper'])(
    'ends with all its processes, its socket and its memory when SIGTERM comes to %s',
    async (whom) => {
      await start();
      await call();
      await processes.kill(processes.workers()[0]!);
      await until('its return', async () => (await client.inventory()).ports.length === 2);
      const second = processes.keepers().find((pid) => pid !== group);
      const pids: Record<string, number | undefined> = {
        'the worker': processes.workers()[0],
        'the first keeper': group,
        'the second keeper': second,
      };
      const closed = once(client, 'closed');
      process.kill(pids[whom]!, 'SIGTERM');
      await closed;
      await until('its end', () => processesOf(group).length === 0);
      expect(existsSync(state.socketPath)).toBe(false);
      expect(existsSync(client.hello.memory)).toBe(false);
    },
  );
});

describe('the control of an edge that is killed', () => {
  it('has all that it asked for, each once and in its order, and reads on meanwhile', async () => {
    await start();
    const { port } = await call();
    const opened: OpenedPort[] = [];
    const kills = (async () => {
      for (let death = 0; death < 5; death += 1) {
        await delay(Math.random() * 30);
        expect(client.streamReports([port.portId])).toHaveLength(1);
        await processes.kill(processes.workers()[0]!);
      }
    })();
    const killing = { isOver: false };
    void kills.finally(() => {
      killing.isOver = true;
    });
    while (!killing.isOver || opened.length < 100) {
      const some = await Promise.all(
        Array.from({ length: 10 }, () =>
          client.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' }),
        ),
      );
      opened.push(...some);
      // Within the range of ports.
      for (const { portId } of opened.splice(0, opened.length - 100))
        await client.closePort(portId);
    }
    await kills;
    await until('its return', () => client.hello.pid === processes.workers()[0]);
    const { ports } = await client.inventory();
    const ids = opened.map(({ portId }) => portId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ports).toHaveLength(ids.length + 2);
    expect(ports.map(({ portId }) => portId)).toEqual(expect.arrayContaining(ids));
  });

  it('does not take the edge back from another one', async () => {
    await start();
    await call();
    const closed = once(client, 'closed');
    const next = await state.connect();
    const [cause] = (await closed) as [Error];
    expect(cause).toMatchObject({ code: 'EDGE_LOST' });
    await processes.kill(processes.workers()[0]!);
    expect((await next.inventory()).ports).toHaveLength(2);
  });

  it('is refused an order that kills the edge, and everything else goes on', async () => {
    const fatalHost = '127.6.6.6';
    await start({ fatalHost });
    const held = await call();
    const fatal = { shard: 0, host: fatalHost, latch: 'any' } as const;
    const [refused, port] = await Promise.all([
      client.openPort(fatal).catch((error: unknown) => error),
      client.openPort({ ...fatal, host: '127.0.0.1' }),
    ]);
    expect(refused).toMatchObject({ code: 'EDGE_ORDER_REFUSED' });
    expect((await client.inventory()).ports).toHaveLength(3);
    const { pid } = client.hello;
    // It is known by then.
    await expect(client.openPort(fatal)).rejects.toMatchObject({ code: 'EDGE_ORDER_REFUSED' });
    expect(client.hello.pid).toBe(pid);
    await client.closePort(port.portId);
    await loseNothing(client, held, () => Promise.resolve());
  });
});
