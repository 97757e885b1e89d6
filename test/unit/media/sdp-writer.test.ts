import { describe, expect, it } from 'vitest';
import { parseOffer } from '../../../src/media/sdp.ts';
import { newOrigin, writeDescription } from '../../../src/media/sdp-writer.ts';
import * as samples from '../../support/sdp-samples.ts';

const local = {
  rtp: { ip: '192.0.2.1', port: 20_000 },
  rtcp: { ip: '192.0.2.1', port: 20_001 },
  rtcpMux: false,
};
const origin = { sessionId: '42', version: 1 };
const rewrite = (sdp: string, media = local): string[] =>
  writeDescription(origin, parseOffer(sdp, { first: true }), media).sdp.split('\r\n');

describe('the description that is passed on', () => {
  it('has our address and keeps payload types, formats, packet times and direction', () => {
    expect(rewrite(samples.asteriskOffer)).toEqual([
      'v=0',
      'o=- 42 1 IN IP4 192.0.2.1',
      's=-',
      'c=IN IP4 192.0.2.1',
      't=0 0',
      'm=audio 20000 RTP/AVP 0 8 9 18 101',
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:8 PCMA/8000',
      'a=rtpmap:9 G722/8000',
      'a=rtpmap:18 G729/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:18 annexb=no',
      'a=fmtp:101 0-16',
      'a=ptime:20',
      'a=maxptime:150',
      'a=sendrecv',
      '',
    ]);
  });

  it('names static payload types, and drops what is not understood', () => {
    const sdp = rewrite(samples.kamailioOffer).join('\n');
    expect(sdp).toContain('a=rtpmap:3 GSM/8000');
    expect(sdp).not.toMatch(/candidate|nortpproxy|192\.0\.2\.30/);
  });

  it('keeps opus whole', () => {
    const sdp = rewrite(samples.freeswitchOffer);
    expect(sdp).toContain('a=rtpmap:102 opus/48000/2');
    expect(sdp.find((line) => line.startsWith('a=fmtp:102'))).toContain('maxaveragebitrate=30000');
    expect(sdp).toContain('a=rtcp:20001');
  });

  it('offers muxed RTCP with the port to fall back on', () => {
    const sdp = rewrite(samples.baresipOffer, { ...local, rtcpMux: true });
    expect(sdp).toContain('a=rtcp-mux');
    expect(sdp).toContain('a=rtcp:20001');
    expect(sdp.join('\n')).not.toMatch(/ssrc|label|tool/);
  });

  it('keeps refused media in its place', () => {
    const sdp = rewrite(samples.linphoneOffer);
    expect(sdp.filter((line) => line.startsWith('m='))).toEqual([
      'm=audio 20000 RTP/AVP 96 97 98 0 8 101 99 100',
      'm=video 0 RTP/AVP 96',
    ]);
    const videoFirst = samples.plainSdp({}).replace('m=audio', 'm=video 0 RTP/AVP 31\r\nm=audio');
    expect(rewrite(videoFirst).filter((line) => line.startsWith('m='))).toEqual([
      'm=video 0 RTP/AVP 31',
      'm=audio 20000 RTP/AVP 0',
    ]);
  });

  it('speaks IPv6', () => {
    const rtp = { ip: '2001:db8::1', port: 20_000 };
    const sdp = rewrite(samples.ipv6Offer, { rtp, rtcp: { ...rtp, port: 20_001 }, rtcpMux: false });
    expect(sdp).toContain('c=IN IP6 2001:db8::1');
  });

  it('turns hold by 0.0.0.0 into a direction', () => {
    const sdp = rewrite(samples.plainSdp({ ip: '0.0.0.0' }));
    expect(sdp).toContain('c=IN IP4 192.0.2.1');
    expect(sdp).toContain('a=sendonly');
  });

  it('can be read again as it was written', () => {
    const once = parseOffer(rewrite(samples.linphoneOffer).join('\r\n'), { first: true });
    const original = parseOffer(samples.linphoneOffer, { first: true });
    expect(once.audio.payloads).toEqual(original.audio.payloads);
    expect(once.others).toEqual(original.others);
  });
});

describe('the version', () => {
  const first = parseOffer(samples.plainSdp({}), { first: true });
  const held = parseOffer(samples.plainSdp({ attributes: ['sendonly'] }), { first: true });

  it('stays while nothing changes and goes up by one when something does', () => {
    const one = writeDescription(newOrigin(), first, local);
    const two = writeDescription(one.origin, first, local);
    const three = writeDescription(two.origin, held, local);
    const four = writeDescription(three.origin, first, local);
    expect(two.sdp).toBe(one.sdp);
    expect([one, two, three, four].map(({ origin: { version } }) => version)).toEqual([1, 1, 2, 3]);
    expect(new Set([one, two, three, four].map(({ origin: o }) => o.sessionId)).size).toBe(1);
  });
});
