import { parseCSeq } from '../message/cseq.ts';
import type { SipRequest } from '../message/sip-message.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import { respond } from './core.ts';
import type { SipCore } from './core.ts';
import { carriesSdp } from './offer.ts';
import type { IncomingReinvite } from './incoming-reinvite.ts';
import { ServerReinvite } from './server-reinvite.ts';
import type { SipFailure } from './sip-failure.ts';

export interface IncomingOffersOptions {
  core: SipCore;
  /** Our Contact, as a header value. */
  contact: () => string;
  /** Whether an offer of ours is out: the peer's must wait (491). */
  offering: () => boolean;
  /** Hands it to the owner of the dialog. */
  emit: (reinvite: IncomingReinvite) => 'heard' | 'unheard' | 'failed';
  /** A request is about to be accepted. */
  onAccepted: (request: SipRequest) => void;
  onUnacknowledged: () => void;
}

/** Re-INVITEs and UPDATEs of the peer in one dialog (RFC 3261 section 14.2, RFC 3311 section 5.2). */
export class IncomingOffers {
  readonly #options: IncomingOffersOptions;
  /** Re-INVITEs by CSeq, until they are refused or acknowledged. */
  readonly #invites = new Map<number, ServerReinvite>();
  #update: ServerReinvite | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: IncomingOffersOptions) {
    this.#options = options;
  }

  receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const { core, offering } = this.#options;
    const isUpdate = request.method === 'UPDATE';
    const isBusy = isUpdate
      ? this.#update !== undefined
      : [...this.#invites.values()].some((earlier) => !earlier.answered);
    if (isBusy) refuseForNow(core, transaction);
    else if ((!isUpdate || carriesSdp(request)) && offering())
      respond(core, transaction, { status: 491 });
    else this.#take(transaction);
  }

  /** Resolves when no re-INVITE of the peer is open: only one INVITE runs at a time. */
  async settled(): Promise<void> {
    while (this.#invites.size > 0) await new Promise<void>((resume) => this.#waiting.push(resume));
  }

  acknowledge(seq: number, ack: SipRequest): void {
    this.#invites.get(seq)?.acknowledge(ack);
  }

  cancelAll(failure: SipFailure): void {
    for (const invite of [...this.#invites.values()]) invite.cancel(failure);
    this.#update?.cancel(failure);
  }

  #take(transaction: ServerTransaction): void {
    const { core, contact, emit, onAccepted, onUnacknowledged } = this.#options;
    const { request } = transaction;
    const seq = parseCSeq(request.headers.get('CSeq') ?? '')?.number ?? 0;
    const reinvite = new ServerReinvite({
      core,
      transaction,
      contact: contact(),
      onAccepted: () => {
        onAccepted(request);
      },
      onDone: () => {
        this.#forget(reinvite, seq);
      },
      onUnacknowledged,
    });
    if (reinvite.method === 'UPDATE') this.#update = reinvite;
    else this.#invites.set(seq, reinvite);
    const heard = emit(reinvite);
    if (heard !== 'heard') reinvite.reject(heard === 'failed' ? 500 : 488);
  }

  #forget(reinvite: ServerReinvite, seq: number): void {
    if (reinvite.method === 'UPDATE') {
      if (this.#update === reinvite) this.#update = undefined;
      return;
    }
    this.#invites.delete(seq);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

/** Section 14.2: not now, but in a random 0 to 10 s. */
export function refuseForNow(core: SipCore, transaction: ServerTransaction): void {
  const retryAfter = String(core.random.below(11));
  respond(core, transaction, { status: 500, headers: [['Retry-After', retryAfter]] });
}
