import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RecorderProcess } from '../support/recorder-process.ts';
import { RtpEndpoint } from '../support/rtp-endpoint.ts';
import { isResponse, rawRequest, TcpPeer } from './sip/peers.ts';

const PACKETS = 25;
/** Nobody listens there: a client that is gone does not answer. */
const contactPort = 9;
let recorder: RecorderProcess;
let a: RtpEndpoint;
let b: RtpEndpoint;

beforeEach(async () => {
  a = await RtpEndpoint.open({ ssrc: 0xa1 });
  b = await RtpEndpoint.open({ ssrc: 0xb1 });
});

afterEach(async () => {
  a.close();
  b.close();
  await recorder.dispose();
});

async function open(): Promise<TcpPeer> {
  const socket = connect({ port: recorder.port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return new TcpPeer(socket);
}

function request(method: string, sequence: number, to = '<sip:kept@127.0.0.1>'): string {
  const isInvite = method === 'INVITE';
  const sdp = [
    ...['v=0', `o=- 1 ${sequence} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...[a, b].flatMap(({ port }, index) => [
      ...[`m=audio ${port} RTP/AVP 0`, 'a=rtpmap:0 PCMU/8000', `a=label:${index + 1}`],
      'a=sendonly',
    ]),
    '',
  ].join('\r\n');
  const head = rawRequest(
    method,
    contactPort,
    {
      Via: `SIP/2.0/TCP 127.0.0.1:${contactPort};branch=z9hG4bK${method}${sequence}`,
      To: to,
      CSeq: `${sequence} ${method}`,
      Contact: `<sip:src@127.0.0.1:${contactPort};transport=tcp>;+sip.src`,
      ...(isInvite ? { Require: 'siprec', 'Content-Type': 'application/sdp' } : {}),
      'Content-Length': isInvite ? String(sdp.length) : '0',
    },
    'sip:kept@127.0.0.1',
  );
  return isInvite ? head + sdp : head;
}

/** Resolves with the To of the dialog, and with what sends both parties' packets. */
async function establish(peer: TcpPeer): Promise<{ to: string; talk: () => Promise<unknown> }> {
  peer.socket.write(request('INVITE', 1));
  const { headers, body } = await peer.inbox.next(isResponse(200));
  const to = headers.get('To') ?? '';
  peer.socket.write(request('ACK', 1, to));
  const ports = [...body.toString().matchAll(/^m=audio (\d+)/gm)].map(([, port]) => Number(port));
  const talk = (): Promise<unknown> =>
    Promise.all(
      [a, b].map((party, index) =>
        party.stream({ ip: '127.0.0.1', port: ports[index] ?? 0 }, { count: PACKETS }),
      ),
    );
  return { to, talk };
}

it('keeps a session whose connection closed, and takes its requests on another one', async () => {
  recorder = await RecorderProcess.start();
  const first = await open();
  const { to, talk } = await establish(first);
  await talk();
  first.socket.destroy();
  await talk();
  const second = await open();
  second.socket.write(request('INVITE', 2, to));
  await second.inbox.next(isResponse(200));
  second.socket.write(request('ACK', 2, to));
  await talk();
  second.socket.write(request('BYE', 3, to));
  await second.inbox.next(isResponse(200));
  const { streams, endReason, verdict } = await recorder.recording('kept');
  expect(streams.map(({ packets }) => packets)).toEqual([3 * PACKETS, 3 * PACKETS]);
  expect([endReason, verdict]).toEqual(['bye', 'complete']);
  expect(readdirSync(recorder.recordings)).toEqual(['kept']);
  second.socket.destroy();
});

it('ends a session whose connection closed when its media is over, too', async () => {
  recorder = await RecorderProcess.start(['--idle-ms', '300']);
  const peer = await open();
  const { talk } = await establish(peer);
  await talk();
  peer.socket.destroy();
  const { streams, endReason } = await recorder.recording('kept');
  expect(streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
  expect(endReason).toBe('no media, and no answer from the recording client');
});
