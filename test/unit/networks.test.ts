import { describe, expect, it } from 'vitest';
import { isMediaHost, isNetwork, networkMatcher, sipDestination } from '../../src/networks.ts';

describe('networks', () => {
  it.each(['10.0.0.1', '10.0.0.0/8', '2001:db8::1', '2001:db8::/32', '0.0.0.0/0'])(
    'may be written %s',
    (text) => {
      expect(isNetwork(text)).toBe(true);
    },
  );

  it.each([
    '',
    'host',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0.0/-1',
  ])('may not be written "%s"', (text) => {
    expect(isNetwork(text)).toBe(false);
  });

  it.each([
    ['192.0.2.1', true],
    ['::1', true],
    ['2001:db8::1', true],
    ['fe80::1%eth0', true],
    ['0.0.0.0', false],
    ['::', false],
    ['0:0:0:0:0:0:0:0', false],
    ['::ffff:0.0.0.0', false],
    ['media.example', false],
    ['', false],
  ])('tell of %s whether media can be sent there: %s', (text, can) => {
    expect(isMediaHost(text)).toBe(can);
  });

  it('hold the addresses in them, and no others', () => {
    const holds = networkMatcher(['10.1.0.0/16', '192.0.2.7', '2001:db8::/32']);
    const addresses = ['10.1.2.3', '10.2.0.0', '192.0.2.7', '192.0.2.8', '2001:db8::9', '::1', ''];
    expect(addresses.filter(holds)).toEqual(['10.1.2.3', '192.0.2.7', '2001:db8::9']);
    expect(addresses.filter(networkMatcher([]))).toEqual([]);
  });

  it.each([
    ['sip:host.test', 'SIP:HOST.test:5060;transport=udp', true],
    ['sip:a@host.test:5060;lr', 'sip:b@host.test', true],
    ['sip:[::1]:5080;transport=TCP', 'sip:[0:0:0:0:0:0:0:1]:05080;transport=tcp', true],
    ['sip:host.test', 'sip:host.test;transport=tcp', false],
    ['sip:host.test', 'sip:host.test:5080', false],
    ['sip:[::1]', 'sip:[::2]', false],
    ['sip:192.0.2.1', 'sip:192.0.2.2', false],
  ])('tell of %s and %s whether they lead to the same place: %s', (left, right, same) => {
    expect(sipDestination(left) === sipDestination(right)).toBe(same);
  });
});
