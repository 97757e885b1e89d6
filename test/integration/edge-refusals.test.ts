import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { forgeRefusals, maySendIcmp } from '../support/icmp.ts';
import { rtp, rtpRun } from '../support/rtp-fixtures.ts';
import { closedAddress } from '../support/udp-peer.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

let rig: EdgeRig;
let party: UdpPeer;
let port: OpenedPort;

beforeEach(async () => {
  rig = new EdgeRig();
  party = await rig.peer();
  port = await rig.port(party);
});
afterEach(() => rig.close());

describe.skipIf(!maySendIcmp)('ICMP that somebody forged', () => {
  const none = Buffer.alloc(0);

  it.each([
    ['no more than the ports', () => none],
    ['a stream of another SSRC', () => rtp({ sequence: 10, ssrc: 77 })],
    ['a packet that was never sent', () => rtp({ sequence: 3_000, ssrc: port.ssrc })],
  ])('is a doubt, no proof, if it quotes %s', async (_, quote) => {
    const recorder = await rig.peer();
    const forkId = await rig.fork(port, recorder.address);
    await party.send(port.rtp, ...rtpRun(1, 20));
    await recorder.gets(20);
    const leg = rig.edge.legAddress(0, 0, 4).rtp;
    await forgeRefusals(leg, recorder.address, [quote(), quote()]);
    await rig.until(
      () => rig.edge.counters().icmpErrors,
      (count) => count === 2,
    );
    const { doubtedAt, refusedAt } = rig.forkSigns(forkId);
    expect(Math.abs(doubtedAt - Date.now())).toBeLessThan(10_000);
    expect(refusedAt).toBe(0);
    expect(rig.forkReport(forkId).refused).toBeUndefined();
    expect(rig.events.filter(({ type }) => type === 'fork-refused')).toEqual([]);
    // And costs no packet.
    await party.send(port.rtp, ...rtpRun(21, 20));
    await recorder.gets(40);
  });

  it('is proof if it quotes a packet of this stream that was sent just now', async () => {
    const recorder = await rig.peer();
    const forkId = await rig.fork(port, recorder.address);
    await party.send(port.rtp, ...rtpRun(1, 20));
    await recorder.gets(20);
    const { rtp: leg } = rig.edge.legAddress(0, 0, 4);
    await forgeRefusals(leg, recorder.address, [rtp({ sequence: 12, ssrc: port.ssrc })]);
    await rig.event('fork-refused', (event) => event.forkId === forkId);
    expect(rig.forkReport(forkId).refused).toMatchObject({ sequence: 65_536 + 12, count: 1 });
  });

  it('in a flood holds up no packet of a healthy recorder', async () => {
    const recorder = await rig.peer();
    const forkId = await rig.fork(port, recorder.address);
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await recorder.gets(1);
    const { rtp: leg } = rig.edge.legAddress(0, 0, 4);
    const flood = forgeRefusals(leg, recorder.address, Array<Buffer>(20_000).fill(none));
    let sequence = 2;
    const talk = async () => {
      while (rig.edge.counters().icmpErrors < 2_000 || sequence < 500) {
        await party.send(port.rtp, rtp({ sequence: sequence++ }));
        await recorder.gets(sequence - 1);
      }
    };
    await Promise.all([flood, talk()]);
    expect(rig.forkReport(forkId)).toMatchObject({ sentPackets: sequence - 1, sendErrors: 0 });
    expect(rig.forkSigns(forkId)).toMatchObject({ refusedAt: 0, unsendableAt: 0 });
  });
});

it('stays told in the signs that a port is closed, until the recorder has moved its media', async () => {
  const forkId = await rig.fork(port, await closedAddress());
  const other = await rig.peer();
  await party.send(port.rtp, ...rtpRun(1, 2));
  const { at } = await rig.event('fork-refused');
  expect(rig.forkSigns(forkId).refusedAt).toBe(at);
  await rig.edge.setForkTarget(forkId, other.address, other.address);
  expect(rig.forkSigns(forkId).refusedAt).toBe(0);
});
