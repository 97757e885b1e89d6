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
  ports = Array.from({ length: 4 }, () => rig.port(party));
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
  const ids = rig.edge.addForks(options);
  const progress = () => ids.map((forkId) => rig.forkReport(forkId).sentPackets);
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
