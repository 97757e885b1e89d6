import { parseCSeq } from '../message/cseq.ts';
import { splitList } from '../message/grammar.ts';
import type { Parameters } from '../message/grammar.ts';
import { SipHeaders } from '../message/headers.ts';
import type { Header } from '../message/headers.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import type { NameAddr } from '../message/name-addr.ts';
import { NO_BODY } from '../message/sip-message.ts';
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.ts';
import { parseSipUri } from '../message/uri.ts';
import type { SipUri } from '../message/uri.ts';
import { remoteContact } from './contact.ts';
import { cseqMargin } from './snapshot.ts';
import type { DialogSnapshot } from './snapshot.ts';

interface DialogStateInit {
  callId: string;
  localUri: string;
  remoteUri: string;
  localTag: string;
  remoteTag: string;
  routeSet: readonly string[];
  localSeq: number;
  remoteSeq: number | undefined;
  remoteTarget: string;
  remoteParams: Parameters;
}

/** RFC 3261 section 12: what both ends of a dialog remember. */
export class DialogState {
  readonly callId: string;
  readonly localUri: string;
  readonly remoteUri: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** Values of Route, in the order they are written. */
  readonly routeSet: readonly string[];
  /** Called whenever something here has changed that another user agent could not go on without. */
  onChanged: () => void = () => undefined;
  #localSeq: number;
  #remoteSeq: number | undefined;
  #remoteTarget: string;
  #remoteParams: Parameters;

  private constructor(init: DialogStateInit) {
    this.callId = init.callId;
    this.localUri = init.localUri;
    this.remoteUri = init.remoteUri;
    this.localTag = init.localTag;
    this.remoteTag = init.remoteTag;
    this.routeSet = init.routeSet;
    this.#localSeq = init.localSeq;
    this.#remoteSeq = init.remoteSeq;
    this.#remoteTarget = init.remoteTarget;
    this.#remoteParams = init.remoteParams;
  }

  /** The caller's side, section 12.1.2. @returns undefined when From or To cannot be read */
  static ofCaller(response: SipResponse): DialogState | undefined {
    const { headers } = response;
    const local = parseNameAddr(headers.get('From') ?? '');
    const remote = parseNameAddr(headers.get('To') ?? '');
    if (local === undefined || remote === undefined) return undefined;
    return DialogState.#of(response, {
      local,
      remote,
      localTag: local.params.get('tag') ?? '',
      routeSet: recordRoutes(headers).reverse(),
      localSeq: parseCSeq(headers.get('CSeq') ?? '')?.number ?? 0,
      remoteSeq: undefined,
    });
  }

  /** The called side, section 12.1.1. @returns undefined when From or To cannot be read */
  static ofCalled(request: SipRequest, localTag: string): DialogState | undefined {
    const { headers } = request;
    const local = parseNameAddr(headers.get('To') ?? '');
    const remote = parseNameAddr(headers.get('From') ?? '');
    if (local === undefined || remote === undefined) return undefined;
    return DialogState.#of(request, {
      local,
      remote,
      localTag,
      routeSet: recordRoutes(headers),
      localSeq: 0,
      remoteSeq: parseCSeq(headers.get('CSeq') ?? '')?.number,
    });
  }

  /** As another user agent left it. */
  static ofSnapshot(snapshot: DialogSnapshot): DialogState {
    return new DialogState({
      ...snapshot,
      localSeq: snapshot.localSeq + cseqMargin,
      remoteSeq: snapshot.remoteSeq,
      remoteParams: new Map(Object.entries(snapshot.remoteParams)),
    });
  }

  static #of(
    message: SipMessage,
    {
      local,
      remote,
      ...init
    }: Pick<DialogStateInit, 'localTag' | 'routeSet' | 'localSeq' | 'remoteSeq'> &
      Record<'local' | 'remote', NameAddr>,
  ): DialogState {
    const contact = remoteContact(message.headers);
    return new DialogState({
      ...init,
      callId: message.headers.get('Call-ID') ?? '',
      localUri: local.uri,
      remoteUri: remote.uri,
      remoteTag: remote.params.get('tag') ?? '',
      remoteTarget: contact?.uri ?? remote.uri,
      remoteParams: contact?.params ?? new Map<string, string>(),
    });
  }

  get localSeq(): number {
    return this.#localSeq;
  }

  /** CSeq of the peer's last request; undefined before its first. */
  get remoteSeq(): number | undefined {
    return this.#remoteSeq;
  }

  get remoteTarget(): string {
    return this.#remoteTarget;
  }

  get remoteParams(): Parameters {
    return this.#remoteParams;
  }

  get key(): string {
    return dialogKey(this.callId, this.localTag, this.remoteTag);
  }

  /** Takes the Contact of a target refresh (section 12.2). */
  refreshTarget(headers: SipHeaders): void {
    const contact = remoteContact(headers);
    if (contact === undefined) return;
    this.#remoteTarget = contact.uri;
    this.#remoteParams = contact.params;
    this.onChanged();
  }

  /** CSeq of our next request. */
  nextSeq(): number {
    this.#localSeq += 1;
    this.onChanged();
    return this.#localSeq;
  }

  /** A request of the peer has come, not out of order. Worth no telling: a peer can send many. */
  noteRemoteSeq(seq: number): void {
    this.#remoteSeq = seq;
  }

  /** Where requests are sent: the first route, else the remote target. */
  nextHop(): SipUri | undefined {
    const [first] = this.routeSet;
    return parseSipUri(first === undefined ? this.#remoteTarget : routeUri(first));
  }

  /** A request in the dialog without Via, section 12.2.1.1. */
  request(
    method: string,
    seq: number,
    content: {
      headers?: readonly Header[];
      body?: Buffer | undefined;
      contentType?: string | undefined;
    },
  ): SipRequest {
    const headers = new SipHeaders();
    let uri = this.#remoteTarget;
    let routes = this.routeSet;
    const [first] = routes;
    if (first !== undefined && parseSipUri(routeUri(first))?.params.has('lr') !== true) {
      // A strict router of RFC 2543: it is the Request-URI, the target is the last route.
      uri = routeUri(first);
      routes = [...routes.slice(1), `<${this.#remoteTarget}>`];
    }
    for (const route of routes) headers.add('Route', route);
    headers.add('Max-Forwards', '70');
    headers.add('From', withTag(this.localUri, this.localTag));
    headers.add('To', withTag(this.remoteUri, this.remoteTag));
    headers.add('Call-ID', this.callId);
    headers.add('CSeq', `${String(seq)} ${method}`);
    for (const [name, value] of content.headers ?? []) headers.add(name, value);
    if (content.contentType !== undefined) headers.add('Content-Type', content.contentType);
    return { kind: 'request', method, uri, headers, body: content.body ?? NO_BODY };
  }
}

/** Tags are compared exactly, each side's with its own. */
export function dialogKey(callId: string, localTag: string, remoteTag: string): string {
  return `${callId} ${localTag} ${remoteTag}`;
}

function withTag(uri: string, tag: string): string {
  return tag === '' ? `<${uri}>` : `<${uri}>;tag=${tag}`;
}

function recordRoutes(headers: SipHeaders): string[] {
  return headers.getAll('Record-Route').flatMap((value) => splitList(value));
}

function routeUri(route: string): string {
  return parseNameAddr(route)?.uri ?? '';
}
