import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SipDialog } from '../../src/sip/ua/dialog.ts';
import type { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import {
  isResponse,
  rawRequest,
  rawResponse,
  SDP,
  TcpPeer,
  UdpPeer,
  uriOf,
  userAgent,
} from './sip/peers.ts';

/** Who knows the ids of a dialog, and is not in it. */

interface Stranger {
  send(text: string): void;
  readonly inbox: UdpPeer['inbox'];
}

let caller: SipUserAgent;
let called: SipUserAgent;
let dialog: SipDialog;
let heard: string[];
let refused: string[];
const open: (() => unknown)[] = [];

beforeEach(async () => {
  heard = [];
  refused = [];
  called = await userAgent((invite) => {
    void invite.accept(SDP);
  });
  caller = await userAgent(undefined, {
    handlers: { onStranger: ({ method }) => refused.push(method) },
  });
  open.push(
    () => caller.close(),
    () => called.close(),
  );
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function callOver(transport: 'udp' | 'tcp'): Promise<void> {
  dialog = await caller.invite({ uri: uriOf(called, transport), ...SDP });
  dialog.on('reinvite', (reinvite) => {
    heard.push(reinvite.method);
    void reinvite.accept(SDP);
  });
  dialog.on('request', (request) => {
    heard.push(request.method);
    request.respond({ status: 200 });
  });
  dialog.on('closed', (why) => heard.push(why));
}

/** As the called side would write it, but for Via. */
function inDialog(method: string, via: string): string {
  return rawRequest(method, 5060, {
    Via: `${via};branch=z9hG4bK${method}${String(Math.random()).slice(2)};rport`,
    From: `<${dialog.remoteUri}>;tag=${dialog.remoteTag}`,
    To: `<${dialog.localUri}>;tag=${dialog.localTag}`,
    'Call-ID': dialog.callId,
    CSeq: `1000 ${method}`,
    Contact: '<sip:evil@127.0.0.9>',
  });
}

async function udpStranger(host: string): Promise<Stranger> {
  const peer = await UdpPeer.create(host);
  open.push(() => {
    peer.close();
  });
  return {
    inbox: peer.inbox,
    send: (text) => {
      peer.send(text, caller);
    },
  };
}

async function tcpStranger(host: string): Promise<Stranger> {
  const peer = await TcpPeer.connect(caller, host);
  open.push(() => peer.socket.destroy());
  return {
    inbox: peer.inbox,
    send: (text) => peer.socket.write(text),
  };
}

describe.each([
  ['a datagram from another address', 'tcp', udpStranger, '127.0.0.2'],
  [
    'a datagram from the same address, while the dialog runs over TCP',
    'tcp',
    udpStranger,
    '127.0.0.1',
  ],
  ['a connection from another address', 'tcp', tcpStranger, '127.0.0.2'],
  ['a datagram from another address, in a dialog over UDP', 'udp', udpStranger, '127.0.0.2'],
] as const)('%s', (_title, transport, from, host) => {
  it.each(['INVITE', 'UPDATE', 'INFO', 'BYE'])(
    'that names the dialog in %s is told that there is none, and changes nothing',
    async (method) => {
      await callOver(transport);
      const before = dialog.remoteContact;
      const stranger = await from(host);
      stranger.send(inDialog(method, `SIP/2.0/${from === udpStranger ? 'UDP' : 'TCP'} ${host}`));
      await stranger.inbox.next(isResponse(481));
      expect(refused).toEqual([method]);
      expect(heard).toEqual([]);
      expect(dialog.remoteContact).toBe(before);
      // CSeq is not used up either.
      await dialog.bye();
      expect(heard).toEqual(['bye']);
    },
  );
});

it('takes requests of a peer that had to connect anew', async () => {
  await callOver('tcp');
  const again = await tcpStranger('127.0.0.1');
  again.send(inDialog('UPDATE', 'SIP/2.0/TCP 127.0.0.1'));
  await again.inbox.next(isResponse(200));
  expect(heard).toEqual(['UPDATE']);
  expect(refused).toEqual([]);
});

it('takes no answer to a request over TCP out of a datagram', async () => {
  const { server, port, first } = await TcpPeer.listen();
  open.push(() => server.close());
  const asked = caller.options({
    uri: `sip:127.0.0.1:${String(port)};transport=tcp`,
    timeoutMs: 300,
  });
  const outcome = asked.catch((error: unknown) => error);
  const request = await (await first).inbox.next();
  const stranger = await udpStranger('127.0.0.2');
  stranger.send(rawResponse(request, 200));
  expect(await outcome).toMatchObject({ code: 'SESSION_TIMEOUT' });
});

it('ends a call only for the CANCEL of whoever placed it', async () => {
  const invited = Promise.withResolvers<AbortSignal>();
  const ringing = await userAgent((invite) => {
    invited.resolve(invite.signal);
  });
  open.push(() => ringing.close());
  const [owner, stranger] = [await UdpPeer.create(), await UdpPeer.create('127.0.0.2')];
  open.push(
    () => {
      owner.close();
    },
    () => {
      stranger.close();
    },
  );
  const invite = rawRequest('INVITE', owner.port);
  owner.send(invite, ringing);
  const signal = await invited.promise;
  const cancel = invite.replace(/^INVITE/, 'CANCEL').replace('1 INVITE', '1 CANCEL');
  stranger.send(cancel, ringing);
  await stranger.inbox.next(isResponse(481));
  expect(signal.aborted).toBe(false);
  owner.send(cancel, ringing);
  await owner.inbox.next(isResponse(487));
  expect(signal.aborted).toBe(true);
});
