import { expect, test } from 'vitest';
import { readSdp, writeSdp } from '../../../src/siprec/sdp.ts';
import type { MediaLine } from '../../../src/siprec/sdp.ts';

const line: MediaLine = {
  mediaType: 'audio',
  protocol: 'RTP/AVP',
  label: '1',
  direction: 'sendonly',
  address: { rtp: { ip: '10.0.0.1', port: 4000 }, rtcp: { ip: '10.0.0.1', port: 4001 } },
  formats: '18 101',
  payloads: [
    { payloadType: 18, encodingName: 'G729', clockRate: 8_000, channels: 1, fmtp: 'annexb=no' },
    {
      payloadType: 101,
      encodingName: 'telephone-event',
      clockRate: 8_000,
      channels: 1,
      fmtp: '0-16',
    },
  ],
  ptimeMs: 20,
};
const origin = { sessionId: 42, version: 1, ip: '10.0.0.1' };

test('gives back every m-line that was written, with RTCP elsewhere and another family', () => {
  const lines: MediaLine[] = [
    line,
    {
      ...line,
      label: '2',
      address: { rtp: { ip: '2001:db8::1', port: 6 }, rtcp: { ip: '2001:db8::2', port: 9 } },
    },
  ];
  expect(readSdp(writeSdp(origin, lines))).toEqual(lines);
});

test('reads and writes which extended reports are asked for', () => {
  const asking: MediaLine = { ...line, rtcpXr: ['pkt-loss-rle', 'pkt-dup-rle=1400'] };
  const written = writeSdp(origin, [asking]);
  expect(written.toString()).toContain('a=rtcp-xr:pkt-loss-rle pkt-dup-rle=1400\r\n');
  expect(readSdp(written)).toEqual([asking]);
});

test('writes a=rtcp only where RTCP is not on the next port', () => {
  expect(writeSdp(origin, [line]).toString()).not.toContain('a=rtcp');
  const elsewhere = {
    ...line,
    address: { rtp: { ip: '10.0.0.1', port: 4000 }, rtcp: { ip: '10.0.0.1', port: 4007 } },
  };
  expect(writeSdp(origin, [elsewhere]).toString()).toContain('a=rtcp:4007 IN IP4 10.0.0.1\r\n');
});

test('writes a line without address with port 0', () => {
  const removed: MediaLine = { ...line };
  Reflect.deleteProperty(removed, 'address');
  expect(writeSdp(origin, [removed]).toString()).toContain('m=audio 0 RTP/AVP 18 101\r\n');
});

test.each([
  ['port 0', 'm=audio 0 RTP/AVP 0', undefined],
  ['the null address', 'm=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0', undefined],
  ['an address of its own', 'm=audio 9 RTP/AVP 0\r\nc=IN IP4 10.1.1.1', '10.1.1.1'],
  ['the address of the session', 'm=audio 9 RTP/AVP 0', '10.0.0.9'],
])('reads an m-line with %s', (_what, media, ip) => {
  const [read] = readSdp(Buffer.from(`v=0\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n${media}\r\n`));
  expect(read?.address?.rtp.ip).toBe(ip);
});

test('takes directions from the m-line, the session, or sendrecv by default', () => {
  const text =
    'v=0\nc=IN IP4 1.2.3.4\nt=0 0\na=inactive\nm=audio 4 RTP/AVP 0\na=recvonly\nm=audio 6 RTP/AVP 0\n';
  expect(readSdp(Buffer.from(text)).map(({ direction }) => direction)).toEqual([
    'recvonly',
    'inactive',
  ]);
  const bare = 'v=0\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 4 RTP/AVP 0\n';
  expect(readSdp(Buffer.from(bare))[0]?.direction).toBe('sendrecv');
});

test('takes any token as label, and static payload types without rtpmap', () => {
  const text = 'v=0\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 4 RTP/AVP 8 9 96 13\na=label:leg-7\n';
  const [read] = readSdp(Buffer.from(text));
  expect(read?.label).toBe('leg-7');
  expect(read?.payloads.map(({ encodingName }) => encodingName)).toEqual(['PCMA', 'G722', 'CN']);
});

test.each([
  ['no m-line', 'v=0\r\ns=-\r\n'],
  ['an address that is a name', 'v=0\nc=IN IP4 host.example\nm=audio 4 RTP/AVP 0\n'],
  ['no address at all', 'v=0\nm=audio 4 RTP/AVP 0\n'],
  ['a port out of range', 'v=0\nc=IN IP4 1.2.3.4\nm=audio 70000 RTP/AVP 0\n'],
  ['nothing', ''],
])('refuses SDP with %s', (_what, text) => {
  expect(() => readSdp(Buffer.from(text))).toThrow(/^SDP: /);
});
