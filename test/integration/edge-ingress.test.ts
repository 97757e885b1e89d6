import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtp, rtpRun, sequenceOf, ssrcOf, timestampOf } from '../support/rtp-fixtures.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

describe.each(['127.0.0.1', '::1'])('a port on %s', (ip) => {
  let rig: EdgeRig;
  let party: UdpPeer;
  let recorder: UdpPeer;
  let port: OpenedPort;

  beforeEach(async () => {
    rig = new EdgeRig(ip);
    party = await rig.peer();
    recorder = await rig.peer();
    port = await rig.port(party);
    await rig.fork(port, recorder.address);
  });
  afterEach(() => rig.close());

  const packets = (count: number) =>
    rig.until(
      () => rig.streamReport(port.portId),
      (report) => report.packets >= count,
    );
  const refusals = (count: number) =>
    rig.until(
      () => rig.streamReport(port.portId),
      ({ refused }) => Object.values(refused).reduce((sum, n) => sum + n, 0) >= count,
    );

  it('latches on the first source and reports it', async () => {
    await party.send(port.rtp, rtp({ sequence: 7 }));
    expect(await rig.event('latched')).toEqual({
      type: 'latched',
      portId: port.portId,
      address: party.address,
    });
    const report = await packets(1);
    expect(report.latched).toEqual(party.address);
    expect(report.sourceSsrc).toBe(0x1234_5678);
    expect(report.received).toMatchObject([{ first: 65_536 + 7, last: 65_536 + 7 }]);
    expect(Math.abs(report.received[0]!.firstAt - Date.now())).toBeLessThan(5_000);
  });

  it('gives legs its own SSRC and leaves everything else as it came', async () => {
    const sent = rtpRun(60_000, 3, { payloadType: 101 });
    await party.send(port.rtp, ...sent);
    const got = await recorder.gets(3);
    expect(got.map(ssrcOf)).toEqual([port.ssrc, port.ssrc, port.ssrc]);
    const withoutSsrc = (packet: Buffer) =>
      Buffer.concat([packet.subarray(0, 8), packet.subarray(12)]);
    expect(got.map(withoutSsrc)).toEqual(sent.map(withoutSsrc));
  });

  it('keeps gaps, duplicates and the order of arrival', async () => {
    const order = [100, 101, 103, 102, 102, 106, 65_535 & 107];
    for (const sequence of order) await party.send(port.rtp, rtp({ sequence }));
    expect((await recorder.gets(order.length)).map(sequenceOf)).toEqual(order);
    const report = await packets(order.length);
    expect(report).toMatchObject({ duplicates: 1, reordered: 1 });
    expect(report.received.map(({ first, last }) => [first - 65_536, last - 65_536])).toEqual([
      [100, 103],
      [106, 107],
    ]);
  });

  it('unwraps the sequence number over a cycle', async () => {
    await party.send(port.rtp, ...rtpRun(65_530, 12));
    const report = await packets(12);
    expect(report.received).toMatchObject([{ first: 65_536 + 65_530, last: 2 * 65_536 + 5 }]);
  });

  it('continues the stream when the sender changes its SSRC', async () => {
    await party.send(port.rtp, ...rtpRun(500, 5, { ssrc: 1 }));
    await recorder.gets(5);
    await party.send(
      port.rtp,
      rtp({ sequence: 9_000, timestamp: 77, ssrc: 2 }),
      rtp({ sequence: 9_002, timestamp: 397, ssrc: 2 }),
    );
    const got = await recorder.gets(7);
    expect(got.map(sequenceOf)).toEqual([500, 501, 502, 503, 504, 505, 507]);
    expect(new Set(got.map(ssrcOf))).toEqual(new Set([port.ssrc]));
    const [last, next, afterGap] = got.slice(4).map(timestampOf) as [number, number, number];
    // By the wall clock: some milliseconds of 8 kHz, not the sender's jump.
    expect(next - last).toBeGreaterThanOrEqual(0);
    expect(next - last).toBeLessThan(8_000 * 5);
    expect(afterGap - next).toBe(320);
    const report = await packets(7);
    expect(report.ssrcChangeCount).toBe(1);
    expect(report.ssrcChanges).toMatchObject([{ from: 1, to: 2, sequence: 65_536 + 505 }]);
    await rig.event('ssrc-changed', (event) => event.from === 1 && event.to === 2);
  });

  it('puts a straggler of the old SSRC where it belongs', async () => {
    await party.send(
      port.rtp,
      rtp({ sequence: 10, ssrc: 1 }),
      rtp({ sequence: 12, ssrc: 1 }),
      rtp({ sequence: 900, ssrc: 2 }),
      rtp({ sequence: 11, ssrc: 1 }),
      rtp({ sequence: 901, ssrc: 2 }),
    );
    expect((await recorder.gets(5)).map(sequenceOf)).toEqual([10, 12, 13, 11, 14]);
    expect((await packets(5)).ssrcChangeCount).toBe(1);
  });

  it('takes a jump of the sequence that time does not explain for a restart', async () => {
    await party.send(port.rtp, ...rtpRun(100, 3), ...rtpRun(20_000, 2), ...rtpRun(50, 2));
    expect((await recorder.gets(7)).map(sequenceOf)).toEqual([100, 101, 102, 103, 104, 105, 106]);
    const report = await packets(7);
    expect(report.received).toHaveLength(1);
    expect(report.ssrcChangeCount).toBe(0);
  });

  it('gives the port to the announced address as soon as it sends, whoever was first', async () => {
    const first = await rig.peer();
    await first.send(port.rtp, rtp({ sequence: 5_000, ssrc: 99 }));
    await rig.event('latched', ({ address }) => address.port === first.address.port);
    await party.send(port.rtp, rtp({ sequence: 1 }));
    expect((await rig.event('moved')).address).toEqual(party.address);
    expect(await packets(2)).toMatchObject({ latched: party.address, refused: {} });
  });

  it('judges packets that are read together one after the other', async () => {
    const first = await rig.peer();
    for (let round = 1; round <= 30; round += 1) {
      const { rtp: to, portId } = await rig.port(party);
      await first.send(to, rtp({ sequence: 5_000, ssrc: 99 }));
      await rig.event('latched', (event) => event.portId === portId);
      // Nothing is waited for in between: the edge finds both when it wakes up, as a rule.
      await Promise.all([
        party.send(to, rtp({ sequence: 1 })),
        first.send(to, rtp({ sequence: 5_001, ssrc: 99 })),
      ]);
      const report = await rig.until(
        () => rig.streamReport(portId),
        ({ packets: taken, refused }) => taken + (refused['second_source'] ?? 0) >= 3,
      );
      expect(report).toMatchObject({ packets: 2, latched: party.address });
    }
  });

  it('follows a party whose stream goes on from another port of its address', async () => {
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await packets(1);
    const moved = await rig.peer();
    await moved.send(port.rtp, rtp({ sequence: 2 }));
    expect((await rig.event('moved')).address).toEqual(moved.address);
    expect(await packets(2)).toMatchObject({ latched: moved.address, refused: {} });
  });

  it.each([
    ['its SSRC', {}],
    ['another SSRC', { ssrc: 99 }],
  ])('refuses a second source while the first one is heard, under %s', async (_title, stream) => {
    const other = await rig.peer();
    let sequence = 0;
    // Until it is so: a busy machine may hold this process up for longer than the party may be silent.
    await rig.until(
      () => {
        sequence += 1;
        void party.send(port.rtp, rtp({ sequence }));
        void other.send(port.rtp, rtp({ ...stream, sequence: 30_000 }));
        return rig.streamReport(port.portId).refused;
      },
      ({ second_source: refused = 0 }) => refused > 0,
    );
    await party.send(port.rtp, rtp({ sequence: sequence + 1 }));
    await rig.until(
      () => rig.streamReport(port.portId).latched?.port,
      (latched) => latched === party.address.port,
    );
  });

  it('takes a second source once the first one has fallen silent', async () => {
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await packets(1);
    const other = await rig.peer();
    await rig.until(
      () => {
        void other.send(port.rtp, rtp({ sequence: 5_000, ssrc: 99 }));
        return rig.streamReport(port.portId);
      },
      ({ latched }) => latched?.port === other.address.port,
    );
  });

  it('does not fall back to the old source when the party gives another address', async () => {
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await packets(1);
    const next = await rig.peer();
    await rig.edge.setRemote(port.portId, {
      rtp: next.address,
      rtcp: next.address,
      send: true,
      clockRates: {},
    });
    await party.send(port.rtp, rtp({ sequence: 2 }));
    await refusals(1);
    await next.send(port.rtp, rtp({ sequence: 9_000, ssrc: 5 }));
    await party.send(port.rtp, rtp({ sequence: 3 }));
    const report = await refusals(2);
    expect(report).toMatchObject({
      packets: 2,
      latched: next.address,
      refused: { second_source: 2 },
    });
  });

  it('is not moved by one packet that is 150 numbers old', async () => {
    const sent = rtpRun(1_000, 200);
    await party.send(port.rtp, ...sent, sent[50]!, ...rtpRun(1_200, 100));
    await recorder.gets(301);
    const report = await packets(301);
    expect(report).toMatchObject({ duplicates: 1 });
    expect(report.received).toMatchObject([{ first: 65_536 + 1_000, last: 65_536 + 1_299 }]);
  });

  it('keeps every packet of a sender that starts anew 50 numbers back', async () => {
    await party.send(port.rtp, ...rtpRun(1_000, 100));
    const again = Array.from({ length: 100 }, (_, i) =>
      rtp({ sequence: 1_050 + i, timestamp: 3_000_000_000 + 160 * i }),
    );
    await party.send(port.rtp, ...again);
    expect((await recorder.gets(200)).map(sequenceOf)).toEqual(
      Array.from({ length: 200 }, (_, i) => 1_000 + i),
    );
    expect((await packets(200)).duplicates).toBe(0);
  });

  it('tells 10,000 gaps as they are', async () => {
    for (let first = 0; first < 20_000; first += 400) {
      const batch = Array.from({ length: 200 }, (_, i) => rtp({ sequence: first + 2 * i }));
      await party.send(port.rtp, ...batch);
      await packets((first + 400) / 2);
    }
    const report = rig.streamReport(port.portId);
    expect(report.received).toHaveLength(10_000);
    expect(report.rangesJoined).toBe(0);
    expect(report.exactFrom).toBeUndefined();
  });

  it('forgets the latch when the party gives another address', async () => {
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await packets(1);
    const next = await rig.peer();
    await rig.edge.setRemote(port.portId, {
      rtp: next.address,
      rtcp: next.address,
      send: true,
      clockRates: {},
    });
    expect(rig.streamReport(port.portId).latched).toBeUndefined();
    await next.send(port.rtp, rtp({ sequence: 2, ssrc: 5 }));
    expect((await packets(2)).latched).toEqual(next.address);
  });

  it.each([
    ['malformed_short', Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])],
    ['malformed_short', Buffer.alloc(0)],
    ['malformed_version', Buffer.concat([Buffer.from([0x40]), rtp({ sequence: 1 }).subarray(1)])],
    ['malformed_csrc', Buffer.concat([Buffer.from([0x8f]), rtp({ sequence: 1 }).subarray(1, 60)])],
    [
      'malformed_extension',
      Buffer.concat([
        Buffer.from([0x90]),
        rtp({ sequence: 1 }).subarray(1, 12),
        Buffer.from([0xbe]),
      ]),
    ],
    [
      'malformed_extension',
      Buffer.concat([
        Buffer.from([0x90]),
        rtp({ sequence: 1 }).subarray(1, 12),
        Buffer.from([0xbe, 0xde, 0xff, 0xff, 1, 2, 3, 4]),
      ]),
    ],
    [
      'malformed_padding',
      Buffer.concat([Buffer.from([0xa0]), rtp({ sequence: 1 }).subarray(1, 12), Buffer.from([2])]),
    ],
    [
      'malformed_padding',
      Buffer.concat([Buffer.from([0xa0]), rtp({ sequence: 1 }).subarray(1, 20), Buffer.from([0])]),
    ],
    ['malformed_rtcp', Buffer.from([0x81, 200, 0, 6, 0, 0, 0, 1])],
    ['oversize', Buffer.concat([rtp({ sequence: 1 }), Buffer.alloc(20_000)])],
  ])('counts %s and forwards nothing of it', async (reason, datagram) => {
    const peer = await rig.peer();
    const other = await rig.port(peer);
    await rig.edge.setRoute(port.portId, { kind: 'direct', peerPortId: other.portId });
    await party.send(port.rtp, datagram, rtp({ sequence: 2 }));
    const report = await packets(1);
    expect(report.refused).toEqual({ [reason]: 1 });
    expect((await recorder.gets(1)).map(sequenceOf)).toEqual([2]);
    expect(await peer.gets(1)).toHaveLength(1);
    expect(rig.edge.counters().refused).toEqual({ [reason]: 1 });
  });

  it('takes CSRC, extension and padding that are whole', async () => {
    const plain = rtp({ sequence: 3 });
    const csrc = Buffer.alloc(8, 0x11);
    const extension = Buffer.from([0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    const packet = Buffer.concat([
      Buffer.from([0xb2]),
      plain.subarray(1, 12),
      csrc,
      extension,
      plain.subarray(12),
      Buffer.from([0, 0, 3]),
    ]);
    await party.send(port.rtp, packet);
    const [got] = await recorder.gets(1);
    expect(got!.subarray(12)).toEqual(packet.subarray(12));
  });

  it('is not ready for anyone before the party has been announced', async () => {
    port = await rig.edge.openPort({ shard: 0, host: ip, latch: 'announced' });
    await party.send(port.rtp, rtp({ sequence: 1 }));
    expect((await refusals(1)).refused).toEqual({ not_ready: 1 });
  });

  it('takes whoever comes first when the call says so, even before the answer', async () => {
    port = await rig.edge.openPort({ shard: 0, host: ip, latch: 'any' });
    await party.send(port.rtp, rtp({ sequence: 1 }));
    expect((await packets(1)).latched).toEqual(party.address);
  });
});

describe('a port with several addresses about', () => {
  it('refuses strangers under announced, and a silent party may come back from elsewhere under any', async () => {
    const rig = new EdgeRig();
    const party = await rig.peer();
    const stranger = await rig.peer('127.0.0.2');
    const closed = await rig.port(party);
    await stranger.send(closed.rtp, rtp({ sequence: 1 }));
    const refused = await rig.until(
      () => rig.streamReport(closed.portId).refused,
      (counts) => counts.stranger !== undefined,
    );
    expect(refused).toEqual({ stranger: 1 });

    const open = await rig.edge.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    await party.send(open.rtp, rtp({ sequence: 1 }));
    await rig.event('latched', ({ portId }) => portId === open.portId);
    await stranger.send(open.rtp, rtp({ sequence: 900, ssrc: 7 }));
    await rig.until(
      () => rig.streamReport(open.portId).refused,
      (counts) => counts.second_source === 1,
    );
    await rig.until(
      () => {
        void stranger.send(open.rtp, rtp({ sequence: 900, ssrc: 7 }));
        return rig.streamReport(open.portId).latched;
      },
      (latched) => latched?.ip === '127.0.0.2',
    );
    await rig.close();
  });
});
