import { describe, expect, it } from 'vitest';
import { assertMayListen, createTokenCheck } from '../../../src/control/auth.ts';

const token = 'correct-horse';

describe('where the API may listen', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('on %s without a token', (host) => {
    expect(() => {
      assertMayListen(host, undefined);
    }).not.toThrow();
  });

  it.each(['0.0.0.0', '::', '10.0.0.5', '127.evil.test', 'tandem.test'])(
    'on %s with a token only',
    (host) => {
      expect(() => {
        assertMayListen(host, undefined);
      }).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(() => {
        assertMayListen(host, token);
      }).not.toThrow();
    },
  );

  it.each(['', 'short', 'with some spaces', 'x'.repeat(1_025)])(
    'never with the token "%s"',
    (bad) => {
      expect(() => {
        assertMayListen('127.0.0.1', bad);
      }).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );
});

describe('the token check', () => {
  const isAuthorized = createTokenCheck(token);

  it.each([`Bearer ${token}`, `bearer   ${token}`])('takes "%s"', (header) => {
    expect(isAuthorized(header)).toBe(true);
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    token,
    `Basic ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token.slice(1)}`,
    `Bearer ${token} ${token}`,
  ])('refuses "%s"', (header) => {
    expect(isAuthorized(header)).toBe(false);
  });
});
