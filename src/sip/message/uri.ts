import { isIPv6 } from 'node:net';
import { isToken, parseDecimal } from './grammar.ts';
import type { Parameters } from './grammar.ts';

/** `sip:user@host:port;params?headers`, RFC 3261 section 19.1. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  /** User part with its escapes, without a password; `''` when there is none. */
  readonly user: string;
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number | undefined;
  /** Names in lower case. */
  readonly params: Parameters;
}

/** The scheme in lower case, or undefined when the text does not begin with one. */
export function uriScheme(uri: string): string | undefined {
  const colon = uri.indexOf(':');
  if (colon < 1 || colon > 32) return undefined;
  const scheme = uri.slice(0, colon);
  return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme) ? scheme.toLowerCase() : undefined;
}

/** `host`, `host:port`, `[v6]:port`. */
export function parseHostPort(
  text: string,
): { host: string; port: number | undefined } | undefined {
  let host: string;
  let rest: string;
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    host = text.slice(1, end === -1 ? 0 : end).toLowerCase();
    if (!isIPv6(host)) return undefined;
    rest = text.slice(end + 1);
  } else {
    const colon = text.indexOf(':');
    host = (colon === -1 ? text : text.slice(0, colon)).toLowerCase();
    if (host.length > 255 || !/^[a-z0-9_.-]+$/.test(host)) return undefined;
    rest = colon === -1 ? '' : text.slice(colon);
  }
  if (rest === '') return { host, port: undefined };
  const port = rest.startsWith(':') ? parseDecimal(rest.slice(1), 65_535) : undefined;
  return port === undefined || port === 0 ? undefined : { host, port };
}

/** @returns undefined for another scheme, and for what is not a URI */
export function parseSipUri(text: string): SipUri | undefined {
  const scheme = uriScheme(text);
  if (scheme !== 'sip' && scheme !== 'sips') return undefined;
  let rest = text.slice(scheme.length + 1);
  // Neither host nor parameters may hold an @, while a user part may hold ; and ? unescaped.
  const at = rest.indexOf('@');
  let user = '';
  if (at !== -1) {
    user = rest.slice(0, at);
    rest = rest.slice(at + 1);
    const password = user.indexOf(':');
    if (password !== -1) user = user.slice(0, password);
    if (user === '' || rest.includes('@')) return undefined;
  }
  const question = rest.indexOf('?');
  if (question !== -1) rest = rest.slice(0, question);
  const [hostPort = '', ...parts] = rest.split(';');
  const address = parseHostPort(hostPort);
  if (address === undefined) return undefined;
  const params: Parameters = new Map();
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = (equals === -1 ? part : part.slice(0, equals)).toLowerCase();
    if (!isToken(name)) {
      if (part === '') continue;
      return undefined;
    }
    if (!params.has(name)) params.set(name, equals === -1 ? '' : part.slice(equals + 1));
  }
  return { scheme, user, ...address, params };
}

/** A host as URIs and Via write it: IPv6 in brackets. */
export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Undoes %-escapes; text with a bad one stays as it is. */
export function unescapeUser(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}
