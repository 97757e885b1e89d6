import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeClient } from '../../src/edge/edge-client.ts';
import type { OpenedPort, SequenceRange } from '../../src/edge/types.ts';
import { openCall, type EdgeCall } from '../support/edge-call.ts';
import { EdgeState, groupOf, killGroup, processesOf, until } from '../support/edge-state.ts';
import { rtpRun, sequenceOf, ssrcOf } from '../support/rtp-fixtures.ts';
import { UdpPeer } from '../support/udp-peer.ts';

let state: EdgeState;
let peers: UdpPeer[];
let client: EdgeClient;
let group: number;

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
}

async function peer(): Promise<UdpPeer> {
  const opened = await UdpPeer.open();
  peers.push(opened);
  return opened;
}

const call = (): Promise<EdgeCall> => openCall(client, peer);

const named = (name: string): number[] =>
  processesOf(group)
    .filter((each) => each.name === name)
    .map(({ pid }) => pid);
const workers = (): number[] => named('tandem-edge');
const keepers = (): number[] => named('edge-keeper');

/** All three are there, and `pid` is not among them. */
async function isWholeWithout(pid: number): Promise<void> {
  await until('three processes', () => {
    const all = [...workers(), ...keepers()];
    return workers().length === 1 && keepers().length === 2 && !all.includes(pid);
  });
}

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await isWholeWithout(pid);
}

const cycle = 65_536;
const from = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

const numbersOf = (ranges: readonly SequenceRange[]): number[] =>
  ranges.flatMap(({ first, last }) => from(first, last - first + 1));

/** Packets of the first party, while `disturb` does its worst; each is heard and recorded once, in its place. */
async function loseNothing(
  { parties: [party, other], recorder, port, forkId }: EdgeCall,
  disturb: (sent: () => number) => Promise<void>,
): Promise<void> {
  const packets = rtpRun(1, 4_000);
  let sent = 0;
  const disturbed = { isOver: false };
  const disturbance = disturb(() => sent).finally(() => {
    disturbed.isOver = true;
  });
  for (; sent < packets.length; sent += 5) {
    await party.send(port.rtp, ...packets.slice(sent, sent + 5));
    // No more than sockets hold: what their buffers drop is not what this is about.
    while (sent - other.received.length > 150) await delay(1);
    if (!disturbed.isOver) await delay(2);
  }
  await disturbance;
  for (const { received } of [other, recorder]) {
    await until('all packets', () => received.length >= packets.length);
    expect(received.map(sequenceOf)).toEqual(from(1, packets.length));
    expect(new Set(received.map(ssrcOf)).size).toBe(1);
  }
  const [stream] = client.streamReports([port.portId]);
  expect(stream).toMatchObject({ packets: packets.length, ssrc: port.ssrc, duplicates: 0 });
  expect(numbersOf(stream!.received)).toEqual(from(cycle + 1, packets.length));
  await until('the account of the fork', () => {
    const [fork] = client.forkReports([forkId]);
    return fork!.sentPackets === packets.length;
  });
  const [fork] = client.forkReports([forkId]);
  expect(numbersOf(fork!.sent)).toEqual(from(cycle + 1, packets.length));
}

describe('an edge whose processes are killed', () => {
  it('loses nothing and sends nothing twice, whenever the one that has the packets is killed', async () => {
    await start();
    const held = await call();
    await loseNothing(held, async (sent) => {
      for (let death = 1; death <= 10; death += 1) {
        const at = death * 250 + Math.random() * 150;
        await until('some packets', () => sent() >= at);
        await kill(workers()[0]!);
      }
    });
  });

  it('does not notice when one of its keepers is killed, which is there again at once', async () => {
    await start();
    const held = await call();
    const { pid } = client.hello;
    await loseNothing(held, async () => {
      for (const keeper of [group, ...keepers()]) await kill(keeper);
    });
    expect(workers()).toEqual([pid]);
    // Who came last can start a worker, too.
    await kill(pid);
    await held.parties[0].send(held.port.rtp, ...rtpRun(4_001, 3));
    await held.parties[1].gets(4_003);
    await held.recorder.gets(4_003);
  });

  it('goes on when the worker and a keeper are killed together', async () => {
    await start();
    const held = await call();
    await loseNothing(held, async () => {
      const before = [workers()[0]!, group];
      for (const pid of before) process.kill(pid, 'SIGKILL');
      for (const pid of before) await isWholeWithout(pid);
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
      await kill(workers()[0]!);
      await until('its return', async () => (await client.inventory()).ports.length === 2);
      const second = keepers().find((pid) => pid !== group);
      const pids: Record<string, number | undefined> = {
        'the worker': workers()[0],
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
        await kill(workers()[0]!);
      }
    })();
    const killing = { isOver: false };
    void kills.finally(() => {
      killing.isOver = true;
    });
    while (!killing.isOver || opened.length < 100) {
      const some = await Promise.all(
        from(0, 10).map(() => client.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' })),
      );
      opened.push(...some);
      // Within the range of ports.
      for (const { portId } of opened.splice(0, opened.length - 100))
        await client.closePort(portId);
    }
    await kills;
    await until('its return', () => client.hello.pid === workers()[0]);
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
    await kill(workers()[0]!);
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
    await loseNothing(held, () => Promise.resolve());
  });
});
