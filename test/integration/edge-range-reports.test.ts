import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { OpenedCapture } from '../../src/edge/types.ts';
import { writePcap } from '../support/captures.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { bye, rtcpTypes, splitRtcp } from '../support/rtcp-fixtures.ts';
import { rtpRun } from '../support/rtp-fixtures.ts';
import { tsharkFields } from '../support/tshark.ts';
import type { UdpPeer } from '../support/udp-peer.ts';
import { readRleBlocks } from '../support/xr.ts';

const ssrc = 0x1234_5678;
let dir: string;
let rig: EdgeRig;
let sender: UdpPeer;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'edge-range-reports-'));
  // Reports come as an answer to BYE.
  rig = new EdgeRig('127.0.0.1', { rtcpIntervalMs: 60_000 });
  sender = await rig.peer();
});
afterEach(async () => {
  await rig.close();
  rmSync(dir, { recursive: true, force: true });
});

function capture(reportRanges: boolean): OpenedCapture {
  return rig.edge.openCapture({
    file: join(dir, 'media.pcapng'),
    host: '127.0.0.1',
    latch: 'announced',
    comment: '',
    streams: [
      {
        label: '1',
        remote: { rtp: sender.address, rtcp: sender.address, reportRanges },
        clockRates: { 0: 8_000 },
      },
    ],
  });
}

/** The last report that the sender has after its BYE. */
async function finalReport({ captureId, streams }: OpenedCapture, packets: number) {
  await rig.until(
    () => rig.edge.captureReport(captureId).streams[0]?.packets,
    (count) => count === packets,
  );
  // It says that it is there as soon as it has heard the sender.
  await sender.getsRtcp(1);
  const before = sender.rtcp.length;
  await sender.send(streams[0]!.rtcp, bye(ssrc));
  return (await sender.getsRtcp(before + 1)).at(-1)!;
}

it('names every packet that a recorder has and has twice, in XR that tshark reads, once the sender says BYE', async () => {
  const opened = capture(true);
  const to = opened.streams[0]!.rtp;
  // Round with the numbers, with a gap, copies, and a gap so long that RFC 3550 begins anew.
  await sender.send(to, ...rtpRun(65_500, 50), ...rtpRun(65_560, 3));
  await sender.send(to, ...rtpRun(65_562, 2), ...rtpRun(70_000, 20));
  const report = await finalReport(opened, 75);
  expect(rtcpTypes(report)).toEqual([201, 207, 202]);
  const [losses, duplicates] = readRleBlocks(splitRtcp(report)[1]!);
  const came = new Set(
    [rtpRun(65_500, 50), rtpRun(65_560, 4), rtpRun(70_000, 20)].flatMap((run) =>
      run.map((packet) => packet.readUInt16BE(2)),
    ),
  );
  expect(losses).toMatchObject({ type: 'loss', ssrc, beginSeq: 65_500, endSeq: 70_020 - 65_536 });
  const number = (offset: number) => (65_500 + offset) & 0xffff;
  expect(losses!.bits.map((_bit, offset) => came.has(number(offset)))).toEqual(losses!.bits);
  expect(duplicates!.bits.flatMap((bit, offset) => (bit ? [] : [number(offset)]))).toEqual([
    65_562 - 65_536,
  ]);

  const file = join(dir, 'rtcp.pcap');
  writePcap(file, [{ at: Date.now(), payload: report, destinationPort: 50_001 }]);
  const fields = ['rtcp.pt', 'rtcp.xr.bt', 'rtcp.xr.beginseq', 'rtcp.xr.endseq', '_ws.malformed'];
  const rows = await tsharkFields(file, {
    decode: { 50_001: 'rtcp' },
    fields: fields,
  });
  expect(rows).toEqual([['201,207,202', '1,2', '65500,65500', '4484,4484', '']]);
});

it('reports no ranges to who did not ask, and does when it asks later', async () => {
  const opened = capture(false);
  const to = opened.streams[0]!.rtp;
  await sender.send(to, ...rtpRun(1, 5));
  expect(rtcpTypes(await finalReport(opened, 5))).toEqual([201, 202]);
  const { address } = sender;
  rig.edge.setCaptureRemote(opened.captureId, 0, {
    rtp: address,
    rtcp: address,
    reportRanges: true,
  });
  await sender.send(to, ...rtpRun(6, 5));
  const report = await finalReport(opened, 10);
  expect(readRleBlocks(splitRtcp(report)[1]!)[0]).toMatchObject({ beginSeq: 6, endSeq: 11 });
});

it('splits a report that one datagram does not hold, each part whole RTCP below 1,200 bytes', async () => {
  const opened = capture(true);
  const to = opened.streams[0]!.rtp;
  const everyOther = Array.from({ length: 6_000 }, (_, index) => rtpRun(2 * index, 1)[0]!);
  for (let at = 0; at < everyOther.length; at += 100) {
    await sender.send(to, ...everyOther.slice(at, at + 100));
    await rig.until(
      () => rig.edge.captureReport(opened.captureId).streams[0]!,
      ({ packets }) => packets === at + 100,
    );
  }
  await finalReport(opened, 6_000);
  const reports = await sender.getsRtcp(2);
  expect(reports.map(rtcpTypes)).toEqual(reports.map(() => [201, 207, 202]));
  expect(Math.max(...reports.map(({ length }) => length))).toBeLessThanOrEqual(1_200);
});
