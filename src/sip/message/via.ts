import { isToken, parseParameters } from './grammar.ts';
import type { Parameters } from './grammar.ts';
import { formatHost, parseHostPort } from './uri.ts';

/** One Via value: `SIP/2.0/UDP host:port;branch=...`. */
export interface Via {
  /** Upper case. */
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Parameters;
}

/** RFC 3261 section 8.1.1.7: branches of this RFC begin with it. */
export const BRANCH_COOKIE = 'z9hG4bK';

export function parseVia(value: string): Via | undefined {
  const slash = value.indexOf('/', value.indexOf('/') + 1);
  if (slash === -1 || withoutSpace(value.slice(0, slash)).toUpperCase() !== 'SIP/2.0')
    return undefined;
  const afterSlash = value.slice(slash + 1).trim();
  const space = afterSlash.search(/\s/);
  if (space === -1) return undefined;
  const transport = afterSlash.slice(0, space);
  const rest = afterSlash.slice(space + 1);
  const semicolon = rest.indexOf(';');
  const sentBy = withoutSpace(semicolon === -1 ? rest : rest.slice(0, semicolon));
  const address = parseHostPort(sentBy);
  const params = parseParameters(semicolon === -1 ? '' : rest.slice(semicolon));
  if (!isToken(transport) || address === undefined || params === undefined) return undefined;
  return { transport: transport.toUpperCase(), ...address, params };
}

function withoutSpace(text: string): string {
  return /\s/.test(text) ? text.replaceAll(/\s+/g, '') : text;
}

export function formatVia(via: Via): string {
  let text = `SIP/2.0/${via.transport} ${formatHost(via.host)}`;
  if (via.port !== undefined) text += `:${String(via.port)}`;
  for (const [name, value] of via.params)
    text += value === '' ? `;${name}` : `;${name}=${viaValue(value)}`;
  return text;
}

/** Values that lost their quotes in parsing get them back; IPv6 addresses stand bare in `received`. */
function viaValue(value: string): string {
  return isToken(value) || /^[0-9A-Fa-f:.[\]]+$/.test(value)
    ? value
    : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}
