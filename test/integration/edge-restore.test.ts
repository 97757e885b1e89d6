import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/edge/addon.ts';
import { EdgeView } from '../../src/edge/edge-view.ts';
import { Edge } from '../../src/edge/edge.ts';
import type { ForkReport, SequenceRange, StreamReport } from '../../src/edge/types.ts';
import { kill, startEdgeProcess } from '../support/edge-process.ts';
import type { EdgeProcess } from '../support/edge-process.ts';
import { rtpRun, sequenceOf } from '../support/rtp-fixtures.ts';
import { UdpPeer } from '../support/udp-peer.ts';

const cycle = 65_536;
const from = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);
const bounds = (ranges: readonly SequenceRange[]): number[][] =>
  ranges.map(({ first, last }) => [first - cycle, last - cycle]);

let peers: UdpPeer[];
let predecessor: EdgeProcess;
let edge: Edge | undefined;
let party: UdpPeer;
let other: UdpPeer;
let recorders: UdpPeer[];

async function peer(): Promise<UdpPeer> {
  const opened = await UdpPeer.open('127.0.0.1');
  peers.push(opened);
  return opened;
}

async function until(holds: () => boolean): Promise<void> {
  const endsAt = Date.now() + 15_000;
  while (!holds()) {
    if (Date.now() > endsAt) throw new Error('it does not come about');
    await delay(2);
  }
}

beforeEach(async () => {
  peers = [];
  edge = undefined;
  [party, other] = [await peer(), await peer()];
  recorders = [await peer(), await peer()];
  predecessor = await startEdgeProcess(
    [party.address, other.address],
    recorders.map(({ address }) => address),
  );
});
afterEach(async () => {
  edge?.close();
  await kill(predecessor);
  await Promise.all(peers.map((each) => each.close()));
});

/** Kills the edge, whose sockets and memory this process holds by then, and goes on in its stead. */
async function takeOver(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<Edge> {
  const left = loadAddon().socketsOf(predecessor.child.pid!);
  const memory = holdMemory(predecessor.memory);
  await kill(predecessor);
  await meanwhile();
  edge = Edge.adopt({ memory: memory.path, sockets: left }, () => undefined);
  memory.close();
  return edge;
}

/** Another predecessor, whose parties hear each other by way of what stands for mediasoup here. */
async function throughMediasoup(): Promise<[UdpPeer, UdpPeer]> {
  const transports: [UdpPeer, UdpPeer] = [await peer(), await peer()];
  await kill(predecessor);
  predecessor = await startEdgeProcess(
    [party.address, other.address],
    [],
    transports.map(({ address }) => address),
  );
  return transports;
}

/** Open here, it outlives the process that made it. */
function holdMemory(path: string): { path: string; close: () => void } {
  const fd = openSync(path, 'r+');
  return {
    path: `/proc/self/fd/${fd}`,
    close: () => {
      closeSync(fd);
    },
  };
}

const streamOf = (portId: number): StreamReport => edge!.streamReports([portId])[0]!;
const forkOf = (forkId: number): ForkReport => edge!.forkReports([forkId])[0]!;

describe('an edge that goes on where another one was killed', () => {
  it('has its ports and forks, with their numbers, and sends on', async () => {
    const [port] = predecessor.ports;
    await party.send(port!.rtp, ...rtpRun(1, 10));
    await until(() => recorders.every(({ received }) => received.length === 10));
    // In the sockets by then.
    await takeOver(() => party.send(port!.rtp, ...rtpRun(11, 10)));
    await party.send(port!.rtp, ...rtpRun(21, 10));
    await until(() => recorders.every(({ received }) => received.length >= 30));
    await until(() => other.received.length >= 30);
    for (const { received } of [other, ...recorders]) {
      expect(received.map(sequenceOf)).toEqual(from(1, 30));
    }
    const report = streamOf(port!.portId);
    expect(report).toMatchObject({ packets: 30, ssrc: port!.ssrc, duplicates: 0, reordered: 0 });
    expect(bounds(report.received)).toEqual([[1, 30]]);
    for (const forkId of predecessor.forkIds) {
      expect(forkOf(forkId)).toMatchObject({ sentPackets: 30, state: 'live', overrun: [] });
      expect(bounds(forkOf(forkId).sent)).toEqual([[1, 30]]);
    }
    const taken = new Set([...predecessor.ports.map(({ portId }) => portId)]);
    const added = await edge!.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    expect(taken.has(added.portId)).toBe(false);
  });

  it('keeps lists of ranges, and what is late finds its place', async () => {
    const [port] = predecessor.ports;
    const odd = rtpRun(1, 199).filter((_, i) => i % 2 === 0);
    for (const packet of odd) await party.send(port!.rtp, packet);
    await until(() => recorders.every(({ received }) => received.length === odd.length));
    await takeOver();
    expect(streamOf(port!.portId).received).toHaveLength(odd.length);
    await party.send(port!.rtp, ...rtpRun(100, 1), ...rtpRun(150, 1), ...rtpRun(200, 1));
    await until(() => recorders.every(({ received }) => received.length === odd.length + 3));
    const ranges = bounds(streamOf(port!.portId).received);
    expect(ranges).toHaveLength(odd.length - 2);
    expect(ranges.at(-1)).toEqual([199, 200]);
    for (const forkId of predecessor.forkIds) expect(bounds(forkOf(forkId).sent)).toEqual(ranges);
  });

  it('loses nothing and sends nothing twice, whenever the other one is killed', async () => {
    const [port] = predecessor.ports;
    const packets = rtpRun(1, 2_000);
    let sent = 0;
    const isSending = (async () => {
      for (; sent < packets.length; sent += 5) {
        await party.send(port!.rtp, ...packets.slice(sent, sent + 5));
        // No more than sockets hold: what their buffers drop is not what this is about.
        while (sent - other.received.length > 150) await delay(1);
      }
    })();
    const killedAt = 200 + Math.random() * 1_500;
    await until(() => sent > killedAt);
    await takeOver();
    await isSending;
    await until(() => other.received.length >= packets.length);
    await until(() => recorders.every(({ received }) => received.length >= packets.length));
    for (const { received } of [other, ...recorders]) {
      expect(received.map(sequenceOf)).toEqual(from(1, packets.length));
    }
    expect(bounds(streamOf(port!.portId).received)).toEqual([[1, packets.length]]);
    for (const forkId of predecessor.forkIds) {
      const report = forkOf(forkId);
      expect(report.sentPackets).toBe(packets.length);
      expect(report.sent.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(
        packets.length,
      );
    }
  });

  it('goes on with a pause', async () => {
    const [port] = predecessor.ports;
    await party.send(port!.rtp, ...rtpRun(1, 5));
    await until(() => recorders.every(({ received }) => received.length === 5));
    await takeOver();
    const [forkId] = predecessor.forkIds;
    await edge!.pauseFork(forkId!);
    await party.send(port!.rtp, ...rtpRun(6, 5));
    await until(() => recorders[1]!.received.length === 10);
    expect(bounds(forkOf(forkId!).withheld)).toEqual([[6, 10]]);
    await edge!.resumeFork(forkId!);
    await party.send(port!.rtp, ...rtpRun(11, 5));
    await until(() => recorders[0]!.received.length === 10);
    expect((await edge!.removeForks([forkId!]))[0]).toMatchObject({
      sentPackets: 10,
      state: 'ended',
    });
    expect(await edge!.closePort(port!.portId)).toMatchObject({ packets: 15 });
  });

  it('sends on what mediasoup was given and had not given back, once', async () => {
    const [transportA, transportB] = await throughMediasoup();
    const view = EdgeView.open(predecessor.memory);
    const relay = view.relayAddress(0);
    view.close();
    const [port, otherPort] = predecessor.ports;
    await party.send(port!.rtp, ...rtpRun(1, 6));
    const given = await transportA.gets(6);
    await transportB.send(relay, ...given.slice(0, 3));
    await other.gets(3);
    await takeOver();
    await edge!.setRoute(port!.portId, { kind: 'bypass', peerPortId: otherPort!.portId });
    await other.gets(6);
    await party.send(port!.rtp, ...rtpRun(7, 2));
    const heard = await other.gets(8);
    expect(heard.map((packet) => packet[12])).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const [first] = heard.map(sequenceOf);
    expect(heard.map(sequenceOf)).toEqual(heard.map((_, index) => (first! + index) & 0xffff));
  });

  it('goes around mediasoup where the other one did, and says since when', async () => {
    const [transportA] = await throughMediasoup();
    const [port] = predecessor.ports;
    const view = EdgeView.open(predecessor.memory);
    let said = 0;
    while (view.relayStalls().length < 2) {
      await party.send(port!.rtp, ...rtpRun(++said, 1));
      await delay(10);
    }
    const stalls = view.relayStalls();
    view.close();
    await other.gets(said);
    await takeOver();
    expect(edge!.relayStalls()).toEqual(stalls);
    const given = transportA.received.length;
    await party.send(port!.rtp, ...rtpRun(said + 1, 3));
    const heard = await other.gets(said + 3);
    const [first] = heard.map(sequenceOf);
    expect(heard.map(sequenceOf)).toEqual(heard.map((_, index) => (first! + index) & 0xffff));
    expect(transportA.received).toHaveLength(given);
  });

  it('is refused where the sockets of its threads are not there', async () => {
    const memory = holdMemory(predecessor.memory);
    await kill(predecessor);
    expect(() => Edge.adopt({ memory: memory.path, sockets: [] }, () => undefined)).toThrow(
      'relay socket of thread 0 was not handed over',
    );
    memory.close();
  });
});
