import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import {
  bye,
  receiverReport,
  rtcpTypes,
  senderReport,
  sourceDescription,
  splitRtcp,
} from '../support/rtcp-fixtures.ts';
import { rtp, rtpRun, sequenceOf, ssrcOf, timestampOf } from '../support/rtp-fixtures.ts';
import { closedAddress } from '../support/udp-peer.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

let rig: EdgeRig;
let a: UdpPeer;
let b: UdpPeer;
let portA: OpenedPort;
let portB: OpenedPort;

async function call(ip = '127.0.0.1') {
  rig = new EdgeRig(ip);
  a = await rig.peer();
  b = await rig.peer();
}
afterEach(() => rig.close());

describe.each(['127.0.0.1', '::1'])('the direct path on %s', (ip) => {
  beforeEach(async () => {
    await call(ip);
    portA = await rig.port(a);
    portB = await rig.port(b);
    await rig.edge.setRoute(portA.portId, { kind: 'direct', peerPortId: portB.portId });
    await rig.edge.setRoute(portB.portId, { kind: 'direct', peerPortId: portA.portId });
  });

  it('brings every packet to the other party bit for bit, from its own port', async () => {
    const sent = [
      ...rtpRun(10, 20),
      rtp({ sequence: 900, ssrc: 3, payloadType: 101, payload: Buffer.from([1, 2, 3, 4]) }),
      rtp({ sequence: 2, ssrc: 0xffff_ffff, timestamp: 0xffff_fff0 }),
    ];
    await a.send(portA.rtp, ...sent);
    expect(await b.gets(sent.length)).toEqual(sent);
    expect(b.sources[0]).toEqual(portB.rtp);
    await b.send(portB.rtp, ...sent);
    expect(await a.gets(sent.length)).toEqual(sent);
    expect(rig.streamReport(portB.portId)).toMatchObject({
      egressPackets: sent.length,
      egressErrors: 0,
    });
  });

  it('sends to where the party is heard from, not to where it said', async () => {
    const moved = await rig.peer();
    await moved.send(portB.rtp, rtp({ sequence: 2 }));
    await a.gets(1);
    await a.send(portA.rtp, rtp({ sequence: 3 }));
    expect((await moved.gets(1)).map(sequenceOf)).toEqual([3]);
    expect(b.received).toHaveLength(0);
  });

  it('relays muxed RTCP untouched, whatever is in it', async () => {
    const compound = Buffer.concat([
      senderReport(0x1234_5678, 99, { ssrc: 7, highestSequence: 70_000 }),
      sourceDescription(0x1234_5678, 'a@party'),
      bye(0x1234_5678),
    ]);
    await a.send(portA.rtp, compound);
    expect((await b.getsRtcp(1))[0]).toEqual(compound);
  });

  it('relays RTCP from port to port when it is not muxed', async () => {
    const [rtcpA, rtcpB] = [await rig.peer(), await rig.peer()];
    const remote = { send: true, clockRates: {} };
    await rig.edge.setRemote(portA.portId, { ...remote, rtp: a.address, rtcp: rtcpA.address });
    await rig.edge.setRemote(portB.portId, { ...remote, rtp: b.address, rtcp: rtcpB.address });
    const report = receiverReport(1, { ssrc: 2 });
    await rtcpA.send(portA.rtcp, report);
    expect(await rtcpB.getsRtcp(1)).toEqual([report]);
    expect(rtcpB.sources[0]).toEqual(portB.rtcp);
  });

  it('sends nothing to a party on hold, and records it all the same', async () => {
    const recorder = await rig.peer();
    await rig.fork(portA, recorder.address);
    const remote = { rtp: b.address, rtcp: b.address, clockRates: {} };
    await rig.edge.setRemote(portB.portId, { ...remote, send: false });
    await a.send(portA.rtp, ...rtpRun(1, 5));
    await recorder.gets(5);
    await rig.edge.setRemote(portB.portId, { ...remote, send: true });
    await a.send(portA.rtp, rtp({ sequence: 6 }));
    expect((await b.gets(1)).map(sequenceOf)).toEqual([6]);
  });

  it('goes on while a recorder refuses, without a packet lost between the parties', async () => {
    await rig.fork(portA, await closedAddress(ip));
    const sent = rtpRun(1, 200);
    for (const packet of sent) await a.send(portA.rtp, packet);
    expect(await b.gets(200)).toEqual(sent);
  });

  it('leads nowhere once the other port is closed', async () => {
    await rig.edge.closePort(portB.portId);
    await a.send(portA.rtp, rtp({ sequence: 1 }));
    await rig.until(
      () => rig.streamReport(portA.portId).packets,
      (packets) => packets === 1,
    );
    // What was on its way to the party would have come before this.
    const other = await rig.peer();
    const last = rtp({ sequence: 77, ssrc: 77 });
    await other.send(b.address, last);
    expect(await b.gets(1)).toEqual([last]);
  });
});

describe('the relay path', () => {
  let transport: UdpPeer;

  beforeEach(async () => {
    await call();
    transport = await rig.peer();
    portA = await rig.port(a);
    await rig.edge.setRoute(portA.portId, { kind: 'relay', to: transport.address });
  });

  it('gives the transport the normalised stream from the shared relay socket', async () => {
    await a.send(portA.rtp, ...rtpRun(1, 3), rtp({ sequence: 700, ssrc: 9, timestamp: 5 }));
    const got = await transport.gets(4);
    expect(got.map(ssrcOf)).toEqual([portA.ssrc, portA.ssrc, portA.ssrc, portA.ssrc]);
    expect(got.map(sequenceOf)).toEqual([1, 2, 3, 4]);
    expect(transport.sources[0]).toEqual(rig.edge.relayAddress(0));
  });

  it('brings the transport’s packets to the party under one SSRC, across a new consumer', async () => {
    const relay = rig.edge.relayAddress(0);
    await transport.send(relay, ...rtpRun(100, 3, { ssrc: 1 }));
    await a.gets(3);
    await transport.send(relay, ...rtpRun(40_000, 3, { ssrc: 2 }));
    const got = await a.gets(6);
    expect(new Set(got.map(ssrcOf)).size).toBe(1);
    expect(got.map(sequenceOf)).toEqual([100, 101, 102, 103, 104, 105]);
    expect(timestampOf(got[1]!) - timestampOf(got[0]!)).toBe(160);
    expect(timestampOf(got[5]!) - timestampOf(got[3]!)).toBe(320);
    expect(a.sources[0]).toEqual(portA.rtp);
  });

  it('forgets the old transport when the route changes, and keeps the party’s stream', async () => {
    const relay = rig.edge.relayAddress(0);
    await transport.send(relay, rtp({ sequence: 10, ssrc: 1 }));
    await a.gets(1);
    const next = await rig.peer();
    await rig.edge.setRoute(portA.portId, { kind: 'relay', to: next.address });
    await transport.send(relay, rtp({ sequence: 11, ssrc: 1 }));
    await next.send(relay, rtp({ sequence: 800, ssrc: 2 }));
    expect((await a.gets(2)).map(sequenceOf)).toEqual([10, 11]);
    expect(new Set(a.received.map(ssrcOf)).size).toBe(1);
  });

  it('lets a dead transport hurt no other call', async () => {
    portB = await rig.port(b);
    await rig.edge.setRoute(portB.portId, { kind: 'relay', to: await closedAddress() });
    for (const packet of rtpRun(1, 300)) {
      await b.send(portB.rtp, packet);
      await a.send(portA.rtp, packet);
    }
    expect((await transport.gets(300)).map(sequenceOf)).toEqual(rtpRun(1, 300).map(sequenceOf));
  });

  it('gives one transport to one port only', async () => {
    portB = await rig.port(b);
    const routed = rig.edge.setRoute(portB.portId, { kind: 'relay', to: transport.address });
    await expect(routed).rejects.toThrow(/another port is routed/);
  });

  it('translates the party’s RTCP for the transport', async () => {
    const relay = rig.edge.relayAddress(0);
    // The stream towards the party has been continued once: consumer 2's 40,000 went out as 103.
    await transport.send(relay, ...rtpRun(100, 3, { ssrc: 1 }), rtp({ sequence: 40_000, ssrc: 2 }));
    const egressSsrc = ssrcOf((await a.gets(4))[0]!);
    await a.send(portA.rtp, rtp({ sequence: 5, ssrc: 77, timestamp: 1_000 }));
    await transport.gets(1);
    await a.send(
      portA.rtp,
      Buffer.concat([
        senderReport(
          77,
          1_160,
          { ssrc: egressSsrc, highestSequence: 103, fractionLost: 5 },
          { ssrc: 4 },
        ),
        sourceDescription(77, 'a@party'),
        bye(77),
      ]),
    );
    const [compound] = await transport.getsRtcp(1);
    expect(rtcpTypes(compound!)).toEqual([200, 202]);
    const [report, description] = splitRtcp(compound!) as [Buffer, Buffer];
    expect(report[0]! & 0x1f).toBe(1);
    expect(report.readUInt32BE(4)).toBe(portA.ssrc);
    expect(report.readUInt32BE(16)).toBe(1_160);
    expect(report.readUInt32BE(28)).toBe(2);
    expect(report[32]).toBe(5);
    expect(report.readUInt32BE(36) & 0xffff).toBe(40_000);
    expect(description.readUInt32BE(4)).toBe(portA.ssrc);
  });

  it('translates the transport’s RTCP for the party', async () => {
    const relay = rig.edge.relayAddress(0);
    await a.send(portA.rtp, ...rtpRun(10, 2, { ssrc: 1 }), rtp({ sequence: 500, ssrc: 2 }));
    await transport.gets(3);
    await transport.send(relay, rtp({ sequence: 3, ssrc: 55 }));
    const egressSsrc = ssrcOf((await a.gets(1))[0]!);
    await transport.send(relay, receiverReport(55, { ssrc: portA.ssrc, highestSequence: 12 }));
    const [report] = await a.getsRtcp(1);
    expect(rtcpTypes(report!)).toEqual([201]);
    expect(report!.readUInt32BE(4)).toBe(egressSsrc);
    expect(report!.readUInt32BE(8)).toBe(2);
    expect(report!.readUInt32BE(16) & 0xffff).toBe(500);
  });
});
