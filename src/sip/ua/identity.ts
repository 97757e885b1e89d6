import type { Header, SipHeaders } from '../message/headers.ts';

/** What this user agent says of itself. */
export interface Identity {
  readonly userAgent: string;
  readonly allow: readonly string[];
  readonly extensions: readonly string[];
  readonly accept: readonly string[];
}

/** Headers that the stack writes into every request or response, unless the caller gave them. */
export function addIdentity(
  headers: SipHeaders,
  identity: Identity,
  role: 'request' | 'response',
): void {
  const own: Header[] = [
    [role === 'request' ? 'User-Agent' : 'Server', identity.userAgent],
    ['Allow', identity.allow.join(', ')],
  ];
  if (identity.extensions.length > 0) own.push(['Supported', identity.extensions.join(', ')]);
  for (const [name, value] of own) if (!headers.has(name)) headers.add(name, value);
}
