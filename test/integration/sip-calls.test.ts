import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { SipRequest } from '../../src/sip/message/sip-message.ts';
import type { SipDialog } from '../../src/sip/ua/dialog.ts';
import type { AcceptOptions, IncomingInvite } from '../../src/sip/ua/incoming-invite.ts';
import { SipFailure } from '../../src/sip/ua/sip-failure.ts';
import type { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import type { SipUserAgentOptions } from '../../src/sip/ua/user-agent-options.ts';
import {
  SDP,
  TcpPeer,
  UdpPeer,
  rawRequest,
  rawResponse,
  isRequest,
  isResponse,
  uriOf,
  userAgent,
} from './sip/peers.ts';

const open: SipUserAgent[] = [];

async function agent(
  onInvite?: (invite: IncomingInvite) => void,
  options?: Partial<SipUserAgentOptions>,
): Promise<SipUserAgent> {
  const created = await userAgent(onInvite, options);
  open.push(created);
  return created;
}

/** A called agent that accepts, and its dialogs. */
async function accepting(accept: AcceptOptions = SDP, options?: Partial<SipUserAgentOptions>) {
  const answered = Promise.withResolvers<SipDialog>();
  const called = await agent((invite) => {
    invite.accept(accept).then(answered.resolve, answered.reject);
  }, options);
  return { called, answered: answered.promise };
}

function failureOf(attempt: Promise<unknown>): Promise<SipFailure> {
  return attempt.then(
    () => {
      throw new Error('did not fail');
    },
    (error: unknown) => {
      if (error instanceof SipFailure) return error;
      throw error;
    },
  );
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

describe.each([
  { title: 'UDP', transport: 'udp', host: '127.0.0.1', peer: '127.0.0.1' },
  { title: 'TCP', transport: 'tcp', host: '127.0.0.1', peer: '127.0.0.1' },
  { title: 'UDP on the IPv4 wildcard', transport: 'udp', host: '0.0.0.0', peer: '127.0.0.1' },
  { title: 'TCP on the IPv6 wildcard', transport: 'tcp', host: '::', peer: '[::1]' },
  { title: 'UDP on the IPv6 wildcard to IPv4', transport: 'udp', host: '::', peer: '127.0.0.1' },
  { title: 'UDP over IPv6', transport: 'udp', host: '::1', peer: '[::1]' },
] as const)('a call over $title', ({ transport, host, peer }) => {
  it('is set up, re-offered from both sides and ended', async () => {
    const { called, answered } = await accepting(
      { ...SDP, contactParams: '+sip.srs', headers: [['X-Answer', 'yes']] },
      { host },
    );
    const caller = await agent(undefined, { host });
    const ours = await caller.invite({
      uri: uriOf(called, transport, peer),
      ...SDP,
      contactParams: '+sip.src',
    });
    const theirs = await answered;
    expect(ours.remoteParams.has('+sip.srs')).toBe(true);
    expect(theirs.remoteParams.has('+sip.src')).toBe(true);
    expect(ours.established?.headers.get('X-Answer')).toBe('yes');
    const name = peer === '[::1]' ? '[::1]' : '127.0.0.1';
    expect(ours.remoteContact).toContain(`sip:${name}:`);
    expect(theirs.remoteContact).toContain(`sip:${name}:`);

    theirs.on('reinvite', (reinvite) => {
      void reinvite.accept({ ...SDP, body: Buffer.from('answer to offer') });
    });
    const offered = await ours.reinvite(SDP);
    expect(offered.body.toString()).toBe('answer to offer');

    const acked = Promise.withResolvers<string>();
    ours.on('reinvite', (reinvite) => {
      expect(reinvite.hasOffer).toBe(false);
      reinvite.accept({ ...SDP, body: Buffer.from('our offer') }).then((ack) => {
        acked.resolve(ack?.body.toString() ?? '');
      }, acked.reject);
    });
    const asked = await theirs.reinvite({
      answer: (response) => ({ ...SDP, body: Buffer.from(`to ${response.body.toString()}`) }),
    });
    expect(asked.body.toString()).toBe('our offer');
    expect(await acked.promise).toBe('to our offer');

    expect((await ours.request('UPDATE', { headers: [['X-Update', '1']] })).status).toBe(200);

    const closed = once(theirs, 'closed');
    const hungUp = once(theirs, 'bye');
    await ours.bye({ headers: [['Reason', 'SIP;cause=200']] });
    await ours.bye();
    const [bye] = (await hungUp) as [SipRequest];
    expect(bye.headers.get('Reason')).toBe('SIP;cause=200');
    expect(await closed).toEqual(['bye']);
    expect([caller.dialogCount, called.dialogCount]).toEqual([0, 0]);
  });
});

it('tells the called side of a BYE that comes together with the ACK', async () => {
  const { called, answered } = await accepting();
  const peer = await TcpPeer.connect(called);
  const via = (branch: string): string => `SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK${branch}`;
  peer.socket.write(rawRequest('INVITE', 1, { Via: via('invite') }));
  const accepted = await peer.inbox.next(isResponse(200));
  const To = accepted.headers.get('To') ?? '';
  const ended = answered.then((dialog) => once(dialog, 'closed'));
  peer.socket.write(
    rawRequest('ACK', 1, { Via: via('ack'), To, CSeq: '1 ACK' }) +
      rawRequest('BYE', 1, { Via: via('bye'), To, CSeq: '2 BYE' }),
  );
  expect(await ended).toEqual(['bye']);
  await peer.inbox.next(isResponse(200));
  expect(called.dialogCount).toBe(0);
  peer.socket.destroy();
});

describe('a call that is not taken', () => {
  it('fails with status, reason and Retry-After of the refusal', async () => {
    const called = await agent((invite) => {
      invite.reject(503, 'Disk Full', [['Retry-After', '7 (later)']]);
    });
    const caller = await agent();
    const failure = await failureOf(caller.invite({ uri: uriOf(called), ...SDP }));
    expect(failure).toMatchObject({
      kind: 'refused',
      code: 'SESSION_REFUSED',
      status: 503,
      reason: 'Disk Full',
      retryAfterMs: 7_000,
    });
  });

  it('fails at once when nobody listens at the TCP port', async () => {
    const caller = await agent();
    const { server, port } = await TcpPeer.listen();
    server.close();
    await once(server, 'close');
    const failure = await failureOf(
      caller.invite({ uri: `sip:rec@127.0.0.1:${String(port)};transport=tcp`, ...SDP }),
    );
    expect(failure).toMatchObject({ kind: 'transport', code: 'SESSION_TRANSPORT' });
  });

  it('times out when the peer is silent', async () => {
    const silent = await UdpPeer.create();
    const caller = await agent();
    const uri = `sip:rec@127.0.0.1:${String(silent.port)}`;
    const failure = await failureOf(caller.invite({ uri, ...SDP, timeoutMs: 60 }));
    expect(failure).toMatchObject({ kind: 'timeout', status: 408 });
    expect(await failureOf(caller.options({ uri, timeoutMs: 20 }))).toMatchObject({
      kind: 'timeout',
    });
    silent.close();
  });

  it.each(['tel:+49301234', 'sips:rec@127.0.0.1', 'sip:rec@127.0.0.1;transport=sctp', 'rubbish'])(
    'fails for %s, which cannot be reached',
    async (uri) => {
      const caller = await agent();
      expect(await failureOf(caller.invite({ uri, ...SDP }))).toMatchObject({ kind: 'transport' });
    },
  );

  it('refuses a header with a line break in it', async () => {
    const caller = await agent();
    const failure = await failureOf(
      caller.invite({ uri: 'sip:rec@127.0.0.1:9', ...SDP, headers: [['X', 'a\r\nY: b']] }),
    );
    expect(failure.cause).toMatchObject({ code: 'SIP_INVALID' });
  });
});

describe('redirection', () => {
  it('goes to the Contacts of a 302, the likeliest first', async () => {
    const { called, answered } = await accepting();
    const busy = await agent((invite) => {
      invite.reject(486);
    });
    const redirecting = await agent((invite) => {
      const contact = `<${uriOf(called)}>;q=0.5, <${uriOf(busy)}>;q=0.9, <tel:+1>;q=1`;
      invite.reject(302, undefined, [['Contact', contact]]);
    });
    const caller = await agent();
    const dialog = await caller.invite({ uri: uriOf(redirecting), ...SDP });
    expect((await answered).callId).toBe(dialog.callId);
  });

  it('does not go round in circles', async () => {
    let invites = 0;
    const agents: SipUserAgent[] = [];
    for (const other of [1, 0])
      agents.push(
        await agent((invite) => {
          invites++;
          const target = agents[other];
          if (target !== undefined)
            invite.reject(302, undefined, [['Contact', `<${uriOf(target)}>`]]);
        }),
      );
    const caller = await agent();
    const [first] = agents;
    if (first === undefined) throw new Error('no agent');
    const failure = await failureOf(caller.invite({ uri: uriOf(first), ...SDP }));
    expect(failure.status).toBe(302);
    expect(invites).toBe(2);
  });
});

describe('cancelling', () => {
  it('rejects at once, and the called side learns of it', async () => {
    const got = Promise.withResolvers<IncomingInvite>();
    const called = await agent((invite) => {
      invite.provisional(180);
      got.resolve(invite);
    });
    const caller = await agent();
    const cancel = new AbortController();
    const attempt = failureOf(caller.invite({ uri: uriOf(called), ...SDP, signal: cancel.signal }));
    const invite = await got.promise;
    cancel.abort();
    expect(await attempt).toMatchObject({ kind: 'cancelled', code: 'SESSION_CANCELLED' });
    if (!invite.signal.aborted) await once(invite.signal, 'abort');
    expect(await failureOf(invite.accept(SDP))).toMatchObject({ kind: 'cancelled' });
    expect(called.dialogCount).toBe(0);
  });

  it('acknowledges and ends a session whose 200 crossed the cancelling', async () => {
    const cancel = new AbortController();
    const answered = Promise.withResolvers<SipDialog>();
    const called = await agent((invite) => {
      cancel.abort();
      invite.accept(SDP).then(answered.resolve, answered.reject);
    });
    const caller = await agent();
    const attempt = failureOf(caller.invite({ uri: uriOf(called), ...SDP, signal: cancel.signal }));
    expect(await attempt).toMatchObject({ kind: 'cancelled' });
    const dialog = await answered.promise;
    expect(await once(dialog, 'closed')).toEqual(['bye']);
  });
});

describe('requests of more than 1,300 bytes', () => {
  const body = Buffer.alloc(2_000, 'm');

  it('go by TCP although the URI says nothing of it', async () => {
    const used = Promise.withResolvers<string>();
    const called = await agent((invite) => {
      used.resolve(invite.source.transport);
      invite.reject(486);
    });
    const caller = await agent();
    const invite = { uri: uriOf(called), body, contentType: 'x/y' };
    await failureOf(caller.invite(invite));
    expect(await used.promise).toBe('tcp');
  });

  it('go by UDP when the peer does not take TCP', async () => {
    const used = Promise.withResolvers<string>();
    const called = await agent(
      (invite) => {
        used.resolve(`${invite.source.transport} ${String(invite.body.length)}`);
        invite.reject(486);
      },
      { transports: ['udp'] },
    );
    const caller = await agent();
    await failureOf(caller.invite({ uri: uriOf(called), body, contentType: 'x/y' }));
    expect(await used.promise).toBe('udp 2000');
  });
});

describe('glare', () => {
  it('lets both re-INVITEs that crossed come through in the end', async () => {
    const { called, answered } = await accepting();
    const caller = await agent();
    const ours = await caller.invite({ uri: uriOf(called), ...SDP });
    const theirs = await answered;
    for (const dialog of [ours, theirs])
      dialog.on('reinvite', (reinvite) => void reinvite.accept(SDP));
    const responses = await Promise.all([ours.reinvite(SDP), theirs.reinvite(SDP)]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
  });
});

describe('the end of a connection', () => {
  it('is told to the dialog it carried, which stands', async () => {
    const { server, port, first } = await TcpPeer.listen();
    const caller = await agent();
    const calling = caller.invite({
      uri: `sip:rec@127.0.0.1:${String(port)};transport=tcp`,
      ...SDP,
    });
    const peer = await first;
    const invite = await peer.inbox.next(isRequest('INVITE'));
    const contact = `<sip:127.0.0.1:${String(port)};transport=tcp>`;
    peer.socket.write(rawResponse(invite, 200, { Contact: contact }));
    const dialog = await calling;
    await peer.inbox.next(isRequest('ACK'));
    const told = once(dialog, 'disconnected');
    peer.socket.destroy();
    await told;
    expect(dialog.closed).toBe(false);
    server.close();
    await dialog.bye();
    expect(dialog.closed).toBe(true);
  });

  it('fails an INVITE that still waits for its answer', async () => {
    const { server, port, first } = await TcpPeer.listen();
    const caller = await agent();
    const uri = `sip:rec@127.0.0.1:${String(port)};transport=tcp`;
    const attempt = failureOf(caller.invite({ uri, ...SDP }));
    const peer = await first;
    const invite = await peer.inbox.next(isRequest('INVITE'));
    server.close();
    peer.socket.end(rawResponse(invite, 100));
    expect(await attempt).toMatchObject({ kind: 'transport' });
  });
});

describe('closing', () => {
  it('ends dialogs with BYE, refuses what waits, and fails what is under way', async () => {
    const { called, answered } = await accepting();
    const caller = await agent((invite) => {
      invite.provisional(180);
      ringing.resolve(undefined);
    });
    const ringing = Promise.withResolvers<undefined>();
    const ours = await caller.invite({ uri: uriOf(called), ...SDP });
    const theirs = await answered;
    const waiting = failureOf(called.invite({ uri: uriOf(caller), ...SDP }));
    await ringing.promise;
    const ends = Promise.all([once(ours, 'closed'), once(theirs, 'closed')]);
    await Promise.all([caller.close(), caller.close()]);
    expect(await ends).toEqual([['closed'], ['bye']]);
    expect(await waiting).toMatchObject({ status: 503 });
    expect(await failureOf(caller.invite({ uri: uriOf(called), ...SDP }))).toMatchObject({
      kind: 'cancelled',
    });
  });
});
