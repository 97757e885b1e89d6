import type { Header } from '../message/headers.ts';
import { parseCSeq } from '../message/cseq.ts';
import type { SipResponse } from '../message/sip-message.ts';
import type { SipFlow, SipTransportName } from '../transport/flow.ts';
import { contactHeader } from './contact.ts';
import type { LocalContact } from './contact.ts';
import type { SipCore } from './core.ts';
import type { DialogState } from './dialog-state.ts';
import type { ReinviteOptions } from './dialog.ts';
import { addIdentity } from './identity.ts';
import type { RequestSpec } from './request-sender.ts';
import { SipFailure } from './sip-failure.ts';

export interface Content {
  headers?: readonly Header[];
  body?: Buffer | undefined;
  contentType?: string | undefined;
}

export interface DialogClientOptions {
  core: SipCore;
  state: DialogState;
  contact: LocalContact;
  contactParams: string | undefined;
  /** The transport for a new way where the URI names none. */
  preferred: SipTransportName | undefined;
  /** The connection that carries the dialog now. */
  flow: () => SipFlow | undefined;
  /** A response came over this one. */
  onFlow: (flow: SipFlow) => void;
  /** A request was not answered in time: the dialog is over (12.2.1.2). */
  onTimeout: () => void;
}

/** The requests that one end of a dialog sends. */
export class DialogClient {
  readonly #options: DialogClientOptions;
  readonly #pending = new Set<(failure: SipFailure) => void>();
  readonly #byes = new Set<(failure: SipFailure) => void>();
  #contact: LocalContact;
  /** The INVITE transaction that runs, until its final response or failure. */
  #invite: Promise<undefined> | undefined;
  /** How to repeat the ACK of the last INVITE. */
  #lastAck: { seq: number; resend: Promise<() => void> } | undefined;

  constructor(options: DialogClientOptions) {
    this.#options = options;
    this.#contact = options.contact;
  }

  /** Our Contact, as a header value. */
  get contact(): string {
    return contactHeader(this.#contact, this.#options.contactParams);
  }

  get localContact(): LocalContact {
    return this.#contact;
  }

  /** Whether an INVITE of ours is open. */
  get inviting(): boolean {
    return this.#invite !== undefined;
  }

  /**
   * Resolves when no INVITE of ours is open, also one that nobody waits for any more.
   * @throws SipFailure when everything is cancelled meanwhile
   */
  inviteSettled(): Promise<void> {
    const invite = this.#invite;
    if (invite === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const cancel = (failure: SipFailure): void => {
        this.#pending.delete(cancel);
        reject(failure);
      };
      this.#pending.add(cancel);
      void invite.then(() => {
        this.#pending.delete(cancel);
        resolve();
      });
    });
  }

  /**
   * Sends one request and waits for its final response, whatever that says; a 2xx to INVITE is acknowledged.
   * @throws SipFailure `timeout`, `transport` or `cancelled`
   */
  transact(
    method: string,
    content: Content,
    timeoutMs: number,
    answer?: ReinviteOptions['answer'],
  ): Promise<SipResponse> {
    const { core, state, onFlow, onTimeout } = this.#options;
    const seq = state.nextSeq();
    const spec = this.#spec(method, seq, content);
    if (spec === undefined)
      return Promise.reject(
        SipFailure.transport(new Error('the Contact of the peer is no SIP URI')),
      );
    const { promise, resolve, reject } = Promise.withResolvers<SipResponse>();
    const isInvite = method === 'INVITE';
    const isBye = method === 'BYE';
    const settle = (): void => {
      core.clock.clearTimeout(timer);
      this.#pending.delete(cancel);
      this.#byes.delete(cancel);
    };
    const over = isInvite ? this.#openInvite() : (): void => undefined;
    const cancel = (failure: SipFailure): void => {
      settle();
      if (isInvite) sent.cancel();
      else sent.abandon();
      reject(failure);
    };
    const sent = core.sender.send(spec, {
      onResponse: (response, flow) => {
        if (response.status < 200) return;
        onFlow(flow);
        settle();
        over();
        if (!isInvite || response.status >= 300) {
          resolve(response);
          return;
        }
        // First, since the ACK goes to the new target already.
        state.refreshTarget(response.headers);
        let answered: Content = {};
        try {
          if (answer !== undefined && content.body === undefined) answered = answer(response);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        this.acknowledge(response, answered).then(
          () => {
            resolve(response);
          },
          (cause: unknown) => {
            reject(SipFailure.transport(cause));
            onTimeout();
          },
        );
      },
      onFailure: (failure) => {
        settle();
        over();
        reject(failure);
        if (!isBye && failure.kind === 'timeout') onTimeout();
      },
    });
    const timer = core.clock.setTimeout(() => {
      cancel(SipFailure.timeout());
      // An INVITE goes on until timer B: whoever had no patience may ask again.
      if (!isBye && !isInvite) onTimeout();
    }, timeoutMs);
    // A BYE outlives its dialog.
    (isBye ? this.#byes : this.#pending).add(cancel);
    return promise;
  }

  /**
   * Acknowledges a 2xx, or does so again when it is a retransmission (13.2.2.4).
   * @throws when the ACK cannot be sent: the peer's Contact leads nowhere
   */
  async acknowledge(response: SipResponse, content: Content = {}): Promise<void> {
    const seq = parseCSeq(response.headers.get('CSeq') ?? '')?.number ?? 0;
    if (this.#lastAck?.seq === seq) {
      const resend = await this.#lastAck.resend;
      resend();
      return;
    }
    const { core, state } = this.#options;
    const spec = this.#spec('ACK', seq, content);
    if (spec === undefined) throw new Error('the Contact of the peer is no SIP URI');
    const resend = core.sender.sendOnce(spec);
    this.#lastAck = { seq, resend };
    try {
      await resend;
    } catch (error) {
      core.logger.info({ err: error, callId: state.callId }, 'ACK could not be sent');
      throw error;
    }
  }

  /** @throws SipFailure when everything is cancelled meanwhile */
  wait(delayMs: number): Promise<void> {
    const { clock } = this.#options.core;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        this.#pending.delete(cancel);
        resolve();
      }, delayMs);
      const cancel = (failure: SipFailure): void => {
        this.#pending.delete(cancel);
        clock.clearTimeout(timer);
        reject(failure);
      };
      this.#pending.add(cancel);
    });
  }

  /** The dialog is over: nothing but its BYE is waited for. */
  cancelAll(failure: SipFailure): void {
    for (const cancel of [...this.#pending]) cancel(failure);
  }

  /** Waits for no answer to a BYE any more: the timer would keep the process. */
  abandonBye(failure: SipFailure): void {
    for (const cancel of [...this.#byes]) cancel(failure);
  }

  /** @returns ends it */
  #openInvite(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#invite = promise;
    return () => {
      if (this.#invite === promise) this.#invite = undefined;
      resolve(undefined);
    };
  }

  #spec(method: string, seq: number, content: Content): RequestSpec | undefined {
    const { core, state, contactParams, preferred, flow } = this.#options;
    const nextHop = state.nextHop();
    if (nextHop === undefined) return undefined;
    const refreshesTarget = method === 'INVITE' || method === 'UPDATE';
    return {
      nextHop,
      preferred,
      flow: flow(),
      // The peer should hear of the end even when its Contact leads nowhere.
      ...(method === 'BYE' ? { fallback: flow() } : {}),
      build: (contact) => {
        const request = state.request(method, seq, content);
        if (refreshesTarget) request.headers.add('Contact', contactHeader(contact, contactParams));
        if (method !== 'ACK') addIdentity(request.headers, core.identity, 'request');
        return request;
      },
      onWay: (contact) => {
        if (refreshesTarget) this.#contact = contact;
      },
    };
  }
}
