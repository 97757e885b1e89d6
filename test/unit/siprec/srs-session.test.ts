import { pino } from 'pino';
import { expect, it } from 'vitest';
import { readSdp } from '../../../src/siprec/sdp.ts';
import type { MediaLine } from '../../../src/siprec/sdp.ts';
import { SrsSession } from '../../../src/siprec/srs-session.ts';
import type { DeclinedLine } from '../../../src/siprec/srs-session.ts';

const local = { rtp: { ip: '10.0.0.2', port: 7_000 }, rtcp: { ip: '10.0.0.2', port: 7_001 } };

/** The answer to an offer of these m-lines, and what the recorder is told of it. */
function answer(...media: readonly string[]) {
  let declined: readonly DeclinedLine[] = [];
  const head = ['v=0', 'o=- 1 1 IN IP4 10.0.0.9', 's=-', 'c=IN IP4 10.0.0.9', 't=0 0'];
  const offer = readSdp(Buffer.from([...head, ...media, ''].join('\r\n')));
  const streams = SrsSession.streamsOf(offer);
  const session = new SrsSession(pino({ level: 'silent' }));
  const sink = {
    offered: () => new Map(),
    declined: (lines: readonly DeclinedLine[]) => {
      declined = lines;
    },
    snapshot: () => undefined,
    ended: () => undefined,
    abandoned: () => undefined,
  };
  const addresses = new Map(streams.map(({ position }) => [position, local]));
  const lines: MediaLine[] = readSdp(session.open(sink, offer, addresses));
  return { lines, streams, declined };
}

it('grants reports by range line by line, as they are asked for', () => {
  const { lines, streams } = answer(
    'm=audio 9000 RTP/AVP 0\r\na=sendonly\r\na=rtcp-xr:pkt-loss-rle pkt-dup-rle voip-metrics',
    'm=audio 9002 RTP/AVP 0\r\na=sendonly',
  );
  expect(lines.map(({ rtcpXr }) => rtcpXr)).toEqual([['pkt-loss-rle', 'pkt-dup-rle'], undefined]);
  expect(streams.map(({ reportRanges }) => reportRanges)).toEqual([true, false]);
});

it('tells what is to be sent and is not taken, and not what is removed or held', () => {
  const { lines, declined } = answer(
    'm=audio 9000 RTP/AVP 0\r\na=sendonly\r\na=label:1',
    'm=audio 9002 RTP/SAVP 0\r\na=sendonly\r\na=label:2',
    'm=video 9004 RTP/AVP 96\r\na=sendonly\r\na=label:3',
    'm=audio 0 RTP/SAVP 0\r\na=sendonly\r\na=label:4',
    'm=audio 9006 RTP/SAVP 0\r\na=inactive\r\na=label:5',
  );
  expect(lines.map(({ removed }) => removed === true)).toEqual([false, true, true, true, true]);
  expect(declined).toEqual([
    { position: 1, label: '2', mediaType: 'audio', protocol: 'RTP/SAVP' },
    { position: 2, label: '3', mediaType: 'video', protocol: 'RTP/AVP' },
  ]);
});
