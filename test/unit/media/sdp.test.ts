import { describe, expect, it } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import { answerDirection, parseAnswer, parseOffer } from '../../../src/media/sdp.ts';
import * as samples from '../../support/sdp-samples.ts';

const { plainSdp } = samples;
const offerOf = (sdp: string) => parseOffer(sdp, { first: true });

function refusal(parse: () => unknown): { code: string; field: unknown; value: unknown } {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof TandemError)) throw error;
    return { code: error.code, field: error.details?.['field'], value: error.details?.['value'] };
  }
  throw new Error('was accepted');
}

const names = (sdp: string): string[] =>
  offerOf(sdp).audio.payloads.map(
    ({ payloadType, encodingName, clockRate, channels }) =>
      `${payloadType} ${encodingName}/${clockRate}${channels > 1 ? `/${channels}` : ''}`,
  );

describe('an offer from the field', () => {
  it('Asterisk', () => {
    const { audio } = offerOf(samples.asteriskOffer);
    expect(names(samples.asteriskOffer)).toEqual([
      '0 PCMU/8000',
      '8 PCMA/8000',
      '9 G722/8000',
      '18 G729/8000',
      '101 telephone-event/8000',
    ]);
    expect(audio).toMatchObject({
      rtp: { ip: '192.0.2.10', port: 14_520 },
      rtcp: { ip: '192.0.2.10', port: 14_521 },
      rtcpMux: false,
      direction: 'sendrecv',
      ptimeMs: 20,
      maxptimeMs: 150,
    });
    expect(audio.payloads[3]?.fmtp).toBe('annexb=no');
  });

  it('FreeSWITCH, with opus and comfort noise', () => {
    const { audio } = offerOf(samples.freeswitchOffer);
    expect(names(samples.freeswitchOffer)).toEqual([
      '102 opus/48000/2',
      '9 G722/8000',
      '0 PCMU/8000',
      '8 PCMA/8000',
      '101 telephone-event/8000',
      '13 CN/8000',
    ]);
    expect(audio.payloads[0]?.fmtp).toContain('useinbandfec=1; maxaveragebitrate=30000');
    expect(audio.rtcp).toEqual({ ip: '198.51.100.7', port: 24_659 });
    expect(audio.rtcpGiven).toBe(true);
  });

  it('baresip, with muxed RTCP', () => {
    const { audio } = offerOf(samples.baresipOffer);
    expect(audio.rtcpMux).toBe(true);
    expect(audio.rtcp).toEqual(audio.rtp);
  });

  it('Linphone, with refused video', () => {
    const description = offerOf(samples.linphoneOffer);
    expect(description.others).toEqual([{ media: 'video', protocol: 'RTP/AVP', formats: '96' }]);
    expect(description.audio.payloads).toHaveLength(8);
  });

  it('Kamailio in front of a desk phone: static payload types, line feeds, candidates beside a real address', () => {
    expect(names(samples.kamailioOffer)).toEqual([
      '8 PCMA/8000',
      '18 G729/8000',
      '3 GSM/8000',
      '101 telephone-event/8000',
    ]);
    expect(offerOf(samples.kamailioOffer).audio.rtp).toEqual({ ip: '192.0.2.30', port: 60_000 });
  });

  it('IPv6', () => {
    expect(offerOf(samples.ipv6Offer).audio.rtp).toEqual({ ip: '2001:db8::10', port: 5_004 });
  });
});

describe('RTCP address', () => {
  it.each([
    ['next port', [], { ip: '127.0.0.1', port: 4_001 }],
    ['a=rtcp with a port', ['rtcp:53020'], { ip: '127.0.0.1', port: 53_020 }],
    [
      'a=rtcp with an address',
      ['rtcp:53020 IN IP4 126.16.64.4'],
      { ip: '126.16.64.4', port: 53_020 },
    ],
    ['a=rtcp-mux wins', ['rtcp:53020', 'rtcp-mux'], { ip: '127.0.0.1', port: 4_000 }],
  ])('%s', (_, attributes, rtcp) => {
    expect(offerOf(plainSdp({ attributes })).audio.rtcp).toEqual(rtcp);
  });
});

describe('a connection address that cannot be used', () => {
  const reasonOf = (c: string): unknown => {
    try {
      offerOf(plainSdp({}).replace(/c=.*/, c));
    } catch (error) {
      return (error as TandemError).details?.reason;
    }
    return undefined;
  };

  it.each([
    ['c=IN IP4 pbx.example.com', 'a host name; only IP addresses are taken here'],
    ['c=IN IP6 1pbx', 'a host name; only IP addresses are taken here'],
    ['c=IN IP4 999.1.1.1', 'not an IPv4 address'],
    ['c=IN IP6 10.0.0.1', 'not an IPv6 address'],
  ])('says why: %s', (c, reason) => {
    expect(reasonOf(c)).toBe(reason);
  });
});

describe('hold', () => {
  it.each(['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const)('a=%s', (direction) => {
    expect(offerOf(plainSdp({ attributes: [direction] })).audio.direction).toBe(direction);
  });

  it('takes a direction stated for the whole session', () => {
    const sdp = plainSdp({}).replace('t=0 0\r\n', 't=0 0\r\na=inactive\r\n');
    expect(offerOf(sdp).audio.direction).toBe('inactive');
  });

  it.each([
    ['0.0.0.0', [], 'sendonly'],
    ['0.0.0.0', ['recvonly'], 'inactive'],
    ['::', [], 'sendonly'],
  ])('c=%s with %j asks for silence', (ip, attributes, direction) => {
    const { audio } = offerOf(plainSdp({ ip, attributes }));
    expect(audio.direction).toBe(direction);
    expect(audio.rtp).toBeUndefined();
  });

  it.each([
    ['sendrecv', 'sendrecv', 'sendrecv'],
    ['sendonly', 'recvonly', 'recvonly'],
    ['sendonly', 'sendrecv', 'recvonly'],
    ['recvonly', 'sendrecv', 'sendonly'],
    ['inactive', 'sendrecv', 'inactive'],
    ['sendrecv', 'inactive', 'inactive'],
    ['recvonly', 'recvonly', 'inactive'],
  ] as const)('%s answered with %s is %s', (offered, answered, result) => {
    expect(answerDirection(offered, answered)).toBe(result);
  });
});

describe('an offer that is not SDP', () => {
  const base = plainSdp({});
  it.each<[string, string, string]>([
    ['empty', '', 'v'],
    ['JSON', '{"sdp":1}', 'sdp'],
    ['prose', 'hello', 'sdp'],
    ['another version', base.replace('v=0', 'v=1'), 'v'],
    ['no v line', base.replace('v=0\r\n', ''), 'v'],
    ['a NUL in a line', base.replace('s=-', 's=\u0000'), 'sdp'],
    ['no media', base.slice(0, base.indexOf('m=')), 'm'],
    ['no connection address', base.replace(/c=.*\r\n/, ''), 'c'],
    ['a broken connection address', base.replace(/c=.*/, 'c=IN IP4 999.1.1.1'), 'c'],
    ['a host name', base.replace(/c=.*/, 'c=IN IP4 pbx.example.com'), 'c'],
    ['an address of the other family', base.replace(/c=.*/, 'c=IN IP4 ::1'), 'c'],
    ['a multicast address with a TTL', base.replace(/c=.*/, 'c=IN IP4 224.2.36.42/127'), 'c'],
    ['a port out of range', base.replace('4000', '70000'), 'm'],
    ['a negative port', base.replace('4000', '-1'), 'm'],
    ['a port that is none', base.replace('4000', 'x'), 'm'],
    ['no payload types', base.replace('RTP/AVP 0', 'RTP/AVP'), 'm'],
    ['a payload type out of range', plainSdp({ formats: '0 128' }), 'm'],
    ['a payload type that is none', plainSdp({ formats: '0 *' }), 'm'],
    ['a dynamic payload type without rtpmap', plainSdp({ formats: '0 97' }), 'a=rtpmap'],
    ['a broken rtpmap', plainSdp({ attributes: ['rtpmap:0 PCMU'] }), 'a=rtpmap'],
    ['a clock rate beyond reason', plainSdp({ attributes: ['rtpmap:0 PCMU/2000000'] }), 'a=rtpmap'],
    ['no clock rate', plainSdp({ attributes: ['rtpmap:0 PCMU/'] }), 'a=rtpmap'],
    ['a broken RTCP port', plainSdp({ attributes: ['rtcp:99999'] }), 'a=rtcp'],
    ['no port left for RTCP', plainSdp({ port: 65_535 }), 'm'],
    ['too long', plainSdp({ attributes: ['x'.repeat(70_000)] }), 'sdp'],
    ['a line that is too long', plainSdp({ attributes: ['x'.repeat(5_000)] }), 'sdp'],
    ['too many lines', plainSdp({ attributes: Array<string>(2_000).fill('x') }), 'sdp'],
  ])('%s', (_, sdp, field) => {
    expect(refusal(() => offerOf(sdp))).toMatchObject({ code: 'SDP_INVALID', field });
  });
});

describe('an offer of what is not carried', () => {
  const base = plainSdp({});
  const video = 'm=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n';
  it.each<[string, string, string]>([
    ['WebRTC', samples.webrtcOffer, 'SDP_UNSUPPORTED_SRTP'],
    ['RTP/SAVP', base.replace('RTP/AVP', 'RTP/SAVP'), 'SDP_UNSUPPORTED_SRTP'],
    [
      'SDES keys',
      plainSdp({ attributes: ['crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x'] }),
      'SDP_UNSUPPORTED_SRTP',
    ],
    [
      'a DTLS fingerprint for the session',
      base.replace('t=0 0', 't=0 0\r\na=fingerprint:sha-256 AA'),
      'SDP_UNSUPPORTED_SRTP',
    ],
    [
      'trickle ICE',
      plainSdp({ ip: '0.0.0.0', port: 9, attributes: ['ice-ufrag:x', 'ice-pwd:y'] }),
      'SDP_UNSUPPORTED_ICE',
    ],
    [
      'ICE with a host name',
      plainSdp({ attributes: ['candidate:1 1 UDP 1 x.local 4000 typ host'] }).replace(
        /c=.*/,
        'c=IN IP4 8a0f.local',
      ),
      'SDP_UNSUPPORTED_ICE',
    ],
    ['video beside audio', base + video, 'SDP_UNSUPPORTED_MEDIA'],
    ['video alone', base.replace(/m=[^]*/, video), 'SDP_UNSUPPORTED_MEDIA'],
    ['two audio streams', `${base}m=audio 5000 RTP/AVP 0\r\n`, 'SDP_UNSUPPORTED_MEDIA'],
    ['fax', base.replace(/m=.*/, 'm=image 4000 udptl t38'), 'SDP_UNSUPPORTED_MEDIA'],
    ['audio over TCP', base.replace('RTP/AVP', 'TCP/RTP/AVP'), 'SDP_UNSUPPORTED_MEDIA'],
    ['audio with port 0', plainSdp({ port: 0 }), 'SDP_UNSUPPORTED_MEDIA'],
  ])('%s', (_, sdp, code) => {
    expect(refusal(() => offerOf(sdp)).code).toBe(code);
  });

  it('lets a re-offer take the audio stream away', () => {
    expect(parseOffer(plainSdp({ port: 0 }), { first: false }).audio.active).toBe(false);
  });
});

describe('an answer', () => {
  const offer = offerOf(samples.asteriskOffer);
  it('may choose among what was offered, and leave out rtpmaps', () => {
    const { audio } = parseAnswer(plainSdp({ formats: '8 101' }), offer);
    expect(audio.payloads.map(({ encodingName }) => encodingName)).toEqual([
      'PCMA',
      'telephone-event',
    ]);
  });

  it('may refuse the stream', () => {
    expect(parseAnswer(plainSdp({ port: 0 }), offer).audio.active).toBe(false);
  });

  it('cannot mux RTCP where that was not offered', () => {
    const { audio } = parseAnswer(plainSdp({ attributes: ['rtcp-mux'] }), offer);
    expect(audio.rtcp).toEqual({ ip: '127.0.0.1', port: 4_001 });
  });

  it.each<[string, string, unknown]>([
    ['a payload type that was not offered', plainSdp({ formats: '0 3' }), 3],
    [
      'another codec under an offered number',
      plainSdp({ formats: '101', attributes: ['rtpmap:101 opus/48000/2'] }),
      '101 opus/48000',
    ],
    ['one m-line too many', `${plainSdp({})}m=video 0 RTP/AVP 96\r\n`, 2],
    ['another kind of media', plainSdp({}).replace('m=audio', 'm=video'), 'video'],
  ])('is refused with %s', (_, sdp, value) => {
    expect(refusal(() => parseAnswer(sdp, offer))).toMatchObject({ code: 'SDP_INVALID', value });
  });

  it('may not accept what was refused in the offer', () => {
    const answer = `${plainSdp({ formats: '0' })}m=video 5000 RTP/AVP 96\r\n`;
    expect(refusal(() => parseAnswer(answer, offerOf(samples.linphoneOffer)))).toMatchObject({
      code: 'SDP_INVALID',
      field: 'm',
    });
  });
});
