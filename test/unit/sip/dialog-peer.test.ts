import { expect, it } from 'vitest';
import type { SipTransportName } from '../../../src/sip/transport/flow.ts';
import { DialogPeer } from '../../../src/sip/ua/dialog-peer.ts';
import { DialogState } from '../../../src/sip/ua/dialog-state.ts';
import { FakeClock } from './support/fake-clock.ts';
import { FakeFlow } from './support/fake-flow.ts';
import { request, response } from './support/messages.ts';

const RECORDER = '192.0.2.1';

function flow(transport: SipTransportName, address: string) {
  return Object.assign(new FakeFlow(transport, new FakeClock()), {
    remote: { address, port: 40_000 },
  });
}

function peerOf(options: {
  transport?: SipTransportName;
  contact?: string;
  recordRoute?: string;
  trusts?: (address: string) => boolean;
}) {
  const { transport = 'tcp', contact = `sip:rec@${RECORDER}`, recordRoute, trusts } = options;
  const answer = response(request('INVITE'), 200);
  answer.headers.add('Contact', `<${contact}>`);
  if (recordRoute !== undefined) answer.headers.add('Record-Route', recordRoute);
  const state = DialogState.ofCaller(answer);
  if (state === undefined) throw new Error('no dialog');
  return new DialogPeer({
    state,
    origin: { transport, address: RECORDER },
    addressesOf: (host) =>
      host === 'rec.example.com'
        ? Promise.resolve([{ address: '192.0.2.7', family: 4 }])
        : Promise.reject(new Error('ENOTFOUND')),
    trusts: trusts ?? (() => false),
  });
}

it.each([
  ['its host, by whatever connection', {}, 'tcp', RECORDER, true],
  ['another host', {}, 'tcp', '198.51.100.1', false],
  ['a datagram in a dialog over TCP', {}, 'udp', RECORDER, false],
  ['a datagram of another host in a dialog over TCP', {}, 'udp', '198.51.100.1', false],
  [
    'a datagram, where Contact asks for datagrams',
    { contact: `sip:${RECORDER};transport=udp` },
    'udp',
    RECORDER,
    true,
  ],
  ['its host over UDP', { transport: 'udp' }, 'udp', RECORDER, true],
  ['another host over UDP', { transport: 'udp' }, 'udp', '198.51.100.1', false],
  ['big requests over TCP in a dialog over UDP', { transport: 'udp' }, 'tcp', RECORDER, true],
  ['the host of its Contact', { contact: 'sip:192.0.2.6' }, 'tcp', '192.0.2.6', true],
  [
    'the host of its Contact in other writing',
    { contact: 'sip:[::ffff:192.0.2.6]' },
    'tcp',
    '192.0.2.6',
    true,
  ],
  ['the named host of its Contact', { contact: 'sip:rec.example.com' }, 'tcp', '192.0.2.7', true],
  [
    'another than the named host of its Contact',
    { contact: 'sip:rec.example.com' },
    'tcp',
    '192.0.2.8',
    false,
  ],
  ['anybody but a host that has no address', { contact: 'sip:gone' }, 'tcp', '192.0.2.8', false],
  ['the proxy before us', { recordRoute: '<sip:192.0.2.9;lr>' }, 'tcp', '192.0.2.9', true],
  [
    'an address that the operator named',
    { trusts: (address: string) => address === '192.0.2.10' },
    'tcp',
    '192.0.2.10',
    true,
  ],
] as const)('takes or leaves %s', async (_title, options, transport, address, isPeer) => {
  expect(await peerOf(options).owns(flow(transport, address))).toBe(isPeer);
});
