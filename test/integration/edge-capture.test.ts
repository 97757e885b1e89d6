import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenedCapture, OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import {
  receiverReport,
  rtcpTypes,
  senderReport,
  sourceDescription,
} from '../support/rtcp-fixtures.ts';
import { rtp, rtpRun } from '../support/rtp-fixtures.ts';
import { toolEnvironment, tsharkFields } from '../support/tshark.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

let dir: string;
let file: string;
let rig: EdgeRig;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'edge-capture-'));
  file = join(dir, 'media.pcapng');
});
afterEach(async () => {
  await rig.close();
  rmSync(dir, { recursive: true, force: true });
});

function capture(...senders: readonly (readonly [label: string, sender: UdpPeer])[]) {
  return rig.edge.openCapture({
    file,
    host: rig.ip,
    latch: 'announced',
    comment: 'recordId 4711',
    streams: senders.map(([label, sender]) => ({
      label,
      remote: { rtp: sender.address, rtcp: sender.address },
      clockRates: { 0: 8_000 },
    })),
  });
}

/** The edge's clock. */
const processNow = (): number => performance.timeOrigin + performance.now();

const captured = (id: OpenedCapture, packets: number) =>
  rig.until(
    () => rig.edge.captureReport(id.captureId),
    ({ streams }) => streams.reduce((sum, s) => sum + s.packets + s.rtcpPackets, 0) >= packets,
  );

describe.each([
  ['127.0.0.1', 'ip'],
  ['::1', 'ipv6'],
])('a capture on %s', (ip, layer) => {
  let a: UdpPeer;
  let b: UdpPeer;

  beforeEach(async () => {
    rig = new EdgeRig(ip);
    a = await rig.peer();
    b = await rig.peer();
  });

  it('writes every packet with its addresses, time, interface and right checksums', async () => {
    const opened = capture(['10', a], ['20', b]);
    const [toA, toB] = [opened.streams[0]!, opened.streams[1]!];
    const before = Date.now() / 1_000;
    for (let i = 0; i < 50; ++i) {
      await a.send(opened.streams[0]!.rtp, rtp({ sequence: 100 + i, ssrc: 0xa }));
      await b.send(opened.streams[1]!.rtp, rtp({ sequence: 200 + i, ssrc: 0xb }));
    }
    await captured(opened, 100);
    // Readable while it grows: all that was received is in the file.
    const rows = await tsharkFields(file, {
      decode: { [toA.rtp.port]: 'rtp', [toB.rtp.port]: 'rtp' },
      fields: [
        'frame.time_epoch',
        'frame.interface_name',
        `${layer}.src`,
        'udp.srcport',
        'udp.dstport',
        'rtp.ssrc',
        'rtp.seq',
        'rtp.payload',
        'udp.checksum.status',
      ],
    });
    expect(rows).toHaveLength(100);
    const ofA = rows.filter(([, name]) => name === '10');
    expect(ofA.map((row) => row.slice(2))).toEqual(
      Array.from({ length: 50 }, (_, i) => [
        ip,
        String(a.address.port),
        String(toA.rtp.port),
        '0x0000000a',
        String(100 + i),
        Buffer.alloc(160, 100 + i).toString('hex'),
        '1',
      ]),
    );
    for (const [time] of rows) {
      expect(Number(time)).toBeGreaterThanOrEqual(before - 0.001);
      expect(Number(time)).toBeLessThanOrEqual(Date.now() / 1_000 + 0.001);
    }
    const report = rig.edge.closeCapture(opened.captureId);
    expect(report.fileBytes).toBe(statSync(file).size);
    expect(report.streams).toMatchObject([
      { label: '10', packets: 50, bytes: 50 * 172, lostPackets: 0, ssrc: 0xa },
      { label: '20', packets: 50, lostPackets: 0, ssrc: 0xb },
    ]);
    expect(report.failed).toBeUndefined();
  });

  it('leaves a file without packets that opens, with its comment', () => {
    const opened = capture(['1', a]);
    rig.edge.closeCapture(opened.captureId);
    const info = execFileSync('capinfos', ['-c', '-k', file], {
      encoding: 'utf8',
      env: toolEnvironment,
    });
    expect(info).toMatch(/Number of packets:\s+0/);
    expect(info).toContain('recordId 4711');
  });

  it('writes RTCP beside RTP and refuses strangers’ and second sources’ packets', async () => {
    const opened = capture(['1', a]);
    const { rtp: to, rtcp } = opened.streams[0]!;
    await a.send(to, rtp({ sequence: 1 }));
    await captured(opened, 1);
    await b.send(to, rtp({ sequence: 2, ssrc: 99 }));
    await a.send(rtcp, senderReport(0x1234_5678, 5), Buffer.from('nonsense'));
    await captured(opened, 2);
    const report = await rig.until(
      () => rig.edge.captureReport(opened.captureId).streams[0]!,
      ({ refused }) => refused.malformed_rtcp === 1,
    );
    expect(report).toMatchObject({
      packets: 1,
      rtcpPackets: 1,
      refused: { second_source: 1, malformed_rtcp: 1 },
    });
    const rows = await tsharkFields(file, {
      decode: { [to.port]: 'rtp', [rtcp.port]: 'rtcp' },
      fields: ['udp.dstport', 'rtp.seq', 'rtcp.pt'],
    });
    expect(rows).toEqual([
      [String(to.port), '1', ''],
      [String(rtcp.port), '', '200'],
    ]);
  });

  it('keeps the announced sender’s stream and reports, whoever sends first or beside it', async () => {
    const opened = capture(['1', a]);
    const { rtp: to } = opened.streams[0]!;
    await b.send(to, rtp({ sequence: 7, ssrc: 99 }));
    await captured(opened, 1);
    await a.send(to, ...rtpRun(1, 5));
    await captured(opened, 6);
    await b.send(to, ...rtpRun(6, 5), rtp({ sequence: 8, ssrc: 99 }));
    const { streams } = await rig.until(
      () => rig.edge.captureReport(opened.captureId),
      (report) => report.streams[0]!.refused.second_source === 6,
    );
    expect(streams[0]).toMatchObject({ packets: 6, ssrc: 0x1234_5678 });
    rig.edge.closeCapture(opened.captureId);
    expect((await a.getsRtcp(1)).map(rtcpTypes)).toContainEqual([201, 202, 203]);
    expect(b.rtcp.filter((packet) => rtcpTypes(packet).includes(203))).toEqual([]);
  });

  it('takes a sender that was announced late', async () => {
    const opened = capture(['1', b]);
    rig.edge.setCaptureRemote(opened.captureId, 0, { rtp: a.address, rtcp: a.address });
    await a.send(opened.streams[0]!.rtp, rtp({ sequence: 1 }));
    await captured(opened, 1);
  });
});

describe('what can go wrong with a capture file', () => {
  beforeEach(() => {
    rig = new EdgeRig();
  });

  it('does not touch a file that exists', async () => {
    writeFileSync(file, 'mine');
    const sender = await rig.peer();
    expect(() => capture(['1', sender])).toThrow(/EEXIST/);
    expect(statSync(file).size).toBe(4);
    expect(rig.edge.counters().captures).toBe(0);
  });

  it('refuses a folder that is not there, and keeps no port for it', async () => {
    const sender = await rig.peer();
    file = join(dir, 'missing', 'media.pcapng');
    for (let i = 0; i < 600; ++i) expect(() => capture(['1', sender])).toThrow(/ENOENT/);
    file = join(dir, 'media.pcapng');
    capture(['1', sender]);
  });

  it('reports a full disk once and leaves whole blocks behind', async (context) => {
    const disk = join(dir, 'disk');
    try {
      execFileSync('mkdir', [disk]);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      context.skip('a small file system can only be mounted by root');
    }
    try {
      file = join(disk, 'media.pcapng');
      const sender = await rig.peer();
      const opened = capture(['1', sender]);
      for (let i = 0; i < 500; ++i) {
        await sender.send(opened.streams[0]!.rtp, rtp({ sequence: i }));
      }
      expect(await rig.event('capture-failed')).toMatchObject({
        captureId: opened.captureId,
        errno: 'ENOSPC',
      });
      await captured(opened, 500);
      const report = rig.edge.closeCapture(opened.captureId);
      expect(report.failed).toBe('ENOSPC');
      expect(report.fileBytes).toBe(statSync(file).size);
      expect(rig.events.filter(({ type }) => type === 'capture-failed')).toHaveLength(1);
      const rows = await tsharkFields(file, { fields: ['frame.number'] });
      expect(rows.length).toBeGreaterThan(200);
      expect(rows.length).toBeLessThan(500);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

describe('RTCP on a leg', () => {
  let party: UdpPeer;
  let port: OpenedPort;

  beforeEach(async () => {
    rig = new EdgeRig('127.0.0.1', { rtcpIntervalMs: 60 });
    party = await rig.peer();
    port = await rig.port(party);
  });

  it('brings sender reports, a CNAME and a BYE to a recorder, and its reception back', async () => {
    const leg = rig.edge.legAddress(0, 0, 4);
    const opened = rig.edge.openCapture({
      file,
      host: '127.0.0.1',
      latch: 'announced',
      comment: '',
      streams: [{ label: '1', remote: leg, clockRates: { 0: 8_000 } }],
    });
    const { rtp: toRtp, rtcp: toRtcp } = opened.streams[0]!;
    const fork = await rig.fork(port, toRtp, { rtcp: toRtcp });
    // Two packets are lost before us.
    await party.send(port.rtp, ...rtpRun(1, 20), ...rtpRun(23, 20));
    const report = await rig.until(
      () => rig.forkReport(fork),
      ({ receiverReport }) => receiverReport?.roundTripMs !== undefined,
    );
    expect(report.receiverReport).toMatchObject({
      highestSequence: 65_536 + 42,
    });
    expect(report.receiverReport!.roundTripMs).toBeLessThan(1_000);
    expect(report.receiverReports).toBeGreaterThanOrEqual(1);
    expect(rig.edge.captureReport(opened.captureId).streams[0]!.lostPackets).toBe(2);

    await rig.removeFork(fork);
    rig.edge.closeCapture(opened.captureId);
    const rows = await tsharkFields(file, {
      decode: { [toRtp.port]: 'rtp', [toRtcp.port]: 'rtcp' },
      filter: 'rtcp',
      fields: [
        'rtcp.pt',
        'rtcp.senderssrc',
        'rtcp.sender.packetcount',
        'rtcp.sender.octetcount',
        'rtcp.sdes.text',
        'udp.srcport',
        '_ws.malformed',
      ],
    });
    const ssrc = `0x${port.ssrc.toString(16).padStart(8, '0')}`;
    const report40 = [
      '200,202',
      ssrc,
      '40',
      String(40 * 160),
      'edge@test.invalid',
      String(leg.rtcp.port),
    ];
    expect(rows.slice(1, -1).map((row) => row.slice(0, 6))).toContainEqual(report40);
    expect(rows.at(-1)![0]).toBe('200,202,203');
    expect(rows.every((row) => (row[6] ?? '') === '')).toBe(true);
  });

  it('maps NTP to RTP time within the stream', async () => {
    const recorder = await rig.peer();
    await rig.fork(port, recorder.address);
    const before = processNow();
    await party.send(port.rtp, rtp({ sequence: 1, timestamp: 0xffff_ff00 }));
    const after = processNow();
    const reports = (await recorder.getsRtcp(3)).slice(0, 3);
    expect(reports.map(rtcpTypes)).toEqual([
      [200, 202],
      [200, 202],
      [200, 202],
    ]);
    for (const report of reports) {
      const unixMs =
        (report.readUInt32BE(8) - 2_208_988_800) * 1_000 +
        (report.readUInt32BE(12) / 2 ** 32) * 1_000;
      const ticks = (report.readUInt32BE(16) - 0xffff_ff00) >>> 0;
      // When the packet came, give or take a tick.
      expect(unixMs - ticks / 8).toBeGreaterThan(before - 1);
      expect(unixMs - ticks / 8).toBeLessThan(after + 1);
    }
  });

  it('says nothing on a paused fork', async () => {
    const [paused, live] = [await rig.peer(), await rig.peer()];
    const fork = await rig.fork(port, paused.address);
    await rig.fork(port, live.address);
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await paused.getsRtcp(1);
    await rig.edge.pauseFork(fork);
    const before = live.rtcp.length;
    const beforePaused = paused.rtcp.length;
    await live.getsRtcp(before + 3);
    expect(paused.rtcp.length - beforePaused).toBeLessThanOrEqual(1);
  });

  it('reads receiver reports of a recorder that muxes, and no one else’s', async () => {
    const [recorder, other] = [await rig.peer(), await rig.peer()];
    const fork = await rig.fork(port, recorder.address);
    await party.send(port.rtp, ...rtpRun(65_530, 10));
    await recorder.gets(10);
    const leg = rig.edge.legAddress(0, 0, 4);
    await other.send(leg.rtp, receiverReport(9, { ssrc: port.ssrc, cumulativeLost: 100 }));
    await recorder.send(
      leg.rtp,
      Buffer.concat([
        receiverReport(
          9,
          { ssrc: 12, cumulativeLost: 9 },
          // The recorder counts one cycle: it has seen the wrap.
          {
            ssrc: port.ssrc,
            fractionLost: 255,
            cumulativeLost: 3,
            highestSequence: 65_536 + 2,
            jitter: 80,
          },
        ),
        sourceDescription(9, 'recorder'),
      ]),
    );
    const report = await rig.until(
      () => rig.forkReport(fork),
      ({ receiverReports }) => receiverReports > 0,
    );
    expect(report.receiverReport).toMatchObject({
      highestSequence: 2 * 65_536 + 2,
      // Three of the nine that were sent, whatever the recorder makes of it.
      fractionLost: 3 / 9,
      jitterMs: 10,
    });
    expect(report.receiverReport!.roundTripMs).toBeUndefined();
    expect(report.receiverReports).toBe(1);
    expect(rig.edge.counters().refused).toEqual({ stranger: 1 });
  });
});
