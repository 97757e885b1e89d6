import { expect, it } from 'vitest';
import { rangeReportsOf } from '../../../src/siprec/range-reports.ts';
import { readSdp } from '../../../src/siprec/sdp.ts';

it.each([
  ['both', 'pkt-loss-rle pkt-dup-rle', ['pkt-loss-rle', 'pkt-dup-rle']],
  ['losses alone', 'pkt-loss-rle', ['pkt-loss-rle']],
  ['blocks as large as a datagram', 'pkt-loss-rle=1400', ['pkt-loss-rle']],
  ['among others', 'voip-metrics pkt-dup-rle=1500 pkt-loss-rle', ['pkt-loss-rle', 'pkt-dup-rle']],
  ['blocks that do not hold a report', 'pkt-loss-rle=100 pkt-dup-rle', []],
  ['duplicates without losses', 'pkt-dup-rle', []],
  ['a size that is none', 'pkt-loss-rle=many', []],
  ['other reports', 'voip-metrics', []],
])('grants reports by range as they are asked for: %s', (_what, value, granted) => {
  const media = `m=audio 9 RTP/AVP 0\r\na=rtcp-xr:${value}\r\n`;
  const [line] = readSdp(Buffer.from(`v=0\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n${media}`));
  expect(line && rangeReportsOf(line)).toEqual(granted);
});

it('grants none where none is asked for', () => {
  const sdp = 'v=0\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n';
  const [line] = readSdp(Buffer.from(sdp));
  expect(line && rangeReportsOf(line)).toEqual([]);
});
