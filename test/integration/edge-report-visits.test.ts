import { afterEach, beforeEach, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtp } from '../support/rtp-fixtures.ts';

/** What the edge reports before it looks at its sockets again, and a gap more: native/src/limits.h. */
const ranges = 8_192 + 1;
const batch = 100;
let rig: EdgeRig;
let ports: OpenedPort[];

beforeEach(async () => {
  rig = new EdgeRig();
  const party = await rig.peer();
  ports = [await rig.port(party), await rig.port(party)];
  for (const { portId, rtp: to } of ports) {
    for (let sent = 0; sent < ranges; sent += batch) {
      const numbers = Array.from({ length: batch }, (_, i) => 2 * (sent + i));
      await party.send(to, ...numbers.map((sequence) => rtp({ sequence })));
      await rig.until(
        () => rig.streamReport(portId).packets,
        (count) => count === sent + batch,
      );
    }
  }
});
afterEach(() => rig.close());

it('streams full of gaps are reported in visits of few, between which the parties are heard', async () => {
  const portIds = ports.map(({ portId }) => portId);
  const before = rig.edge.counters().wakeups;
  const reports = rig.edge.streamReports(portIds);
  const one = rig.edge.counters().wakeups;
  const { streams } = await rig.edge.takeStock(portIds, []);
  const two = rig.edge.counters().wakeups;
  for (const list of [reports, streams]) {
    expect(list.map(({ received }) => received.length > ranges)).toEqual([true, true]);
  }
  // A look visits nobody; stock is taken in a visit a stream.
  expect([one - before, two - one]).toEqual([0, 2]);
});
