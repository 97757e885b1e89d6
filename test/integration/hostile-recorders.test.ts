import { describe, expect, it } from 'vitest';
import { UdpPeer } from '../support/udp-peer.ts';
import {
  arrived,
  assign,
  end,
  ended,
  expectWhole,
  m1,
  m2,
  place,
  recordersOf,
  tandem,
  told,
  useMeddledRecorders,
} from '../support/meddled-recorders.ts';

useMeddledRecorders();

describe('somebody who knows the ids of a recording session and is not in it', () => {
  it.each(['127.0.0.2', '127.0.0.1'])('changes nothing from %s', async (host) => {
    const call = await place({ id: `forged-${host}` });
    await call.recording();
    const { callId, local, remote, target } = m1.dialogs.at(-1)!;
    const forger = await UdpPeer.open(host);
    const body = [
      ...['v=0', `o=- 1 9 IN IP4 ${host}`, 's=-', `c=IN IP4 ${host}`, 't=0 0'],
      ...[9, 11].flatMap((port) => [`m=audio ${String(port)} RTP/AVP 0`, 'a=recvonly']),
      '',
    ].join('\r\n');
    let heard = 0;
    for (const method of ['INVITE', 'UPDATE', 'BYE']) {
      const content = method === 'BYE' ? '' : body;
      const request = [
        `${method} sip:${target.ip}:${String(target.port)} SIP/2.0`,
        `Via: SIP/2.0/UDP ${host}:${String(forger.address.port)};branch=z9hG4bK${method}${call.id};rport`,
        `Max-Forwards: 70`,
        `From: ${local}`,
        `To: ${remote}`,
        `Call-ID: ${callId}`,
        `CSeq: 1000 ${method}`,
        `Contact: <sip:${host}:${String(forger.address.port)}>`,
        ...(content === '' ? [] : ['Content-Type: application/sdp']),
        `Content-Length: ${String(content.length)}`,
        '',
        content,
      ].join('\r\n');
      await forger.send(target, Buffer.from(request));
      const answers = await forger.gets((heard += 1));
      expect(answers.at(-1)!.toString('latin1')).toMatch(/^SIP\/2\.0 481 /);
    }
    await forger.close();
    await call.talk(25);
    await arrived(call, 25);
    expect((await call.state()).failovers).toEqual([]);
    expectWhole(await end(call));
  });
});

describe('a recorder that refuses a call', () => {
  it('with 488 is asked for the next one', async () => {
    await assign('spare', 'up');
    m1.meddling.refuse = () => ['488 Not Acceptable Here'];
    const invites = m1.invites;
    const refused = await Promise.all(
      [1, 2, 3].map((number) => place({ id: `refused-${String(number)}` })),
    );
    for (const call of refused) {
      expect(recordersOf(await call.recording())).toEqual(['m2', 'spare']);
    }
    expect(m1.invites).toBeGreaterThan(invites);
    m1.behave();
    for (const call of refused) await call.hangUp();
    await assign('spare', 'standby');
    const next = await place({ id: 'after-refusals' });
    expect(recordersOf(await next.recording())).toEqual(['m1', 'm2']);
    await next.hangUp();
  });

  it('with 503 and Retry-After is left alone for as long', async () => {
    await assign('spare', 'up');
    m1.meddling.refuse = () => ['503 Service Unavailable', 'Retry-After: 60'];
    const call = async (id: string): Promise<void> => {
      const placed = await place({ id });
      expect(recordersOf(await placed.recording())).toEqual(['m2', 'spare']);
      await placed.hangUp();
    };
    // Until it has been asked.
    const before = m1.invites;
    for (let number = 0; m1.invites === before; number += 1) await call(`asked-${String(number)}`);
    const asked = m1.invites;
    for (const id of ['later-1', 'later-2', 'later-3']) await call(id);
    expect(m1.invites).toBe(asked);
  });
});

describe('a recorder that says yes', () => {
  it.each([
    [
      'and takes port 0 for both streams',
      (sdp: string) => sdp.replace(/^m=audio \d+/gm, 'm=audio 0'),
      'm1',
    ],
    [
      'and takes the first stream alone',
      (sdp: string) => sdp.replace(/(m=audio \d+[^]*m=audio )\d+/, '$10'),
      'm1',
    ],
    [
      'and is inactive for good',
      (sdp: string) => sdp.replace(/^a=(recvonly|sendrecv)/gm, 'a=inactive'),
      'm1',
    ],
    [
      'and has its media at 0.0.0.0',
      (sdp: string) => sdp.replace(/^(c=IN IP4 )[\d.]+/gm, '$10.0.0.0'),
      'm1',
    ],
    ['and wants it encrypted', (sdp: string) => sdp.replaceAll('RTP/AVP', 'RTP/SAVP'), 'm2'],
  ])('%s is left for another one, which gets all of it', async (title, answer, asked) => {
    const [proxy, other] = asked === 'm1' ? [m1, 'm2'] : [m2, 'm1'];
    proxy.meddling.answer = answer;
    const call = await place({ id: title.replaceAll(' ', '-') });
    const talking = call.talk(60);
    await told(call, 'single-leg', 'failover');
    const { recordings } = await call.state();
    expect(recordings.filter(({ state }) => state === 'recording')).toHaveLength(1);
    await assign('spare', 'up');
    const state = await call.recording();
    expect(recordersOf(state)).toEqual([other, 'spare']);
    await talking;
    await arrived(call, 60);
    expectWhole(await end(call));
  });

  it('and names its host gets the call', async () => {
    m2.meddling.answer = (sdp) => sdp.replace(/^(c=IN IP4 )[\d.]+/gm, '$1localhost');
    const call = await place({ id: 'named' });
    const state = await call.recording();
    expect(recordersOf(state)).toEqual(['m1', 'm2']);
    await call.talk(30);
    await arrived(call, 30);
    expectWhole(await end(call));
  });
});

describe('a call that ends while a leg looks for a recorder', () => {
  it('is answered, and has never had both legs on one recorder', async () => {
    m1.meddling.refuse = () => ['503 Service Unavailable'];
    const call = await place({ id: 'searching' });
    await tandem.until(
      () => call.state(),
      ({ recordings }) => recordings.some(({ state }) => state === 'recording'),
    );
    await call.talk(20);
    await arrived(call, 20);
    await tandem.api('DELETE', `/v1/calls/${call.id}`);
    const { state, ledger } = await ended(call);
    expect(state.recordings.map(({ sessions }) => sessions.length).sort()).toEqual([0, 1]);
    expect(ledger.verdict).toBe('complete-by-merge');
    expect(ledger.legs.map(({ verdict }) => verdict).sort()).toEqual([
      'complete',
      'missing 800 ms',
    ]);
    expect(await told(call, 'verdict')).toContain('verdict');
  });
});
