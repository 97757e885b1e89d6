import { splitList } from '../message/grammar.ts';
import type { Parameters } from '../message/grammar.ts';
import type { SipHeaders } from '../message/headers.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { formatHost } from '../message/uri.ts';
import type { SipTransportName } from '../transport/flow.ts';

/** Where we can be reached, as one peer sees us. */
export interface LocalContact {
  readonly transport: SipTransportName;
  readonly address: string;
  readonly port: number;
}

/** `sip:host:port`, with `;transport=tcp` where that is needed. */
export function contactUri(contact: LocalContact): string {
  const transport = contact.transport === 'udp' ? '' : `;transport=${contact.transport}`;
  return `sip:${formatHost(contact.address)}:${String(contact.port)}${transport}`;
}

/** @param params header parameters as text, with or without the first `;` */
export function contactHeader(contact: LocalContact, params: string | undefined): string {
  const text = params === undefined || params === '' ? '' : params.replace(/^;?/, ';');
  return `<${contactUri(contact)}>${text}`;
}

export interface RemoteContact {
  readonly uri: string;
  readonly params: Parameters;
}

/** The first Contact of a message; forgives a missing `>`. */
export function remoteContact(headers: SipHeaders): RemoteContact | undefined {
  const [first] = splitList(headers.get('Contact') ?? '');
  return first === undefined ? undefined : parseNameAddr(first, { forgiving: true });
}

/** The Contacts of a 3xx, the likeliest first (RFC 3261 section 8.1.3.4). */
export function redirectTargets(headers: SipHeaders): string[] {
  return headers
    .getAll('Contact')
    .flatMap((value) => splitList(value))
    .map((value) => parseNameAddr(value, { forgiving: true }))
    .filter((contact) => contact !== undefined)
    .map(({ uri, params }) => ({ uri, q: Number(params.get('q') ?? '1') }))
    .sort((left, right) => (right.q || 0) - (left.q || 0))
    .map(({ uri }) => uri);
}
