import type { Header, SipHeaders } from '../message/headers.ts';
import { makeResponse } from '../message/response.ts';
import type { SipRequest } from '../message/sip-message.ts';
import { parseSipUri, unescapeUser } from '../message/uri.ts';
import { newTag } from '../transaction/identifiers.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import { AcceptedAnswer } from './accepted-answer.ts';
import { contactHeader, remoteContact } from './contact.ts';
import { respond } from './core.ts';
import type { SipCore } from './core.ts';
import { DialogSession } from './dialog-session.ts';
import { DialogState } from './dialog-state.ts';
import { addIdentity } from './identity.ts';
import type { AcceptOptions, IncomingInvite } from './incoming-invite.ts';
import type { SipSource } from './incoming-request.ts';
import { SipFailure } from './sip-failure.ts';

/** An INVITE that nobody answers is answered 504 after this: the patience of proxies, timer C. */
const ANSWER_MS_MAX = 180_000;

/** An INVITE that came in, until its dialog stands. */
export class ServerInvite implements IncomingInvite {
  readonly request: SipRequest;
  readonly #core: SipCore;
  readonly #transaction: ServerTransaction;
  readonly #onSettled: () => void;
  readonly #tag: string;
  readonly #abort = new AbortController();
  readonly #patience: unknown;
  #settled = false;
  #accepting = false;

  /** @param onSettled called when a final response is sent */
  constructor(core: SipCore, transaction: ServerTransaction, onSettled: () => void) {
    this.#core = core;
    this.#onSettled = onSettled;
    this.#tag = newTag(core.random);
    this.#transaction = transaction;
    this.request = transaction.request;
    core.cancellable.set(transaction, () => {
      this.#cancel();
    });
    this.#patience = core.clock.setTimeout(() => {
      this.reject(504);
    }, ANSWER_MS_MAX);
  }

  get headers(): SipHeaders {
    return this.request.headers;
  }

  get body(): Buffer {
    return this.request.body;
  }

  get contentType(): string {
    return this.request.headers.get('Content-Type') ?? '';
  }

  get source(): SipSource {
    const { transport, remote } = this.#transaction.flow;
    return { transport, ...remote };
  }

  get requestUser(): string {
    return unescapeUser(parseSipUri(this.request.uri)?.user ?? '');
  }

  get remoteParams(): ReadonlyMap<string, string> {
    return remoteContact(this.request.headers)?.params ?? new Map<string, string>();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  provisional(status: number, reason?: string, headers: readonly Header[] = []): void {
    if (this.#settled || status <= 100 || status >= 200) return;
    respond(this.#core, this.#transaction, { status, reason, headers, toTag: this.#tag });
  }

  async accept(options: AcceptOptions): Promise<DialogSession> {
    if (this.#settled || this.#accepting) throw this.#failure();
    this.#accepting = true;
    const { transport } = this.#transaction.flow;
    let contact;
    try {
      contact = { transport, ...(await this.#transaction.flow.local()) };
    } catch (error) {
      this.reject(500);
      throw SipFailure.transport(error);
    }
    // It may have been cancelled while we looked up our address.
    if (this.#abort.signal.aborted || this.#transaction.answered) throw this.#failure();
    const state = DialogState.ofCalled(this.request, this.#tag);
    if (state === undefined) {
      this.reject(400);
      throw SipFailure.cancelled('From or To cannot be read');
    }
    const headers: Header[] = this.headers
      .getAll('Record-Route')
      .map((route): Header => ['Record-Route', route]);
    headers.push(['Contact', contactHeader(contact, options.contactParams)]);
    headers.push(...(options.headers ?? []));
    const { body, contentType, contactParams } = options;
    const response = makeResponse(this.request, {
      status: 200,
      headers,
      body,
      contentType,
      toTag: this.#tag,
    });
    addIdentity(response.headers, this.#core.identity, 'response');

    const core = this.#core;
    this.#settle();
    const dialog = new DialogSession({
      core,
      state,
      established: this.request,
      side: 'called',
      contact,
      contactParams,
      origin: { transport, address: this.#transaction.flow.remote.address },
      flow: this.#transaction.flow,
    });
    const answer = new AcceptedAnswer({
      transaction: this.#transaction,
      response,
      clock: core.clock,
      timers: core.timers,
    });
    dialog.awaitAck(answer);
    try {
      dialog.ack = await answer.send();
    } catch (error) {
      // Section 13.3.1.4: a session that was never acknowledged is ended.
      void dialog.hangUp('timeout');
      throw error;
    }
    dialog.open();
    return dialog;
  }

  reject(status: number, reason?: string, headers: readonly Header[] = []): void {
    if (this.#settled) return;
    this.#settle();
    respond(this.#core, this.#transaction, { status, reason, headers, toTag: this.#tag });
  }

  #cancel(): void {
    if (this.#settled) return;
    this.reject(487);
    this.#abort.abort(SipFailure.cancelled());
  }

  #settle(): void {
    this.#settled = true;
    this.#core.cancellable.delete(this.#transaction);
    this.#core.clock.clearTimeout(this.#patience);
    this.#onSettled();
  }

  #failure(): SipFailure {
    const reason: unknown = this.#abort.signal.reason;
    return reason instanceof SipFailure ? reason : SipFailure.cancelled('Already Answered');
  }
}
