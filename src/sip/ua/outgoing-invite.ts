import { parseCSeq } from '../message/cseq.ts';
import { SipHeaders } from '../message/headers.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import { formatHost, parseSipUri } from '../message/uri.ts';
import { newCallId, newTag } from '../transaction/identifiers.ts';
import type { SipFlow } from '../transport/flow.ts';
import { contactHeader, contactUri, redirectTargets } from './contact.ts';
import type { LocalContact } from './contact.ts';
import type { SipCore } from './core.ts';
import { DialogSession } from './dialog-session.ts';
import { DialogState } from './dialog-state.ts';
import { addIdentity } from './identity.ts';
import type { SentRequest } from './request-sender.ts';
import { SipFailure } from './sip-failure.ts';
import type { InviteSnapshot } from './snapshot.ts';
import type { InviteOptions } from './user-agent-options.ts';

/** How long a final response is waited for when the caller names no time: timer C of proxies. */
const ANSWER_MS_MAX = 180_000;
const REDIRECTS_DEFAULT = 5;

/** A call that goes out: one INVITE, and more where 3xx responses point elsewhere. */
export class OutgoingInvite {
  readonly #core: SipCore;
  readonly #options: InviteOptions;
  readonly #callId: string;
  readonly #fromTag: string;
  readonly #result = Promise.withResolvers<DialogSession>();
  /** Dialogs that 2xx responses made, by their To tag: more than one when a proxy forked the INVITE. */
  readonly #dialogs = new Map<string, DialogSession>();
  #seq = 0;
  #settled = false;
  #handedOver = false;
  #sent: SentRequest | undefined;
  /** What its 2xx responses led to: each resolves when its dialog was handed over or has ended. */
  readonly #outcomes: Promise<void>[] = [];

  constructor(core: SipCore, options: InviteOptions) {
    this.#core = core;
    this.#options = options;
    this.#callId = newCallId(core.random);
    this.#fromTag = newTag(core.random);
  }

  async run(): Promise<DialogSession> {
    const { signal, timeoutMs = ANSWER_MS_MAX } = this.#options;
    const onAbort = (): void => {
      this.abort(SipFailure.cancelled('Request Terminated', signal?.reason));
    };
    const timer = this.#core.clock.setTimeout(() => {
      this.abort(SipFailure.timeout());
    }, timeoutMs);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (!this.#settled) void this.#run(this.#core.clock.now() + timeoutMs);
      return await this.#result.promise;
    } finally {
      this.#core.clock.clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Rejects at once and lets CANCEL follow; a 2xx that crosses is acknowledged and ended. */
  abort(failure: SipFailure): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#result.reject(failure);
    this.#sent?.cancel();
  }

  async #run(deadlineMs: number): Promise<void> {
    await this.#tryTargets(deadlineMs);
    await Promise.all(this.#outcomes);
    if (!this.#handedOver) this.#options.keeper?.over();
  }

  /** One after the other; they share the time until `deadlineMs`, so that a silent one leaves some to the rest. */
  async #tryTargets(deadlineMs: number): Promise<void> {
    const { uri, maxRedirects = REDIRECTS_DEFAULT } = this.#options;
    const targets = [uri];
    const seen = new Set(targets);
    let redirects = 0;
    let failure: SipFailure | undefined;
    for (let target = targets.shift(); target !== undefined; target = targets.shift()) {
      if (this.#settled) return;
      try {
        const leftMs = deadlineMs - this.#core.clock.now();
        const response = await this.#attempt(
          target,
          targets.length === 0 ? undefined : Math.max(0, leftMs / (targets.length + 1)),
        );
        if (response === undefined) return;
        failure = SipFailure.refused(response);
        if (response.status >= 600) break;
        if (response.status < 400) {
          const room = Math.max(0, maxRedirects - redirects - targets.length);
          const fresh = redirectTargets(response.headers)
            .filter((candidate) => parseSipUri(candidate) !== undefined && !seen.has(candidate))
            .slice(0, room);
          for (const candidate of fresh) seen.add(candidate);
          targets.unshift(...fresh);
        }
        redirects++;
      } catch (error) {
        failure = error instanceof SipFailure ? error : SipFailure.transport(error);
      }
    }
    if (this.#settled) return;
    this.#settled = true;
    this.#result.reject(failure ?? SipFailure.cancelled());
  }

  /**
   * @param patienceMs for a final response, where there is another target
   * @returns the final response, or undefined when a dialog came of it
   */
  #attempt(uri: string, patienceMs: number | undefined): Promise<SipResponse | undefined> {
    const nextHop = parseSipUri(uri);
    if (nextHop === undefined)
      return Promise.reject(SipFailure.transport(new Error(`not a SIP URI: ${uri}`)));
    const seq = ++this.#seq;
    const { promise, resolve, reject } = Promise.withResolvers<SipResponse | undefined>();
    let used: LocalContact = { transport: 'udp', address: '', port: 0 };
    let isGivenUp = false;
    const { keeper } = this.#options;
    const sent = this.#core.sender.send(
      {
        nextHop,
        forced: this.#options.transport,
        build: (contact) => this.#request(uri, seq, contact),
        onWay: (contact) => {
          used = contact;
        },
        ...(keeper === undefined
          ? {}
          : {
              beforeSending: (request, flow) =>
                keeper.inviting(snapshotOf(request, flow, used, this.#options.contactParams)),
            }),
      },
      {
        onResponse: (response, flow) => {
          if (response.status < 200) return;
          if (response.status >= 300) {
            resolve(response);
            return;
          }
          this.#outcomes.push(this.#established(response, flow, used, isGivenUp));
          resolve(undefined);
        },
        onFailure: reject,
      },
    );
    this.#sent = sent;
    if (patienceMs === undefined) return promise;
    const { clock } = this.#core;
    const timer = clock.setTimeout(() => {
      isGivenUp = true;
      sent.cancel();
      reject(SipFailure.timeout());
    }, patienceMs);
    return promise.finally(() => {
      clock.clearTimeout(timer);
    });
  }

  async #established(
    response: SipResponse,
    flow: SipFlow,
    contact: LocalContact,
    isUnwanted: boolean,
  ): Promise<void> {
    const toTag = parseNameAddr(response.headers.get('To') ?? '')?.params.get('tag') ?? '';
    const known = this.#dialogs.get(toTag);
    if (known !== undefined) {
      known.acknowledge(response).catch(() => undefined);
      return;
    }
    const state = DialogState.ofCaller(response);
    if (state === undefined) return;
    const dialog = new DialogSession({
      core: this.#core,
      state,
      established: response,
      side: 'caller',
      contact,
      contactParams: this.#options.contactParams,
      origin: { transport: flow.transport, address: flow.remote.address },
      flow,
    });
    this.#dialogs.set(toTag, dialog);
    try {
      if (this.#options.keeper !== undefined && !this.#handedOver)
        await this.#options.keeper.answered(dialog.snapshot());
      await dialog.acknowledge(response);
    } catch (cause) {
      // Without its ACK the peer would give the session up: there is none (13.3.1.4).
      const isGone = dialog.hangUp('timeout');
      if (!isUnwanted) this.abort(SipFailure.transport(cause));
      await isGone;
      return;
    }
    if (this.#settled || isUnwanted) {
      // Cancelled too late, or the second answer to a forked INVITE: nobody wants this session.
      await dialog.hangUp('closed');
      return;
    }
    this.#settled = true;
    this.#handedOver = true;
    this.#result.resolve(dialog);
    dialog.open();
  }

  /** RFC 3261 section 8.1.1, without Via. */
  #request(uri: string, seq: number, contact: LocalContact): SipRequest {
    const { fromUri, contactParams, body, contentType, headers: extra = [] } = this.#options;
    const headers = new SipHeaders([
      ['Max-Forwards', '70'],
      ['From', `<${fromUri ?? contactUri({ ...contact, transport: 'udp' })}>;tag=${this.#fromTag}`],
      ['To', `<${addressOfRecord(this.#options.uri)}>`],
      ['Call-ID', this.#callId],
      ['CSeq', `${String(seq)} INVITE`],
      ['Contact', contactHeader(contact, contactParams)],
      ...extra,
      ['Content-Type', contentType],
    ]);
    addIdentity(headers, this.#core.identity, 'request');
    return { kind: 'request', method: 'INVITE', uri: withoutHeaders(uri), headers, body };
  }
}

function snapshotOf(
  request: SipRequest,
  flow: SipFlow,
  contact: LocalContact,
  contactParams: string | undefined,
): InviteSnapshot {
  const { uri, headers } = request;
  return {
    uri,
    via: headers.get('Via') ?? '',
    from: headers.get('From') ?? '',
    to: headers.get('To') ?? '',
    callId: headers.get('Call-ID') ?? '',
    seq: parseCSeq(headers.get('CSeq') ?? '')?.number ?? 0,
    transport: flow.transport,
    remote: { address: flow.remote.address, port: flow.remote.port },
    contact,
    ...(contactParams === undefined ? {} : { contactParams }),
  };
}

/** A URI as To may hold it: no parameters (table 1 of RFC 3261 section 19.1.1). */
export function addressOfRecord(uri: string): string {
  const parsed = parseSipUri(uri);
  if (parsed === undefined) return uri;
  const user = parsed.user === '' ? '' : `${parsed.user}@`;
  const port = parsed.port === undefined ? '' : `:${String(parsed.port)}`;
  return `${parsed.scheme}:${user}${formatHost(parsed.host)}${port}`;
}

/** A Request-URI has no headers part. */
function withoutHeaders(uri: string): string {
  const at = uri.indexOf('@');
  const question = uri.indexOf('?', at + 1);
  return question === -1 ? uri : uri.slice(0, question);
}
