import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { TandemError } from '../errors.ts';

/** An API that anybody can reach, without a token, would let anybody have calls recorded. Throws CONFIG_INVALID. */
export function assertMayListen(host: string, token: string | undefined): void {
  if (token !== undefined && !/^[\x21-\x7e]{8,1024}$/.test(token)) {
    throw new TandemError(
      'CONFIG_INVALID',
      'TANDEM_HTTP_TOKEN: 8 to 1024 printable ASCII characters without spaces',
    );
  }
  if (token === undefined && !isLoopback(host)) {
    throw new TandemError(
      'CONFIG_INVALID',
      `http.host: ${host} is reachable from elsewhere, so TANDEM_HTTP_TOKEN must be set`,
      { details: { issues: [{ path: 'http.host', reason: 'needs TANDEM_HTTP_TOKEN' }] } },
    );
  }
}

/** Checks the Authorization header (RFC 6750). Hashing first makes both sides equally long, so that time says nothing. */
export function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const given = /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1] ?? '';
    return timingSafeEqual(digest(given), expected);
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
