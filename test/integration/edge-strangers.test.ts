import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EdgeRig } from '../support/edge-rig.ts';
import { receiverReport } from '../support/rtcp-fixtures.ts';
import { rtp } from '../support/rtp-fixtures.ts';

describe('RTCP at a leg socket', () => {
  let rig: EdgeRig;

  beforeEach(() => {
    rig = new EdgeRig();
  });
  afterEach(() => rig.close());

  it('is late where its fork has gone, and refused where none ever was', async () => {
    const [party, recorder, stranger] = [await rig.peer(), await rig.peer(), await rig.peer()];
    const port = await rig.port(party);
    const forkId = await rig.fork(port, recorder.address);
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await recorder.gets(1);
    await rig.removeFork(forkId);
    const leg = rig.edge.legAddress(0, 0, 4);
    await recorder.send(leg.rtcp, receiverReport(7, { ssrc: port.ssrc, highestSequence: 1 }));
    await rig.until(
      () => rig.edge.counters(),
      ({ rtcpIn }) => rtcpIn === 1,
    );
    expect(rig.edge.counters().refused).toEqual({});
    await stranger.send(leg.rtcp, receiverReport(7, { ssrc: port.ssrc, highestSequence: 1 }));
    const { refused, rtcpIn } = await rig.until(
      () => rig.edge.counters(),
      (counters) => counters.refused.stranger !== undefined,
    );
    expect({ refused, rtcpIn }).toEqual({ refused: { stranger: 1 }, rtcpIn: 1 });
  });
});
