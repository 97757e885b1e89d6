import { afterEach, beforeEach, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtpRun } from '../support/rtp-fixtures.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

const packets = 200;
const forksPerPort = 8;
/** What the edge sends to legs before it looks at its sockets again: native/src/limits.h. */
const sliceMax = 128 + 64;
let rig: EdgeRig;
let party: UdpPeer;
let ports: OpenedPort[];

beforeEach(async () => {
  // All that is behind is due at once.
  rig = new EdgeRig('127.0.0.1', { catchUpRate: 1_000 });
  party = await rig.peer();
  ports = await Promise.all(Array.from({ length: 4 }, () => rig.port(party)));
  for (const port of ports) {
    for (let first = 1; first <= packets; first += 20) {
      await party.send(port.rtp, ...rtpRun(first, 20));
      await rig.until(
        () => rig.streamReport(port.portId).packets,
        (count) => count === first + 19,
      );
    }
  }
});
afterEach(() => rig.close());

it('recorders that catch up are served in slices, and each has its share', async () => {
  const recorders = await Promise.all(
    Array.from({ length: ports.length * forksPerPort }, () => rig.peer()),
  );
  const options = recorders.map((recorder, index) => ({
    portId: ports[index % ports.length]!.portId,
    streamIndex: 0,
    rtp: recorder.address,
    rtcp: recorder.address,
    from: { kind: 'oldest' as const },
    paused: false,
  }));
  const before = rig.edge.counters();
  const ids = await rig.edge.addForks(options);
  // All at one moment.
  const progress = () => rig.edge.forkReports(ids).map(({ sentPackets }) => sentPackets);
  let furthest = 0;
  await rig.until(progress, (sent) => {
    furthest = Math.max(furthest, Math.max(...sent) - Math.min(...sent));
    return sent.every((count) => count === packets);
  });
  const after = rig.edge.counters();
  const sent = after.packetsToLegs - before.packetsToLegs;
  expect(sent).toBe(ids.length * packets);
  expect(sent / (after.wakeups - before.wakeups)).toBeLessThanOrEqual(sliceMax);
  expect(furthest).toBeLessThanOrEqual(packets / 2);
});

it('a recorder whose share is still to come does not count as level', async () => {
  const recorders = await Promise.all(
    Array.from({ length: ports.length * forksPerPort }, () => rig.peer()),
  );
  for (let round = 0; round < 20; round += 1) {
    const ids = await rig.edge.addForks(
      recorders.map((recorder, index) => ({
        portId: ports[index % ports.length]!.portId,
        streamIndex: 0,
        rtp: recorder.address,
        rtcp: recorder.address,
        from: { kind: 'live' as const },
        paused: false,
      })),
    );
    const first = packets + 1 + round * 40;
    for (const port of ports) void party.send(port.rtp, ...rtpRun(first, 40));
    const portIds = ports.map(({ portId }) => portId);
    // Whenever it is looked at: of one moment.
    const { streams, forks } = await rig.edge.takeStock(portIds, ids);
    for (const [index, fork] of forks.entries()) {
      const newest = streams[index % ports.length]!.received.at(-1)!.last;
      const sent = fork.sent.at(-1)?.last ?? newest;
      if (fork.state === 'live' && fork.sentPackets > 0) expect(sent).toBe(newest);
    }
    await rig.until(
      () => portIds.map((portId) => rig.streamReport(portId).packets),
      (counts) => counts.every((count) => count === first + 39),
    );
  }
});
