import { parseRetryAfterMs } from '../../../src/sip/message/retry-after.ts';
import { describe, expect, it } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import { DEFAULT_SIP_LIMITS } from '../../../src/sip/limits.ts';
import { splitFirst, splitList } from '../../../src/sip/message/grammar.ts';
import { SipHeaders } from '../../../src/sip/message/headers.ts';
import { parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { parseDatagram } from '../../../src/sip/message/parse.ts';
import { makeResponse, stampTopVia } from '../../../src/sip/message/response.ts';
import { serialize } from '../../../src/sip/message/serialize.ts';
import { parseSipUri } from '../../../src/sip/message/uri.ts';
import { formatVia, parseVia } from '../../../src/sip/message/via.ts';
import { parsed, request, wire } from './support/messages.ts';
import { cpuMs } from '../../support/cpu.ts';

describe('headers', () => {
  it('finds compact and long forms in any case', () => {
    const headers = new SipHeaders([
      ['v', 'one'],
      ['VIA', 'two'],
      ['c', 'application/sdp'],
    ]);
    expect(headers.getAll('Via')).toEqual(['one', 'two']);
    expect(headers.get('content-type')).toBe('application/sdp');
    expect(headers.has('Contact')).toBe(false);
  });

  it('splits lists outside quotes and angle brackets only', () => {
    expect(splitList('"a, b" <sip:x,y@h>;q=1 , <sip:z@h>')).toEqual([
      '"a, b" <sip:x,y@h>;q=1',
      '<sip:z@h>',
    ]);
    expect(splitFirst('one, two, three')).toEqual(['one', 'two, three']);
  });
});

describe('URI', () => {
  it.each([
    ['sip:rec-1@192.0.2.1:5070;transport=tcp', { user: 'rec-1', host: '192.0.2.1', port: 5070 }],
    ['sip:[2001:db8::1]:5060', { user: '', host: '2001:db8::1', port: 5060 }],
    ['SIPS:a:secret@Example.COM;lr?x=y', { scheme: 'sips', user: 'a', host: 'example.com' }],
    ['sip:user;par=u%40example.net@example.com', { user: 'user;par=u%40example.net' }],
  ])('reads %s', (text, expected) => {
    expect(parseSipUri(text)).toMatchObject(expected);
  });

  it.each([
    'tel:+4930123',
    'sip:',
    'sip:@host',
    'sip:a@b@c',
    'sip:[::1',
    'sip:[1.2.3.4]',
    'sip:h:0',
    'sip:h:65536',
    'sip:h:x',
    'sip:a b',
  ])('refuses %s', (text) => {
    expect(parseSipUri(text)).toBeUndefined();
  });

  it('reads parameters in lower case', () => {
    expect([...(parseSipUri('sip:h;Transport=TCP;lr')?.params ?? [])]).toEqual([
      ['transport', 'TCP'],
      ['lr', ''],
    ]);
  });
});

describe('name-addr', () => {
  it('keeps header parameters apart from those of the URI', () => {
    const contact = parseNameAddr('"A \\"B\\" <x>" <sip:a@h;lr>;+sip.src;Tag=T1');
    expect(contact).toMatchObject({ displayName: 'A "B" <x>', uri: 'sip:a@h;lr' });
    expect([...(contact?.params ?? [])]).toEqual([
      ['+sip.src', ''],
      ['tag', 'T1'],
    ]);
  });

  it('gives parameters to the header when the URI has no brackets', () => {
    expect(parseNameAddr('sip:a@h;tag=1')).toMatchObject({ uri: 'sip:a@h' });
  });

  it('forgives a missing > where asked, and finds the feature tag behind it', () => {
    const text = '<sip:src@192.0.2.2:5060;transport=tcp;+sip.src';
    expect(parseNameAddr(text)).toBeUndefined();
    const contact = parseNameAddr(text, { forgiving: true });
    expect(contact?.uri).toBe('sip:src@192.0.2.2:5060;transport=tcp');
    expect(contact?.params.has('+sip.src')).toBe(true);
  });

  it.each(['"open <sip:a@h>', '<sip:a@h', 'nothing', '<sip:a b@h>', '<sip:a@h> tail', ''])(
    'refuses %j',
    (text) => {
      expect(parseNameAddr(text)).toBeUndefined();
    },
  );
});

describe('Via', () => {
  it('reads and writes IPv6, ports and parameters', () => {
    const text = 'SIP/2.0/TCP [2001:db8::2]:5070;branch=z9hG4bK1;received=2001:db8::3;rport=7';
    const via = parseVia(text);
    expect(via).toMatchObject({ transport: 'TCP', host: '2001:db8::2', port: 5070 });
    expect(via === undefined ? '' : formatVia(via)).toBe(text);
  });

  it.each(['SIP/3.0/UDP h', 'SIP/2.0/UDP', 'SIP/2.0/UDP h;;', 'SIP/2.0/UDP h:x', 'nonsense', ''])(
    'refuses %j',
    (text) => {
      expect(parseVia(text)).toBeUndefined();
    },
  );

  it('gets the source of a request written in (RFC 3581)', () => {
    const message = request('OPTIONS');
    stampTopVia(message, { address: '203.0.113.9', port: 4_000 });
    expect(message.headers.get('Via')).toBe(
      'SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKtest;rport=4000;received=203.0.113.9',
    );
  });

  it('keeps the Vias behind the first when it is stamped', () => {
    const message = request('OPTIONS');
    message.headers.set('Via', 'SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/TCP b.example');
    stampTopVia(message, { address: '203.0.113.9', port: 4_000 });
    expect(message.headers.get('Via')).toBe(
      'SIP/2.0/UDP a.example;branch=z9hG4bK1;received=203.0.113.9, SIP/2.0/TCP b.example',
    );
  });
});

describe('messages', () => {
  const head = [
    'MESSAGE sip:a@h SIP/2.0',
    'Via: SIP/2.0/UDP h;branch=z9hG4bK1',
    'From: <sip:b@h>;tag=1',
    'To: <sip:a@h>',
    'Call-ID: 1',
    'CSeq: 1 MESSAGE',
  ];

  it('counts Content-Length in bytes, not characters', () => {
    const body = Buffer.from('größer');
    const bytes = serialize({ ...request('MESSAGE'), body });
    expect(bytes.toString()).toContain(`Content-Length: ${String(body.length)}\r\n`);
    expect(parsed(bytes).body).toEqual(body);
  });

  it('keeps bytes of a body that are no text', () => {
    const body = Buffer.from([0, 255, 254, 13, 10, 13, 10, 128]);
    expect(parsed(serialize({ ...request('MESSAGE'), body })).body).toEqual(body);
  });

  it('refuses to write a header that holds a line break', () => {
    const message = request('MESSAGE');
    message.headers.add('X-Name', 'a\r\nVia: evil');
    expect(() => serialize(message)).toThrow(TandemError);
  });

  it('cuts the body at Content-Length, and takes the rest of the datagram without one', () => {
    expect(parsed(wire([...head, 'Content-Length: 3'], 'abcdef')).body.toString()).toBe('abc');
    expect(parsed(wire(head, 'abcdef')).body.toString()).toBe('abcdef');
  });

  it('joins folded lines', () => {
    expect(parsed(wire([...head, 'Subject: one', '  two', '\tthree'])).headers.get('s')).toBe(
      'one two three',
    );
  });

  it('reads lines that end with LF alone', () => {
    expect(parsed(Buffer.from(`${head.join('\n')}\n\nbody`)).body.toString()).toBe('body');
  });

  it('refuses a carriage return inside a line: another reader could see two headers', () => {
    const outcome = parseDatagram(wire([...head, 'X: a\rVia: b']), DEFAULT_SIP_LIMITS);
    expect(outcome).toMatchObject({ ok: false, status: 400 });
  });

  it('refuses more headers than the limit, and a head that is too big', () => {
    const many = Array.from({ length: 300 }, (_, index) => `X-${String(index)}: x`);
    expect(parseDatagram(wire([...head, ...many]), DEFAULT_SIP_LIMITS)).toMatchObject({
      ok: false,
      status: 400,
    });
    const big = `X: ${'x'.repeat(40_000)}`;
    const outcome = parseDatagram(wire([...head, big]), DEFAULT_SIP_LIMITS);
    expect(outcome).toMatchObject({ ok: false, status: 513, request: { method: 'MESSAGE' } });
  });

  it('answers with the request’s Via, From, To, Call-ID and CSeq, and a tag of its own', () => {
    const response = makeResponse(request('INVITE'), { status: 486, toTag: 'mine' });
    expect(serialize(response).toString()).toBe(
      [
        'SIP/2.0 486 Busy Here',
        'Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKtest;rport',
        'From: <sip:src@192.0.2.2>;tag=from',
        'To: <sip:rec@192.0.2.1>;tag=mine',
        'Call-ID: call',
        'CSeq: 1 INVITE',
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    );
  });

  it('takes a datagram of line ends for a keep-alive, and is quick about it', () => {
    const before = cpuMs();
    expect(parseDatagram(Buffer.from('\r\n'.repeat(30_000)), DEFAULT_SIP_LIMITS)).toBeUndefined();
    expect(cpuMs() - before).toBeLessThan(50);
  });
});

describe('Retry-After', () => {
  it.each([
    ['18000;duration=3600', 18_000_000],
    ['120 (I am in a meeting)', 120_000],
    [' 5 ', 5_000],
    ['0', 0],
    ['99999999999999999999', 864_000_000],
    ['', undefined],
    ['soon', undefined],
    ['12abc', undefined],
    ['-1', undefined],
    ['Fri, 01 Jan 2027 00:00:00 GMT', undefined],
  ])('of "%s" is %j ms', (value, ms) => {
    expect(parseRetryAfterMs(value)).toBe(ms);
  });
});
