import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import {
  receiverReport,
  rtcpTypes,
  senderReport,
  sourceDescription,
  splitRtcp,
} from '../support/rtcp-fixtures.ts';
import { rtp, rtpRun, sequenceOf, ssrcOf, timestampOf } from '../support/rtp-fixtures.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

const packetMs = 20;

let rig: EdgeRig;
let a: UdpPeer;
let b: UdpPeer;
let portA: OpenedPort;
let portB: OpenedPort;
/** What stands for mediasoup: packets of a go in at one and come out at the other. */
let transportA: UdpPeer;
let transportB: UdpPeer;

const route = (payloadTypes = [0]): Promise<void> =>
  rig.edge.setRoutes([
    {
      portId: portA.portId,
      route: {
        ...{ kind: 'relay', to: transportA.address, payloadTypes },
        peerPortId: portB.portId,
      },
    },
    {
      portId: portB.portId,
      route: {
        ...{ kind: 'relay', to: transportB.address, payloadTypes },
        peerPortId: portA.portId,
      },
    },
  ]);

beforeEach(async () => {
  rig = new EdgeRig();
  [a, b, transportA, transportB] = [
    await rig.peer(),
    await rig.peer(),
    await rig.peer(),
    await rig.peer(),
  ];
  portA = await rig.port(a);
  portB = await rig.port(b);
  await route();
});
afterEach(() => rig.close());

/** As a party talks, until `enough`. Returns the next sequence number. */
async function talkUntil(
  enough: () => boolean,
  { first = 1, payloadType = 0, payload }: Parameters<typeof rtp>[0] & { first?: number } = {
    sequence: 0,
  },
): Promise<number> {
  let sequence = first;
  for (; !enough(); sequence += 1) {
    await a.send(portA.rtp, rtp({ sequence, payloadType, ...(payload && { payload }) }));
    await delay(packetMs);
  }
  return sequence;
}

/** By their payloads, the numbers under which they were sent. */
const saidIn = ({ received }: UdpPeer): number[] => received.map((packet) => packet[12]!);

const bypass = (): Promise<void> =>
  rig.edge.setRoutes([
    { portId: portA.portId, route: { kind: 'bypass', peerPortId: portB.portId } },
    { portId: portB.portId, route: { kind: 'bypass', peerPortId: portA.portId } },
  ]);

const goesAround = () => rig.edge.relayStalls().length > 0;

describe('media that does not come back out of mediasoup', () => {
  it('is carried from port to port by the edge itself, and that is told for as long as it is so', async () => {
    const next = await talkUntil(() => b.received.length > 0);
    const heard = sequenceOf(b.received[0]!);
    // What went in and did not come out is not lost, either.
    await b.gets(next - 1);
    expect(saidIn(b)).toEqual(Array.from({ length: next - 1 }, (_, index) => index + 1));
    const stall = await rig.event('relay-silent');
    expect(stall.portId).toBe(portA.portId);
    const stalls = rig.edge.relayStalls();
    expect(stalls.map(({ portId }) => portId).sort()).toEqual([portA.portId, portB.portId].sort());
    for (const { since, at } of stalls) {
      expect(at).toBeGreaterThan(since);
      expect(at).toBe(stall.at);
    }
    // The other way at once, although nothing had been missed there.
    await b.send(portB.rtp, rtp({ sequence: 77, ssrc: 5 }));
    expect(await a.gets(1)).toHaveLength(1);
    expect(transportB.received).toEqual([]);
    const heardBefore = b.received.length;
    await a.send(portA.rtp, ...rtpRun(next, 3));
    const got = await b.gets(heardBefore + 3);
    expect(got.map(sequenceOf)).toEqual(got.map((_, index) => heard + index));
    await route();
    expect(rig.edge.relayStalls()).toEqual([]);
    const before = transportA.received.length;
    await a.send(portA.rtp, rtp({ sequence: next + 3 }));
    expect(await transportA.gets(before + 1)).toHaveLength(before + 1);
  });

  it('goes on as the stream that the party heard before, RTCP with it', async () => {
    const relay = rig.edge.relayAddress(0);
    await a.send(portA.rtp, ...rtpRun(500, 2, { ssrc: 7 }));
    await transportA.gets(2);
    await transportB.send(relay, ...rtpRun(100, 2, { ssrc: 55 }));
    const [first] = await b.gets(2);
    await bypass();
    await a.send(portA.rtp, ...rtpRun(502, 2, { ssrc: 7 }));
    const got = await b.gets(4);
    expect(new Set(got.map(ssrcOf)).size).toBe(1);
    expect(got.map(sequenceOf)).toEqual([100, 101, 102, 103]);
    expect(timestampOf(got[3]!) - timestampOf(got[2]!)).toBe(160);
    expect(got[3]!.subarray(12)).toEqual(rtp({ sequence: 503 }).subarray(12));

    await b.send(
      portB.rtp,
      rtp({ sequence: 9, ssrc: 8 }),
      receiverReport(8, { ssrc: ssrcOf(first!), highestSequence: 103 }),
    );
    const [report] = await a.getsRtcp(1);
    // B saw 103 of one stream; A sent that as 503 of its own.
    expect(report!.readUInt32BE(8)).toBe(7);
    expect(report!.readUInt32BE(16) & 0xffff).toBe(503);
    await a.send(
      portA.rtp,
      Buffer.concat([senderReport(7, 503 * 160), sourceDescription(7, 'a@party')]),
    );
    const [compound] = await b.getsRtcp(1);
    expect(rtcpTypes(compound!)).toEqual([200, 202]);
    const [sender] = splitRtcp(compound!) as [Buffer];
    expect(sender.readUInt32BE(4)).toBe(ssrcOf(first!));
    expect(sender.readUInt32BE(16)).toBe(timestampOf(got[3]!));
  });

  it.each<[string, number[], number[]]>([
    ['nothing', [], [1, 2, 3, 4]],
    ['the first of it', [1, 2], [1, 2, 3, 4]],
    ['all of it', [1, 2, 3, 4], [1, 2, 3, 4]],
    // Its losses are its own: they are not made good out of order.
    ['some of it', [1, 3], [1, 3, 4]],
  ])('is heard once where mediasoup gave back %s', async (_title, back, heard) => {
    await a.send(portA.rtp, ...rtpRun(1, 4));
    const inside = await transportA.gets(4);
    const given = inside.filter((packet) => back.includes(packet[12]!));
    await transportB.send(rig.edge.relayAddress(0), ...given);
    await bypass();
    await transportB.send(rig.edge.relayAddress(0), ...inside);
    await a.send(portA.rtp, rtp({ sequence: 5 }));
    const got = await b.gets(heard.length + 1);
    expect(saidIn(b)).toEqual([...heard, 5]);
    const [first] = got.map(sequenceOf);
    expect(got.map(sequenceOf)).toEqual([...heard, 5].map((said) => first! + said - heard[0]!));
  });

  it('keeps out what comes late', async () => {
    await talkUntil(goesAround);
    const relay = rig.edge.relayAddress(0);
    await a.send(portA.rtp, rtp({ sequence: 600 }));
    await transportB.send(relay, rtp({ sequence: 4_711, ssrc: 55, payload: Buffer.from('late') }));
    await a.send(portA.rtp, rtp({ sequence: 601 }));
    await rig.until(
      () => rig.streamReport(portB.portId).egressPackets,
      (packets) => packets >= 2,
    );
    expect(b.received.some((packet) => packet.includes('late'))).toBe(false);
  });

  it('does not outlive the other port', async () => {
    await talkUntil(goesAround);
    await rig.edge.closePort(portB.portId);
    const { packets } = rig.streamReport(portA.portId);
    await a.send(portA.rtp, rtp({ sequence: 900 }));
    await rig.until(
      () => rig.streamReport(portA.portId).packets,
      (now) => now === packets + 1,
    );
    expect(rig.edge.relayStalls()).toEqual([]);
  });
});

it('tells of all ports when their newest packet came', async () => {
  expect(rig.edge.lastHeard()).toEqual(
    new Map([
      [portA.portId, 0],
      [portB.portId, 0],
    ]),
  );
  await a.send(portA.rtp, rtp({ sequence: 1 }));
  await transportA.gets(1);
  expect(rig.edge.lastHeard().get(portA.portId)).toBe(
    rig.streamReport(portA.portId).received.at(-1)?.lastAt,
  );
});

describe('media that comes back, or that mediasoup does not forward', () => {
  /** Twice as long as it takes to miss it. */
  const long = 25;

  it('stays in mediasoup while one party alone talks', async () => {
    const relay = rig.edge.relayAddress(0);
    let sent = 0;
    await talkUntil(() => {
      for (const packet of transportA.received.splice(0)) void transportB.send(relay, packet);
      return ++sent > long;
    });
    expect(rig.edge.relayStalls()).toEqual([]);
    expect(b.received.length).toBeGreaterThan(0);
  });

  it('is not missed when it is of a payload type that was not agreed, or empty: counted by reason', async () => {
    let sent = 0;
    const enough = () => sent++ >= long;
    await a.send(portA.rtp, rtp({ sequence: 1 }));
    await talkUntil(enough, { sequence: 0, first: 2, payloadType: 96 });
    sent = 0;
    await talkUntil(enough, { sequence: 0, first: 2 + long, payload: Buffer.alloc(0) });
    expect(rig.edge.relayStalls()).toEqual([]);
    expect(rig.streamReport(portA.portId)).toMatchObject({
      packets: 1 + 2 * long,
      unforwarded: { payload_type: long, empty: long },
    });
    expect(rig.edge.counters().unforwarded).toEqual({ payload_type: long, empty: long });
  });

  it('is not missed when it is a single packet now and then', async () => {
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      await a.send(portA.rtp, rtp({ sequence }));
      await delay(300);
    }
    expect(rig.edge.relayStalls()).toEqual([]);
  });

  it('goes without its header extension, which mediasoup may not understand', async () => {
    const plain = rtp({ sequence: 3 });
    const header = Buffer.from(plain.subarray(0, 12));
    header[0]! |= 0x10;
    // One-byte elements (RFC 8285), of which the last one says to be longer than there is room.
    const extension = Buffer.from([0xbe, 0xde, 0, 1, 0x10, 0xaa, 0x2f, 0xbb]);
    await a.send(portA.rtp, Buffer.concat([header, extension, plain.subarray(12)]));
    const [got] = await transportA.gets(1);
    expect(got![0]).toBe(0x80);
    expect(got!.subarray(12)).toEqual(plain.subarray(12));
  });
});
