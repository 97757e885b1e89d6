import { pino } from 'pino';
import { expect, it } from 'vitest';
import { SipUserAgent } from '../../../src/sip/ua/user-agent.ts';
import type { SipUserAgentHandlers } from '../../../src/sip/ua/user-agent-options.ts';
import { settle } from '../../support/manual-clock.ts';
import { FakeClock } from './support/fake-clock.ts';
import { MemoryNetwork } from './support/memory-network.ts';

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
      lookup: (name) =>
        name === 'rec.example.com'
          ? Promise.resolve([{ address: '192.0.2.2', family: 4 }])
          : Promise.reject(new Error('ENOTFOUND')),
      handlers,
    });
  };
  const caller = await agent('192.0.2.1');
  return { clock, network, agent, caller };
}

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
