import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { merge } from '../../../src/merge/merge.ts';
import { findDatagram } from '../../../src/recorder/datagram.ts';
import { CaptureFileReader } from '../../../src/recorder/pcap-reader.ts';
import { isRtcp } from '../../../src/rtp/header.ts';
import { writePcap } from '../../support/captures.ts';
import type { CapturedDatagram } from '../../support/captures.ts';
import { senderReport, sourceDescription } from '../../support/rtcp-fixtures.ts';
import { rtp } from '../../support/rtp-fixtures.ts';

const beganAt = Date.UTC(2026, 10, 21, 12);
const seconds = 120;
const ssrcs = [0x1111_1111, 0x2222_2222] as const;

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-merge-rtcp-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

function rtcpOf(stream: number, second: number): Buffer {
  const ssrc = ssrcs[stream] ?? 0;
  const name = `stream-${String(stream)}-${'x'.repeat(second % 17)}`;
  return Buffer.concat([senderReport(ssrc, second * 8_000), sourceDescription(ssrc, name)]);
}

/** Both parties, 50 packets a second each, and a report of each every second, not at the same time. */
function* twoStreams(): Generator<CapturedDatagram> {
  for (let index = 0; index < seconds * 50; index += 1) {
    const at = beganAt + index * 20;
    for (const [stream, ssrc] of ssrcs.entries()) {
      const ports = { sourcePort: 40_000 + 2 * stream, destinationPort: 50_000 + 2 * stream };
      yield { at: at + stream, payload: rtp({ sequence: index, ssrc }), ...ports };
      if (index % 50 !== 17 * stream) continue;
      const payload = rtcpOf(stream, Math.floor(index / 50));
      const rtcpPorts = {
        sourcePort: ports.sourcePort + 1,
        destinationPort: ports.destinationPort + 1,
      };
      yield { at: at + 2, payload, ...rtcpPorts };
    }
  }
}

function rtcpIn(folder: string): string[][] {
  const reader = CaptureFileReader.open(join(folder, 'media.pcapng'));
  const found: string[][] = ssrcs.map(() => []);
  for (const { data, interface: from } of reader.packets()) {
    const datagram = findDatagram(data, from.linkType);
    if (datagram === undefined) throw new Error('not a datagram');
    const { payloadStart, payloadEnd } = datagram;
    if (!isRtcp(data, payloadStart, payloadEnd)) continue;
    found[from.index]?.push(data.toString('hex', payloadStart, payloadEnd));
  }
  reader.close();
  return found;
}

it('writes the RTCP of two streams in two minutes byte by byte as it was captured', async () => {
  const capture = join(dir, 'capture.pcap');
  writePcap(capture, twoStreams());
  const out = join(dir, 'merged');
  const { verdict } = await merge({
    paths: [capture],
    out,
    onProgress: () => undefined,
    pause: () => Promise.resolve(),
  });
  expect(verdict).toBe('complete');
  const expected = ssrcs.map((_ssrc, stream) =>
    Array.from({ length: seconds }, (_, second) => rtcpOf(stream, second).toString('hex')),
  );
  expect(rtcpIn(out)).toEqual(expected);
});
