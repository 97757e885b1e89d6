import type { Header, SipHeaders } from '../message/headers.ts';
import { makeResponse } from '../message/response.ts';
import type { SipRequest } from '../message/sip-message.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import { AcceptedAnswer } from './accepted-answer.ts';
import { respond } from './core.ts';
import type { SipCore } from './core.ts';
import { addIdentity } from './identity.ts';
import type { IncomingReinvite, ReinviteAnswer } from './incoming-reinvite.ts';
import { carriesSdp } from './offer.ts';
import { SipFailure } from './sip-failure.ts';

export interface ServerReinviteOptions {
  core: SipCore;
  transaction: ServerTransaction;
  /** Our Contact, as a header value. */
  contact: string;
  /** A 2xx is about to be sent. */
  onAccepted(): void;
  /** Answered, one way or the other; for an INVITE that was accepted: acknowledged. */
  onDone(): void;
  /** The 2xx was never acknowledged. */
  onUnacknowledged(): void;
}

export class ServerReinvite implements IncomingReinvite {
  readonly method: 'INVITE' | 'UPDATE';
  readonly request: SipRequest;
  readonly hasOffer: boolean;
  readonly #options: ServerReinviteOptions;
  readonly #abort = new AbortController();
  #answered = false;
  #answer: AcceptedAnswer | undefined;

  constructor(options: ServerReinviteOptions) {
    this.#options = options;
    this.request = options.transaction.request;
    this.method = this.request.method === 'UPDATE' ? 'UPDATE' : 'INVITE';
    this.hasOffer = carriesSdp(this.request);
    if (this.method === 'INVITE')
      options.core.cancellable.set(options.transaction, () => {
        this.cancel(SipFailure.cancelled());
      });
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

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get answered(): boolean {
    return this.#answered;
  }

  accept(answer: ReinviteAnswer = {}): Promise<SipRequest | undefined> {
    const accepted = this.#accept(answer);
    // The dialog tells its end too: who does not wait for the ACK need not hear of it twice.
    accepted.catch(() => undefined);
    return accepted;
  }

  async #accept(answer: ReinviteAnswer): Promise<SipRequest | undefined> {
    if (this.#answered) throw this.#failure();
    this.#settle();
    const { core, transaction, contact } = this.#options;
    const headers: Header[] = [['Contact', contact], ...(answer.headers ?? [])];
    const { body, contentType } = answer;
    const response = makeResponse(this.request, { status: 200, headers, body, contentType });
    addIdentity(response.headers, core.identity, 'response');
    this.#options.onAccepted();
    if (this.method === 'UPDATE') {
      transaction.respond(response);
      this.#options.onDone();
      return undefined;
    }
    const { clock, timers } = core;
    this.#answer = new AcceptedAnswer({ transaction, response, clock, timers });
    try {
      return await this.#answer.send();
    } catch (error) {
      if (error instanceof SipFailure && error.kind === 'timeout') this.#options.onUnacknowledged();
      throw error;
    } finally {
      this.#options.onDone();
    }
  }

  reject(status = 488, reason?: string, headers: readonly Header[] = []): void {
    if (this.#answered) return;
    this.#settle();
    respond(this.#options.core, this.#options.transaction, { status, reason, headers });
    this.#options.onDone();
  }

  acknowledge(ack: SipRequest): void {
    this.#answer?.acknowledge(ack);
  }

  /** The peer cancelled it, or the dialog is over. */
  cancel(failure: SipFailure): void {
    this.#answer?.abort(failure);
    if (this.#answered) return;
    this.#abort.abort(failure);
    this.reject(487);
  }

  #settle(): void {
    this.#answered = true;
    this.#options.core.cancellable.delete(this.#options.transaction);
  }

  #failure(): SipFailure {
    const reason: unknown = this.#abort.signal.reason;
    return reason instanceof SipFailure ? reason : SipFailure.cancelled('Already Answered');
  }
}
