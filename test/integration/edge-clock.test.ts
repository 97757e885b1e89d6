import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { loadAddon } from '../../src/edge/addon.ts';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtp, rtpRun, sequenceOf, timestampOf } from '../support/rtp-fixtures.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

describe.each([11_000, -11_000, 3_600_000, -3_600_000])(
  'an edge while the machine’s clock is set by %s ms',
  (stepMs) => {
    let rig: EdgeRig;
    let party: UdpPeer;
    let recorder: UdpPeer;
    let port: OpenedPort;
    let stepped = 0;

    beforeEach(async () => {
      rig = new EdgeRig();
      party = await rig.peer();
      recorder = await rig.peer();
      port = await rig.port(party);
    });
    afterEach(async () => {
      step(-stepped);
      await rig.close();
    });

    const step = (ms: number) => {
      stepped += ms;
      loadAddon().stepWallClock(ms);
    };
    const packets = (count: number) =>
      rig.until(
        () => rig.streamReport(port.portId),
        (report) => report.packets >= count,
      );

    it('keeps the ring, and tells times of the process’s clock', async () => {
      const before = systemClock.now();
      await party.send(port.rtp, ...rtpRun(100, 5));
      await packets(5);
      step(stepMs);
      await party.send(port.rtp, ...rtpRun(105, 5));
      const report = await packets(10);
      expect(report).toMatchObject({ ringFirst: 65_536 + 100, received: [{ last: 65_536 + 109 }] });
      const { firstAt, lastAt } = report.received[0]!;
      const times = [before, firstAt, lastAt, systemClock.now()];
      // Two readings of one clock, in a double: to a microsecond.
      expect(times.every((at, i) => i === 0 || at >= times[i - 1]! - 0.01)).toBe(true);
      await rig.fork(port, recorder.address, { from: { kind: 'oldest' } });
      expect((await recorder.gets(10)).map(sequenceOf)).toEqual(
        Array.from({ length: 10 }, (_, i) => 100 + i),
      );
    });

    it('does not put the step into a stream that starts anew', async () => {
      await rig.fork(port, recorder.address);
      await party.send(port.rtp, ...rtpRun(100, 3));
      await packets(3);
      step(stepMs);
      await party.send(port.rtp, ...rtpRun(9_000, 2, { ssrc: 99 }));
      const timestamps = (await recorder.gets(5)).map(timestampOf);
      expect(timestamps[3]! - timestamps[2]!).toBeGreaterThanOrEqual(0);
      expect(timestamps[3]! - timestamps[2]!).toBeLessThan(8 * 11_000);
    });

    it('lets no second source in for it', async () => {
      await party.send(port.rtp, rtp({ sequence: 1 }));
      await packets(1);
      const other = await rig.peer();
      step(stepMs);
      await party.send(port.rtp, rtp({ sequence: 2 }));
      await other.send(port.rtp, rtp({ sequence: 7_000, ssrc: 77 }));
      const report = await rig.until(
        () => rig.streamReport(port.portId),
        ({ refused }) => refused.second_source !== undefined,
      );
      expect(report.latched).toEqual(party.address);
    });

    it('says which packet was there at a time', async () => {
      await party.send(port.rtp, ...rtpRun(100, 5));
      const { received } = await packets(5);
      step(stepMs);
      const at = systemClock.now();
      expect(rig.edge.sequencesAt([port.portId], at)).toEqual([65_536 + 105]);
      await party.send(port.rtp, ...rtpRun(105, 5));
      await packets(10);
      expect(rig.edge.sequencesAt([port.portId], at)).toEqual([65_536 + 105]);
      expect(rig.edge.sequencesAt([port.portId], received[0]!.firstAt)).toEqual([65_536 + 100]);
    });
  },
);

describe('an edge asked which packet was there', () => {
  it('knows none before the first', async () => {
    const rig = new EdgeRig();
    const { portId } = await rig.edge.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    expect(rig.edge.sequencesAt([portId], systemClock.now())).toEqual([undefined]);
    await rig.close();
  });
});
