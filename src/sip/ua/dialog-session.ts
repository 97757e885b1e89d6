import assert from 'node:assert';
import { parseCSeq } from '../message/cseq.ts';
import type { Header } from '../message/headers.ts';
import type { SipMessage, SipRequest, SipResponse } from '../message/sip-message.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import type { SipFlow, SipTransportName } from '../transport/flow.ts';
import type { LocalContact } from './contact.ts';
import { respond } from './core.ts';
import type { KnownDialog, SipCore } from './core.ts';
import type { AcceptedAnswer } from './accepted-answer.ts';
import { DialogClient } from './dialog-client.ts';
import { DialogPeer } from './dialog-peer.ts';
import type { DialogState } from './dialog-state.ts';
import { SipDialog } from './dialog.ts';
import type {
  DialogRequestOptions,
  ReinviteOptions,
  SipCloseReason,
  SipDialogEvents,
} from './dialog.ts';
import { IncomingRequest } from './incoming-request.ts';
import { IncomingOffers, refuseForNow } from './incoming-offers.ts';
import { SipFailure } from './sip-failure.ts';
import type { DialogSnapshot } from './snapshot.ts';

const GLARE_ATTEMPTS_MAX = 5;
/** The connection of an adopted dialog went with its process: the first that is opened in its place may fail. */
const adoptedByesMax = 3;
/** Requests that may wait until the owner of the dialog listens. */
const HELD_MAX = 16;

export interface DialogSessionOptions {
  core: SipCore;
  state: DialogState;
  /** Undefined in a dialog that is adopted. */
  established: SipMessage | undefined;
  side: 'caller' | 'called';
  contact: LocalContact;
  contactParams: string | undefined;
  /** The way that made the dialog. */
  origin: { transport: SipTransportName; address: string };
  /** The connection that carries it; undefined in a dialog that is adopted. */
  flow: SipFlow | undefined;
}

export class DialogSession extends SipDialog implements KnownDialog {
  readonly established: SipMessage | undefined;
  ack: SipRequest | undefined;
  readonly #core: SipCore;
  readonly #state: DialogState;
  readonly #side: 'caller' | 'called';
  readonly #isAdopted: boolean;
  readonly #origin: DialogSessionOptions['origin'];
  readonly #contactParams: string | undefined;
  readonly #client: DialogClient;
  readonly #peer: DialogPeer;
  #flow: SipFlow | undefined;
  #releaseFlow: (() => void) | undefined;
  #ended = false;
  #bye: Promise<void> | undefined;
  /** Requests that came before the owner could listen; undefined once it can. */
  #held: ServerTransaction[] | undefined = [];
  /** The called side's 2xx to the first INVITE, until its ACK. */
  #firstAnswer: AcceptedAnswer | undefined;
  #inviteQueue: Promise<unknown> = Promise.resolve();
  #updating = false;
  readonly #incoming: IncomingOffers;

  constructor(options: DialogSessionOptions) {
    super();
    this.#core = options.core;
    this.#state = options.state;
    this.established = options.established;
    this.#side = options.side;
    this.#isAdopted = options.flow === undefined;
    this.#origin = options.origin;
    this.#contactParams = options.contactParams;
    this.#state.onChanged = () => {
      this.#emit('changed');
    };
    this.#client = new DialogClient({
      ...options,
      // What was not asked for by URI is not known to the new process: it was a matter of size.
      preferred: options.flow === undefined ? options.origin.transport : undefined,
      flow: () => this.#flow,
      onFlow: (flow) => {
        if (!this.#ended) this.#watch(flow);
      },
      onTimeout: () => {
        void this.hangUp('timeout');
      },
    });
    const { trusts, addressesOf } = this.#core;
    this.#peer = new DialogPeer({
      state: this.#state,
      origin: options.origin,
      trusts,
      addressesOf,
    });
    this.#incoming = new IncomingOffers({
      core: this.#core,
      contact: () => this.#client.contact,
      offering: () => this.#client.inviting || this.#updating,
      emit: (reinvite) => this.#emit('reinvite', reinvite),
      onAccepted: ({ headers }) => {
        this.#state.refreshTarget(headers);
      },
      onUnacknowledged: () => {
        void this.hangUp('timeout');
      },
    });
    if (options.flow !== undefined) this.#watch(options.flow);
    this.#core.dialogs.set(this.#state.key, this);
  }

  get callId(): string {
    return this.#state.callId;
  }

  get localTag(): string {
    return this.#state.localTag;
  }

  get remoteTag(): string {
    return this.#state.remoteTag;
  }

  get localUri(): string {
    return this.#state.localUri;
  }

  get remoteUri(): string {
    return this.#state.remoteUri;
  }

  get remoteAddress(): string {
    return this.#origin.address;
  }

  get remoteContact(): string {
    return this.#state.remoteTarget;
  }

  get remoteParams(): ReadonlyMap<string, string> {
    return this.#state.remoteParams;
  }

  get closed(): boolean {
    return this.#ended;
  }

  snapshot(): DialogSnapshot {
    const { callId, localTag, remoteTag, localUri, remoteUri, routeSet } = this.#state;
    const { localSeq, remoteSeq, remoteTarget, remoteParams } = this.#state;
    return {
      side: this.#side,
      ...{ callId, localTag, remoteTag, localUri, remoteUri, routeSet },
      ...{ localSeq, ...(remoteSeq === undefined ? {} : { remoteSeq }) },
      ...{ remoteTarget, remoteParams: Object.fromEntries(remoteParams) },
      transport: this.#origin.transport,
      remoteAddress: this.#origin.address,
      contact: this.#client.localContact,
      ...(this.#contactParams === undefined ? {} : { contactParams: this.#contactParams }),
    };
  }

  reinvite(options: ReinviteOptions = {}): Promise<SipResponse> {
    const run = this.#inviteQueue.then(() => this.#reinvite(options));
    this.#inviteQueue = run.catch(() => undefined);
    return run;
  }

  async request(method: string, options: DialogRequestOptions = {}): Promise<SipResponse> {
    assert(!['INVITE', 'ACK', 'BYE', 'CANCEL'].includes(method), `${method} has its own method`);
    const timeoutMs = options.timeoutMs ?? 64 * this.#core.timers.t1Ms;
    const isOffer = method === 'UPDATE' && options.body !== undefined;
    if (isOffer) this.#updating = true;
    try {
      return this.#judge(await this.#transactOpen(method, options, timeoutMs), method);
    } finally {
      if (isOffer) this.#updating = false;
    }
  }

  bye(options: { headers?: readonly Header[] } = {}): Promise<void> {
    return this.hangUp('bye', options.headers);
  }

  hangUp(why: SipCloseReason, headers: readonly Header[] = []): Promise<void> {
    if (this.#bye !== undefined) return this.#bye;
    if (this.#ended) return Promise.resolve();
    this.#bye = this.#sayBye(headers, this.#isAdopted ? adoptedByesMax : 1).finally(() => {
      this.#forget();
    });
    this.#end(why);
    return this.#bye;
  }

  /** Never rejects. */
  async #sayBye(headers: readonly Header[], attempts: number): Promise<void> {
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      try {
        await this.#client.transact('BYE', { headers }, 64 * this.#core.timers.t1Ms);
        return;
      } catch (error) {
        // Only where it has not left at all is it no use to have waited for an answer.
        if (!(error instanceof SipFailure) || error.kind !== 'transport') return;
      }
    }
  }

  // --- for the user agent and the INVITE that made the dialog

  /** The called side waits for the ACK of its 2xx: a BYE is taken at once, the rest is held back. */
  awaitAck(answer: AcceptedAnswer): void {
    this.#firstAnswer = answer;
  }

  /** Lets requests through, once those who await the dialog had their turn. */
  open(): void {
    this.#firstAnswer = undefined;
    this.#core.clock.setTimeout(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const transaction of held) this.receive(transaction);
    }, 0);
  }

  isFromPeer(flow: SipFlow): boolean | Promise<boolean> {
    return this.#peer.owns(flow);
  }

  receive(transaction: ServerTransaction): void {
    const { request, flow } = transaction;
    if (this.#ended) {
      // BYEs that cross are both answered well.
      respond(this.#core, transaction, { status: request.method === 'BYE' ? 200 : 481 });
      return;
    }
    const early = this.#firstAnswer !== undefined && request.method === 'BYE';
    if (this.#held !== undefined && !early) {
      if (this.#held.length < HELD_MAX) this.#held.push(transaction);
      else refuseForNow(this.#core, transaction);
      return;
    }
    const seq = parseCSeq(request.headers.get('CSeq') ?? '')?.number ?? 0;
    if (this.#state.remoteSeq !== undefined && seq < this.#state.remoteSeq) {
      respond(this.#core, transaction, { status: 500, reason: 'CSeq Out Of Order' });
      return;
    }
    this.#state.noteRemoteSeq(seq);
    this.#watch(flow);
    this.#handle(transaction);
  }

  receiveAck(ack: SipRequest): void {
    const seq = parseCSeq(ack.headers.get('CSeq') ?? '')?.number;
    const established = parseCSeq(this.established?.headers.get('CSeq') ?? '')?.number;
    if (this.#firstAnswer !== undefined && seq === established) {
      this.#firstAnswer.acknowledge(ack);
      // From now on a BYE waits, too: whoever is about to be given the dialog must hear of its end.
      this.#firstAnswer = undefined;
    }
    if (seq !== undefined) this.#incoming.acknowledge(seq, ack);
  }

  /**
   * Acknowledges a 2xx of the INVITE that made the dialog, repeated ones too.
   * @throws when the ACK cannot be sent
   */
  acknowledge(response: SipResponse): Promise<void> {
    return this.#client.acknowledge(response);
  }

  receiveAgain(response: SipResponse): void {
    const seq = parseCSeq(response.headers.get('CSeq') ?? '')?.number ?? 0;
    if (seq > this.#state.localSeq) return;
    this.#state.refreshTarget(response.headers);
    this.#client.acknowledge(response).catch(() => undefined);
  }

  drop(): void {
    this.#end('closed');
    this.#client.abandonBye(SipFailure.cancelled('The user agent is closed'));
    this.#forget();
  }

  // --- requests of the peer

  #handle(transaction: ServerTransaction): void {
    const { request } = transaction;
    switch (request.method) {
      case 'BYE':
        respond(this.#core, transaction, { status: 200 });
        this.#emit('bye', request);
        this.#end('bye');
        this.#forget();
        return;
      case 'INVITE':
      case 'UPDATE':
        this.#incoming.receive(transaction);
        return;
      case 'OPTIONS':
        respond(this.#core, transaction, {
          status: 200,
          headers: [['Accept', this.#core.identity.accept.join(', ')]],
        });
        return;
      default: {
        const { transport, remote } = transaction.flow;
        const incoming = new IncomingRequest(request, { transport, ...remote }, (init) => {
          respond(this.#core, transaction, init);
        });
        const heard = this.#emit('request', incoming);
        if (heard !== 'heard') incoming.respond({ status: heard === 'failed' ? 500 : 405 });
      }
    }
  }

  // --- requests of ours

  async #reinvite({ offer, ...options }: ReinviteOptions): Promise<SipResponse> {
    const timeoutMs = options.timeoutMs ?? 64 * this.#core.timers.t1Ms;
    for (let attempt = 1; ; attempt++) {
      await this.#client.inviteSettled();
      await this.#incoming.settled();
      const content = { ...options, ...offer?.() };
      const response = await this.#transactOpen('INVITE', content, timeoutMs, options.answer);
      if (response.status !== 491 || attempt >= GLARE_ATTEMPTS_MAX)
        return this.#judge(response, 'INVITE');
      await this.#client.wait(
        this.#side === 'caller'
          ? 2_100 + 10 * this.#core.random.below(191)
          : 10 * this.#core.random.below(201),
      );
    }
  }

  /** What a final response means for the dialog (12.2.1.2). */
  #judge(response: SipResponse, method: string): SipResponse {
    if (response.status < 300) {
      if (method === 'UPDATE') this.#state.refreshTarget(response.headers);
      return response;
    }
    if (response.status === 481) {
      this.#end('gone');
      this.#forget();
    } else if (response.status === 408) void this.hangUp('timeout');
    throw SipFailure.refused(response);
  }

  #transactOpen(...args: Parameters<DialogClient['transact']>): Promise<SipResponse> {
    if (this.#ended) return Promise.reject(SipFailure.cancelled('The dialog is over'));
    return this.#client.transact(...args);
  }

  // --- life

  /** Follows the connection that carries the dialog. */
  #watch(flow: SipFlow): void {
    if (flow === this.#flow) return;
    this.#releaseFlow?.();
    this.#flow = flow;
    this.#releaseFlow = flow.retain(() => {
      if (this.#flow !== flow) return;
      this.#flow = undefined;
      if (!this.#ended) this.#emit('disconnected');
    });
  }

  #end(why: SipCloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    const failure = SipFailure.cancelled('The dialog is over');
    this.#client.cancelAll(failure);
    this.#firstAnswer?.abort(failure);
    this.#incoming.cancelAll(failure);
    for (const transaction of this.#held ?? [])
      respond(this.#core, transaction, {
        status: transaction.request.method === 'BYE' ? 200 : 481,
      });
    this.#held = undefined;
    this.#emit('closed', why);
  }

  #forget(): void {
    this.#releaseFlow?.();
    this.#releaseFlow = undefined;
    if (this.#core.dialogs.get(this.#state.key) === this)
      this.#core.dialogs.delete(this.#state.key);
  }

  /** A listener that throws must not take the stack with it. */
  #emit<K extends keyof SipDialogEvents>(
    event: K,
    ...values: SipDialogEvents[K]
  ): 'heard' | 'unheard' | 'failed' {
    const emit = this.emit.bind(this) as (name: K, ...args: SipDialogEvents[K]) => boolean;
    try {
      return emit(event, ...values) ? 'heard' : 'unheard';
    } catch (error) {
      this.#core.logger.error(
        { err: error, event, callId: this.callId },
        'SIP dialog listener failed',
      );
      return 'failed';
    }
  }
}
