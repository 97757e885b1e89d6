import { describe, expect, it } from 'vitest';
import { DEFAULT_SIP_LIMITS } from '../../../src/sip/limits.ts';
import { parseDatagram } from '../../../src/sip/message/parse.ts';
import { StreamFramer } from '../../../src/sip/message/stream-framer.ts';
import { tortureMessages } from './support/messages.ts';

/**
 * What must be refused, and how: the status, or `drop` for what cannot be answered. Everything else in RFC 4475 is
 * valid, or wrong only in parts that whoever reads them must judge (sections 3.1.1 and 3.1.2).
 */
const REFUSED: Readonly<Record<string, number | 'drop'>> = {
  badcseq: 400,
  badinv01: 400,
  badvers: 505,
  bigcode: 'drop',
  clerr: 400,
  insuf: 400,
  ltgtruri: 400,
  lwsruri: 400,
  lwsstart: 400,
  mcl01: 400,
  mismatch01: 400,
  mismatch02: 400,
  multi01: 400,
  ncl: 400,
  quotbal: 400,
  scalar02: 400,
  scalarlg: 'drop',
  test: 'drop',
  trws: 400,
};
const messages = tortureMessages();

describe('RFC 4475 in a datagram', () => {
  it('has all the messages', () => {
    expect(messages).toHaveLength(52);
  });

  it.each(messages.filter(({ name }) => name in REFUSED))('refuses $name', ({ name, bytes }) => {
    const outcome = parseDatagram(bytes, DEFAULT_SIP_LIMITS);
    const verdict =
      outcome?.ok === false
        ? outcome.request === undefined
          ? 'drop'
          : outcome.status
        : 'accepted';
    expect(verdict).toBe(REFUSED[name]);
  });

  it.each(messages.filter(({ name, bytes }) => !(name in REFUSED) && bytes.length > 2))(
    'takes $name',
    ({ bytes }) => {
      expect(parseDatagram(bytes, DEFAULT_SIP_LIMITS)).toMatchObject({ ok: true });
    },
  );

  it('reads the fields of a valid message full of odd white space', () => {
    const outcome = parseDatagram(
      messages.find(({ name }) => name === 'wsinv')?.bytes ?? Buffer.alloc(0),
      DEFAULT_SIP_LIMITS,
    );
    if (outcome?.ok !== true) throw new Error('refused');
    const { headers, body } = outcome.message;
    expect(headers.get('To')).toBe('sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n');
    expect(headers.get('Max-Forwards')).toBe('0068');
    expect(headers.get('Content-Type')).toBe('application/sdp');
    expect(body).toHaveLength(150);
  });

  it('takes only the first of two messages in one datagram', () => {
    const outcome = parseDatagram(
      messages.find(({ name }) => name === 'dblreq')?.bytes ?? Buffer.alloc(0),
      DEFAULT_SIP_LIMITS,
    );
    expect(outcome).toMatchObject({ ok: true, message: { method: 'REGISTER' } });
  });
});

describe('RFC 4475 in a stream', () => {
  it('takes both messages that stand one after the other', () => {
    const { outcomes } = new StreamFramer(DEFAULT_SIP_LIMITS).push(
      messages.find(({ name }) => name === 'dblreq')?.bytes ?? Buffer.alloc(0),
    );
    expect(outcomes).toMatchObject([
      { ok: true, message: { method: 'REGISTER' } },
      { ok: true, message: { method: 'INVITE' } },
    ]);
  });

  it.each(['ncl', 'mcl01', 'inv2543'])('gives up the stream after %s', (name) => {
    const { outcomes, broken } = new StreamFramer(DEFAULT_SIP_LIMITS).push(
      messages.find((message) => message.name === name)?.bytes ?? Buffer.alloc(0),
    );
    expect(outcomes).toEqual([]);
    expect(broken).toMatchObject({ status: 400 });
  });
});
