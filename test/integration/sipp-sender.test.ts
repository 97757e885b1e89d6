import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPayload, readRtpWithTshark } from '../support/media-compare.ts';
import { RtpEndpoint } from '../support/rtp-endpoint.ts';
import { SippProcess } from '../support/sipp/sipp-process.ts';
import { TandemProcess } from '../support/tandem-process.ts';
import { userAgent } from './sip/peers.ts';

/** Of sip-tester itself: 236 packets of PCMA, 30 ms each. */
const pcap = '/usr/share/sip-tester/g711a.pcap';
// sipp plays captures through a raw socket.
const isRoot = process.getuid?.() === 0;

let tandem: TandemProcess;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-sipp-sender-'));
  tandem = await TandemProcess.start();
});

afterAll(async () => {
  await tandem.dispose();
  rmSync(dir, { recursive: true });
});

describe.skipIf(!isRoot).each(['mediasoup', 'direct'] as const)('on the %s path', (path) => {
  it('what sipp plays reaches the peer and both recordings, packet by packet', async () => {
    const id = `sipp-${path}`;
    const played = readRtpWithTshark(pcap).map(({ payloadHash }) => payloadHash);
    expect(played).toHaveLength(236);
    const peer = await RtpEndpoint.open();
    // The SIP side of the call: what an SBC would do with Tandem.
    const callee = await userAgent((invite) => {
      void (async () => {
        const offer = invite.body.toString();
        await tandem.api('POST', '/v1/calls', { id, offer, media: { path } });
        const { answer } = await tandem.api<{ answer: string }>('POST', `/v1/calls/${id}/answer`, {
          answer: peer.sdp('8', ['rtpmap:8 PCMA/8000']),
        });
        const body = Buffer.from(answer);
        const dialog = await invite.accept({ body, contentType: 'application/sdp' });
        await tandem.until(
          () => Promise.resolve(peer.received.length),
          (count) => count >= played.length,
        );
        await dialog.bye();
      })();
    });
    const sipp = await SippProcess.call({
      scenario: 'caller-pcap',
      transport: 'udp',
      dir,
      keys: { pcap },
      user: 'b',
      to: callee.addresses.udp?.port ?? 0,
    });
    expect(await sipp.exited()).toBe(0);
    expect(peer.received.map(({ payload }) => hashPayload(payload))).toEqual(played);

    const { parties, recordings } = await tandem.endCall(id);
    expect(parties.a).toMatchObject({ packets: played.length, upstreamLostPackets: 0 });
    expect(recordings).toHaveLength(2);
    for (const { recorder, recordId } of recordings.flatMap(({ sessions }) => sessions)) {
      const folder = join(tandem.dir, 'recordings', recorder, recordId);
      await tandem.until(
        () => Promise.resolve(existsSync(join(folder, 'recording.json'))),
        (whole) => whole,
      );
      const recorded = readRtpWithTshark(join(folder, 'media.pcapng'));
      expect(recorded.map(({ payloadHash }) => payloadHash)).toEqual(played);
    }
    await callee.close();
    peer.close();
  });
});
