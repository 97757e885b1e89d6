import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SipMessage } from '../../src/sip/message/sip-message.ts';
import type { SipDialog } from '../../src/sip/ua/dialog.ts';
import type { IncomingInvite } from '../../src/sip/ua/incoming-invite.ts';
import type { IncomingReinvite } from '../../src/sip/ua/incoming-reinvite.ts';
import type { SipFailure } from '../../src/sip/ua/sip-failure.ts';
import type { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { tortureMessages } from '../unit/sip/support/messages.ts';
import {
  SDP,
  TcpPeer,
  UdpPeer,
  isRequest,
  isResponse,
  rawRequest,
  rawResponse,
  uriOf,
  userAgent,
} from './sip/peers.ts';

/** Short, so that what is given up after 64 T1 is given up in the test. */
const T1_MS = 10;
const FAST = { t1Ms: T1_MS, t2Ms: 4 * T1_MS, t4Ms: 5 * T1_MS, timerDMs: 64 * T1_MS };

let called: SipUserAgent;
let peer: UdpPeer;
let onInvite: (invite: IncomingInvite) => void;

beforeEach(async () => {
  onInvite = (invite) => {
    invite.reject(486);
  };
  called = await userAgent(
    (invite) => {
      onInvite(invite);
    },
    { timers: FAST, extensions: ['siprec'], limits: { bodyBytes: 10_000 } },
  );
  peer = await UdpPeer.create();
});

afterEach(async () => {
  await called.close();
  peer.close();
});

async function ask(
  method: string,
  changes: Readonly<Record<string, string>> = {},
  uri?: string,
): Promise<SipMessage & { kind: 'response' }> {
  peer.send(rawRequest(method, peer.port, changes, uri), called);
  const message = await peer.inbox.next();
  if (message.kind !== 'response') throw new Error(`a ${message.method} came`);
  return message;
}

describe('requests that cannot be served', () => {
  it.each([
    ['BYE outside any dialog', 'BYE', {}, undefined, 481],
    ['BYE in an unknown dialog', 'BYE', { To: '<sip:rec@h>;tag=x' }, undefined, 481],
    ['re-INVITE in an unknown dialog', 'INVITE', { To: '<sip:rec@h>;tag=x' }, undefined, 481],
    ['CANCEL of nothing', 'CANCEL', {}, undefined, 481],
    ['REGISTER', 'REGISTER', {}, undefined, 405],
    ['an unknown method', 'DANCE', {}, undefined, 501],
    ['an unknown extension', 'OPTIONS', { Require: 'siprec, foo' }, undefined, 420],
    ['another URI scheme', 'OPTIONS', {}, 'tel:+49301234', 416],
    ['a SIP URI that is none', 'OPTIONS', {}, 'sip:a@b@c', 400],
    ['a method that is not CSeq’s', 'OPTIONS', { CSeq: '1 INVITE' }, undefined, 400],
    ['a Content-Length beyond the datagram', 'OPTIONS', { 'Content-Length': '9' }, undefined, 400],
  ])('%s is answered', async (_title, method, changes, uri, status) => {
    expect((await ask(method, changes, uri)).status).toBe(status);
  });

  it('a Via that cannot be read is answered to where it came from', async () => {
    const answer = peer.nextBytes();
    peer.send(rawRequest('OPTIONS', peer.port, { Via: 'SIP/2.0/UDP ;;,' }), called);
    expect((await answer).toString()).toMatch(
      /^SIP\/2\.0 400 Bad Via\r\nVia: SIP\/2\.0\/UDP ;;,\r\n/,
    );
  });

  it('names what it does not support', async () => {
    const { headers } = await ask('OPTIONS', { Require: 'foo, siprec, bar' });
    expect(headers.get('Unsupported')).toBe('foo, bar');
  });

  it('answers OPTIONS of anybody with Allow, Accept and Supported, back to where it came from', async () => {
    const via = 'SIP/2.0/UDP 203.0.113.1:7;branch=z9hG4bK1;rport';
    const { status, headers } = await ask('OPTIONS', { Via: via });
    expect(status).toBe(200);
    expect(headers.get('Allow')).toContain('UPDATE');
    expect(headers.get('Accept')).toBe('application/sdp');
    expect(headers.get('Supported')).toBe('siprec');
    expect(headers.get('Via')).toContain(`rport=${String(peer.port)};received=127.0.0.1`);
  });
});

describe('a called agent whose peer loses messages', () => {
  it('takes a repeated INVITE for one, and repeats its 200 until the ACK', async () => {
    const invites: IncomingInvite[] = [];
    const dialog = Promise.withResolvers<SipDialog>();
    onInvite = (invite) => {
      invites.push(invite);
      invite.accept(SDP).then(dialog.resolve, dialog.reject);
    };
    peer.send(rawRequest('INVITE', peer.port), called);
    peer.send(rawRequest('INVITE', peer.port), called);
    await peer.inbox.next(isResponse(200));
    await peer.inbox.next(isResponse(200));
    const ok = await peer.inbox.next(isResponse(200));
    expect(invites).toHaveLength(1);
    const via = `SIP/2.0/UDP 127.0.0.1:${String(peer.port)};branch=z9hG4bKack`;
    const ack = { Via: via, To: ok.headers.get('To') ?? '' };
    peer.send(rawRequest('ACK', peer.port, ack), called);
    expect((await dialog.promise).ack?.headers.get('Via')).toContain('z9hG4bKack');
  });

  it('refuses a copy of an INVITE that came another way', async () => {
    peer.send(rawRequest('INVITE', peer.port), called);
    expect(await peer.inbox.next()).toMatchObject({ status: 486 });
    const via = `SIP/2.0/UDP 127.0.0.1:${String(peer.port)};branch=z9hG4bKcopy;rport`;
    peer.send(rawRequest('INVITE', peer.port, { Via: via }), called);
    expect(await peer.inbox.next(isResponse(482))).toBeDefined();
  });

  it('ends a session that is never acknowledged with BYE', async () => {
    const failed = Promise.withResolvers<SipFailure>();
    onInvite = (invite) => {
      invite.accept(SDP).catch(failed.resolve);
    };
    peer.send(rawRequest('INVITE', peer.port), called);
    const bye = await peer.inbox.next(isRequest('BYE'));
    expect(await failed.promise).toMatchObject({ kind: 'timeout' });
    peer.send(rawResponse(bye, 200), called);
  });

  it('takes a BYE that overtakes the ACK', async () => {
    const failed = Promise.withResolvers<SipFailure>();
    onInvite = (invite) => {
      invite.accept(SDP).catch(failed.resolve);
    };
    peer.send(rawRequest('INVITE', peer.port), called);
    const { headers } = await peer.inbox.next(isResponse(200));
    const changes = { To: headers.get('To') ?? '', CSeq: '2 BYE' };
    peer.send(rawRequest('BYE', peer.port, changes), called);
    const answer = await peer.inbox.next((message) => message.headers.get('CSeq') === '2 BYE');
    expect(answer).toMatchObject({ status: 200 });
    expect(await failed.promise).toMatchObject({ kind: 'cancelled' });
  });

  it('refuses a request whose CSeq goes back', async () => {
    const dialog = Promise.withResolvers<SipDialog>();
    onInvite = (invite) => {
      invite.accept(SDP).then(dialog.resolve, dialog.reject);
    };
    peer.send(rawRequest('INVITE', peer.port, { CSeq: '7 INVITE' }), called);
    const { headers } = await peer.inbox.next(isResponse(200));
    const to = headers.get('To') ?? '';
    peer.send(rawRequest('ACK', peer.port, { To: to, CSeq: '7 ACK' }), called);
    await dialog.promise;
    peer.send(rawRequest('BYE', peer.port, { To: to, CSeq: '6 BYE' }), called);
    expect(await peer.inbox.next(isResponse(500))).toMatchObject({ kind: 'response' });
    expect((await dialog.promise).closed).toBe(false);
  });
});

describe('a calling agent whose peer loses messages', () => {
  it('acknowledges a repeated 200 again, and a second fork gets ACK and BYE', async () => {
    const uri = `sip:rec@127.0.0.1:${String(peer.port)}`;
    const calling = called.invite({ uri, ...SDP });
    const invite = await peer.inbox.next(isRequest('INVITE'));
    const contact = { Contact: `<${uri}>` };
    const ok = rawResponse(invite, 200, contact);
    peer.send(ok, called);
    const dialog = await calling;
    const first = await peer.inbox.next(isRequest('ACK'));
    peer.send(ok, called);
    const second = await peer.inbox.next(isRequest('ACK'));
    expect(second.headers.get('Via')).toBe(first.headers.get('Via'));

    peer.send(ok.replace(';tag=raw\r\nCall-ID', ';tag=fork\r\nCall-ID'), called);
    expect((await peer.inbox.next(isRequest('ACK'))).headers.get('To')).toContain('tag=fork');
    const bye = await peer.inbox.next(isRequest('BYE'));
    expect(bye.headers.get('To')).toContain('tag=fork');
    peer.send(rawResponse(bye, 200), called);
    expect(dialog.closed).toBe(false);

    const ended = once(dialog, 'closed');
    const asked = dialog.request('INFO').catch((error: unknown) => error);
    peer.send(rawResponse(await peer.inbox.next(isRequest('INFO')), 481), called);
    expect(await asked).toMatchObject({ kind: 'refused', status: 481 });
    expect(await ended).toEqual(['gone']);
  });

  it('follows the route set, strict routers included, and the Contact without its >', async () => {
    const uri = `sip:rec@127.0.0.1:${String(peer.port)}`;
    const calling = called.invite({ uri, ...SDP });
    const invite = await peer.inbox.next(isRequest('INVITE'));
    const routes = `<sip:far.example;lr>, <sip:127.0.0.1:${String(peer.port)};lr>`;
    const contact = `<sip:target@192.0.2.9;+sip.srs`;
    peer.send(rawResponse(invite, 200, { 'Record-Route': routes, Contact: contact }), called);
    const dialog = await calling;
    expect(dialog.remoteContact).toBe('sip:target@192.0.2.9');
    expect(dialog.remoteParams.has('+sip.srs')).toBe(true);
    const ack = await peer.inbox.next(isRequest('ACK'));
    expect(ack).toMatchObject({ uri: 'sip:target@192.0.2.9' });
    expect(ack.headers.getAll('Route')).toEqual([
      `<sip:127.0.0.1:${String(peer.port)};lr>`,
      '<sip:far.example;lr>',
    ]);
    void dialog.bye();
    peer.send(rawResponse(await peer.inbox.next(isRequest('BYE')), 200), called);
  });

  it('ends the dialog when a request in it gets no answer, and tells the peer', async () => {
    const uri = `sip:rec@127.0.0.1:${String(peer.port)}`;
    const calling = called.invite({ uri, ...SDP });
    const invite = await peer.inbox.next(isRequest('INVITE'));
    peer.send(rawResponse(invite, 200, { Contact: `<${uri}>` }), called);
    const dialog = await calling;
    const ended = once(dialog, 'closed');
    const asked = dialog.reinvite(SDP).catch((error: unknown) => error);
    expect(await asked).toMatchObject({ kind: 'timeout' });
    expect(await ended).toEqual(['timeout']);
    await peer.inbox.next(isRequest('BYE'));
  });

  it('sends CANCEL with the branch of the INVITE after a provisional response', async () => {
    const cancel = new AbortController();
    const uri = `sip:rec@127.0.0.1:${String(peer.port)}`;
    const calling = called
      .invite({ uri, ...SDP, signal: cancel.signal })
      .catch((error: unknown) => error);
    const invite = await peer.inbox.next(isRequest('INVITE'));
    cancel.abort();
    expect(await calling).toMatchObject({ kind: 'cancelled' });
    peer.send(rawResponse(invite, 180), called);
    const request = await peer.inbox.next(isRequest('CANCEL'));
    expect(request.headers.get('Via')).toBe(invite.headers.get('Via'));
    expect(request.headers.get('CSeq')).toBe('1 CANCEL');
    peer.send(rawResponse(request, 200), called);
    peer.send(rawResponse(invite, 487), called);
    await peer.inbox.next(isRequest('ACK'));
  });
});

describe('a stream that breaks framing', () => {
  it('is answered 400 and destroyed, what follows is not read', async () => {
    let invites = 0;
    onInvite = () => {
      invites++;
    };
    const tcp = await TcpPeer.connect(called);
    const smuggled = rawRequest('INVITE', 9);
    const broken = rawRequest('OPTIONS', 9, { 'Content-Length': '-1' });
    tcp.socket.write(broken + smuggled);
    expect(await tcp.inbox.next()).toMatchObject({ status: 400 });
    await tcp.closed;
    expect(invites).toBe(0);
  });

  it('is destroyed when it is no SIP at all', async () => {
    const tcp = await TcpPeer.connect(called);
    tcp.socket.write(Buffer.alloc(100_000, 'x'));
    await tcp.closed;
  });

  it('is answered 413 and destroyed when a body is beyond the limit', async () => {
    const tcp = await TcpPeer.connect(called);
    tcp.socket.write(rawRequest('OPTIONS', 9, { 'Content-Length': '10001' }));
    expect(await tcp.inbox.next()).toMatchObject({ status: 413 });
    await tcp.closed;
  });
});

describe('the owner of a dialog', () => {
  it('that fails or does not listen costs the peer 500, 488 or 405, not the process', async () => {
    const answered = Promise.withResolvers<SipDialog>();
    onInvite = (invite) => {
      invite.accept(SDP).then(answered.resolve, answered.reject);
    };
    const caller = await userAgent();
    const ours = await caller.invite({ uri: uriOf(called), ...SDP });
    const theirs = await answered.promise;
    const statusOf = (attempt: Promise<unknown>): Promise<unknown> =>
      attempt.then(
        () => 200,
        (error: unknown) => (error as SipFailure).status,
      );
    expect(await statusOf(ours.reinvite(SDP))).toBe(488);
    expect(await statusOf(ours.request('INFO'))).toBe(405);
    theirs.on('reinvite', () => {
      throw new Error('on purpose');
    });
    expect(await statusOf(ours.reinvite(SDP))).toBe(500);
    expect([ours.closed, theirs.closed]).toEqual([false, false]);
    await caller.close();
  });

  it('may listen in the turn after the call came about, and misses nothing', async () => {
    const { server, port, first } = await TcpPeer.listen();
    const uri = `sip:127.0.0.1:${String(port)};transport=tcp`;
    const calling = called.invite({ uri, ...SDP });
    const tcp = await first;
    const invite = await tcp.inbox.next(isRequest('INVITE'));
    // One segment: 200, and the re-INVITE right behind it.
    const reinvite = rawRequest('INVITE', port, {
      Via: `SIP/2.0/TCP 127.0.0.1:${String(port)};branch=z9hG4bKre`,
      From: `${invite.headers.get('To') ?? ''};tag=raw`,
      To: invite.headers.get('From') ?? '',
      'Call-ID': invite.headers.get('Call-ID') ?? '',
    });
    tcp.socket.write(rawResponse(invite, 200, { Contact: `<${uri}>` }) + reinvite);
    const dialog = await calling;
    const [heard] = (await once(dialog, 'reinvite')) as [IncomingReinvite];
    expect(heard.hasOffer).toBe(false);
    heard.reject(488);
    tcp.socket.destroy();
    server.close();
  });
});

describe('TCP connections', () => {
  it('are limited in number', async () => {
    const limited = await userAgent(undefined, { limits: { connections: 1 } });
    const first = await TcpPeer.connect(limited);
    const second = await TcpPeer.connect(limited);
    await second.closed;
    first.socket.write(rawRequest('OPTIONS', 9));
    expect(await first.inbox.next()).toMatchObject({ status: 200 });
    first.socket.destroy();
    await limited.close();
  });

  it('are closed when idle, unless they carry a dialog', async () => {
    const dialog = Promise.withResolvers<SipDialog>();
    const impatient = await userAgent(
      (invite) => {
        invite.accept(SDP).then(dialog.resolve, dialog.reject);
      },
      { timers: { ...FAST, tcpIdleMs: 30 } },
    );
    const busy = await TcpPeer.connect(impatient);
    busy.socket.write(rawRequest('INVITE', 9));
    const { headers } = await busy.inbox.next(isResponse(200));
    const to = headers.get('To') ?? '';
    busy.socket.write(rawRequest('ACK', 9, { To: to, Via: 'SIP/2.0/TCP h;branch=z9hG4bKa' }));
    const disconnected = once(await dialog.promise, 'disconnected');
    for (let i = 0; i < 3; i++) await (await TcpPeer.connect(impatient)).closed;
    busy.socket.write(rawRequest('OPTIONS', 9));
    expect(await busy.inbox.next(isResponse(200))).toBeDefined();
    busy.socket.destroy();
    await disconnected;
    await impatient.close();
  });

  it('stay open for the next request, and are opened anew when the peer closed them', async () => {
    const caller = await userAgent();
    const { server, port, first } = await TcpPeer.listen();
    const uri = `sip:127.0.0.1:${String(port)};transport=tcp`;
    const asking = caller.options({ uri, timeoutMs: 5_000 });
    const one = await first;
    one.socket.write(rawResponse(await one.inbox.next(), 200));
    expect((await asking).status).toBe(200);
    const again = caller.options({ uri, timeoutMs: 5_000 });
    await one.inbox.next();
    // It dies with the request unanswered: the stack tries a new connection by itself.
    const next = once(server, 'connection') as Promise<[Socket]>;
    one.socket.destroy();
    const two = new TcpPeer((await next)[0]);
    two.socket.write(rawResponse(await two.inbox.next(), 486));
    expect((await again).status).toBe(486);
    server.close();
    await caller.close();
  });
});

describe('RFC 4475 at an agent that accepts everything', () => {
  it('leaves it alive and empty, over UDP and TCP', async () => {
    onInvite = (invite) => {
      invite.accept(SDP).catch(() => undefined);
    };
    for (const { bytes } of tortureMessages()) {
      peer.send(bytes, called);
      const tcp = await TcpPeer.connect(called);
      tcp.socket.end(bytes);
      await tcp.closed;
    }
    peer.send('\r\n'.repeat(30_000), called);
    const { status } = await called.options({ uri: uriOf(called, 'tcp'), timeoutMs: 5_000 });
    expect(status).toBe(200);
  });
});
