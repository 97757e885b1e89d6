import { pino } from 'pino';
import type { Header } from '../../../src/sip/message/headers.ts';
import { describe, expect, it } from 'vitest';
import { SipUserAgent } from '../../../src/sip/ua/user-agent.ts';
import type { SipUserAgentHandlers } from '../../../src/sip/ua/user-agent-options.ts';
import { settle } from '../../support/manual-clock.ts';
import { FakeClock } from './support/fake-clock.ts';
import { MemoryNetwork } from './support/memory-network.ts';
import { RawPeer } from './support/raw-peer.ts';
import type { Answer } from './support/raw-peer.ts';

const SDP = { body: Buffer.from('v=0\r\n'), contentType: 'application/sdp' };

/** Counts up: the same run has the same messages. */
function counting(prefix: string) {
  let count = 0;
  return {
    token: () => `${prefix}${String(++count)}`,
    below: () => 0,
  };
}

async function world() {
  const clock = new FakeClock();
  const network = new MemoryNetwork();
  const names = new Map([['rec.example.com', '192.0.2.2']]);
  const agent = (host: string, handlers: SipUserAgentHandlers = {}) => {
    return SipUserAgent.create({
      host,
      port: 5060,
      transports: ['udp'],
      userAgent: 'test',
      logger: pino({ level: 'silent' }),
      clock,
      random: counting(host),
      openTransport: network.open,
      lookup: (name) => {
        const address = names.get(name);
        return address === undefined
          ? Promise.reject(new Error('ENOTFOUND'))
          : Promise.resolve([{ address, family: 4 }]);
      },
      handlers,
    });
  };
  const caller = await agent('192.0.2.1');
  return { clock, network, names, agent, caller };
}

function peer({ network }: { network: MemoryNetwork }, address: string, answer: Answer): RawPeer {
  return new RawPeer(network, address, '192.0.2.1', answer);
}

const contact = (uri: string): Header[] => [['Contact', `<${uri}>`]];
const failure = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'did not fail',
    (error: unknown) => error,
  );

it('needs nothing but the network, the clock and the resolver that it is given', async () => {
  const { clock, network, agent, caller } = await world();
  await agent('192.0.2.2', { onInvite: (invite) => void invite.accept(SDP) });
  const dialog = await caller.invite({ uri: 'sip:rec.example.com', ...SDP });
  expect(dialog.remoteContact).toBe('sip:192.0.2.2:5060');
  // The called side has had its turn to listen.
  await settle();
  clock.advance(0);
  await dialog.bye();
  // Every timer of every transaction: nothing is left behind.
  clock.advance(64_000);
  expect(clock.pending).toBe(0);
  expect(network.sent).toEqual([
    'INVITE sip:rec.example.com SIP/2.0',
    'SIP/2.0 200 OK',
    'ACK sip:192.0.2.2:5060 SIP/2.0',
    'BYE sip:192.0.2.2:5060 SIP/2.0',
    'SIP/2.0 200 OK',
  ]);
});

it('gives up on a silent peer when its clock says so', async () => {
  const { clock, caller } = await world();
  const failed = caller
    .invite({ uri: 'sip:192.0.2.9', timeoutMs: 4_000, ...SDP })
    .catch((error: unknown) => error);
  await settle();
  clock.advance(4_000);
  expect(await failed).toMatchObject({ code: 'SESSION_TIMEOUT' });
});

it('finds peers by name as before while names cannot be looked up', async () => {
  const w = await world();
  peer(w, '192.0.2.2', () => ({ status: 200 }));
  const ask = () => w.caller.options({ uri: 'sip:rec.example.com', timeoutMs: 1_000 });
  expect((await ask()).status).toBe(200);
  w.names.clear();
  expect((await ask()).status).toBe(200);
});

it('says how long a peer that refuses wants to be left alone', async () => {
  const w = await world();
  peer(w, '192.0.2.2', () => ({
    status: 503,
    headers: [['Retry-After', '60 (too many sessions);duration=600']],
  }));
  expect(await failure(w.caller.invite({ uri: 'sip:192.0.2.2', ...SDP }))).toMatchObject({
    code: 'SESSION_REFUSED',
    details: { status: 503, retryAfterMs: 60_000 },
  });
});

describe('a redirect', () => {
  async function redirected() {
    const w = await world();
    peer(w, '192.0.2.2', () => ({
      status: 302,
      headers: [['Contact', '<sip:192.0.2.3>;q=0.9, <sip:192.0.2.4>;q=0.5']],
    }));
    const silent = peer(w, '192.0.2.3', () => undefined);
    const able = peer(w, '192.0.2.4', () => ({ status: 200, headers: contact('sip:192.0.2.4') }));
    const invited = w.caller.invite({ uri: 'sip:192.0.2.2', timeoutMs: 4_000, ...SDP });
    return { w, silent, able, invited };
  }

  it('whose first target is silent leaves time for the second', async () => {
    const { w, silent, able, invited } = await redirected();
    await settle();
    expect(silent.methods).toEqual(['INVITE']);
    w.clock.advance(2_000);
    const dialog = await invited;
    expect(dialog.remoteContact).toBe('sip:192.0.2.4');
    expect(able.methods).toEqual(['INVITE', 'ACK']);
  });

  it('whose first target answers too late ends that session', async () => {
    const { w, silent, invited } = await redirected();
    await settle();
    w.clock.advance(2_000);
    await invited;
    const [invite] = silent.got;
    if (invite === undefined) throw new Error('not asked');
    silent.reply(invite, { status: 200, headers: contact('sip:192.0.2.3') });
    await settle();
    expect(silent.methods.slice(-2)).toEqual(['ACK', 'BYE']);
    expect(w.caller.dialogCount).toBe(2);
    const [bye] = silent.got.slice(-1);
    if (bye !== undefined) silent.reply(bye, { status: 200 });
    await settle();
    expect(w.caller.dialogCount).toBe(1);
  });
});

it('has no session whose ACK cannot be sent, and tells the peer over the way it came', async () => {
  const w = await world();
  const lost = peer(w, '192.0.2.2', ({ method }) => ({
    status: 200,
    ...(method === 'INVITE' ? { headers: contact('sip:srs@no-such-host') } : {}),
  }));
  expect(await failure(w.caller.invite({ uri: 'sip:192.0.2.2', ...SDP }))).toMatchObject({
    code: 'SESSION_TRANSPORT',
  });
  await settle();
  expect(lost.methods).toEqual(['INVITE', 'BYE']);
  expect(w.caller.dialogCount).toBe(0);
});

describe('a re-INVITE that is not answered', () => {
  async function established() {
    const w = await world();
    let silent = false;
    const called = peer(w, '192.0.2.2', () =>
      silent ? undefined : { status: 200, headers: contact('sip:192.0.2.2') },
    );
    const dialog = await w.caller.invite({ uri: 'sip:192.0.2.2', ...SDP });
    const closed: string[] = [];
    dialog.on('closed', (why) => closed.push(why));
    const hang = (is: boolean): void => {
      silent = is;
    };
    hang(true);
    const first = failure(dialog.reinvite({ ...SDP, timeoutMs: 3_000 }));
    await settle();
    w.clock.advance(3_000);
    return { w, called, dialog, closed, hang, first };
  }

  it('fails in its time, and the next one is sent once the way is free', async () => {
    const { w, called, dialog, closed, hang, first } = await established();
    expect(await first).toMatchObject({ code: 'SESSION_TIMEOUT' });
    const offers: string[] = [];
    const second = dialog.reinvite({
      offer: () => {
        offers.push('made');
        return SDP;
      },
    });
    await settle();
    expect(offers).toEqual([]);
    hang(false);
    // The first is repeated, and answered at last.
    w.clock.advance(4_000);
    await settle();
    expect((await second).status).toBe(200);
    expect(offers).toEqual(['made']);
    const seqs = called.got.map(({ headers }) => headers.get('CSeq'));
    expect(seqs.slice(-3)).toEqual(['2 ACK', '3 INVITE', '3 ACK']);
    expect(closed).toEqual([]);
  });

  it('ends the dialog when the peer never answers', async () => {
    const { w, dialog, closed } = await established();
    const second = failure(dialog.reinvite(SDP));
    await settle();
    w.clock.advance(29_000);
    expect(closed).toEqual(['timeout']);
    expect(await second).toMatchObject({ code: 'SESSION_CANCELLED' });
  });
});
