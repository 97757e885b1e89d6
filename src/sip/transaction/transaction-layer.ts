import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import { parseCSeq } from '../message/cseq.ts';
import { splitFirst } from '../message/grammar.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import type { ParseOutcome } from '../message/parse.ts';
import { makeResponse, stampTopVia } from '../message/response.ts';
import type { ResponseInit } from '../message/response.ts';
import { serialize } from '../message/serialize.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import { BRANCH_COOKIE, parseVia } from '../message/via.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { TransportLayer } from '../transport/transport-layer.ts';
import type { ClientTransaction, ClientTransactionEvents } from './client-transaction.ts';
import type { Clock } from '../clock.ts';
import { newTag } from './identifiers.ts';
import type { SipRandom } from './identifiers.ts';
import { InviteClientTransaction } from './invite-client-transaction.ts';
import { InviteServerTransaction } from './invite-server-transaction.ts';
import { NonInviteClientTransaction } from './non-invite-client-transaction.ts';
import { NonInviteServerTransaction } from './non-invite-server-transaction.ts';
import type { SendResponse, ServerTransaction } from './server-transaction.ts';
import type { SipTimers } from '../timers.ts';

export interface TransactionLayerOptions {
  clock: Clock;
  random: SipRandom;
  timers: SipTimers;
  limits: SipLimits;
  logger: Logger;
  /** A new request, other than ACK. */
  onRequest(transaction: ServerTransaction): void;
  /** An ACK that belongs to no transaction: to a 2xx. */
  onAck(ack: SipRequest, flow: SipFlow): void;
  /** A final response to an INVITE that no transaction waits for (any more). */
  onStray(response: SipResponse, flow: SipFlow): void;
}

/** Matches messages to transactions (RFC 3261 sections 17.1.3 and 17.2.3). */
export class TransactionLayer {
  readonly #options: TransactionLayerOptions;
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #servers = new Map<string, ServerTransaction>();
  /** First INVITEs by what their copies share, whatever way they took. */
  readonly #invites = new Set<string>();
  #transports: TransportLayer | undefined;

  constructor(options: TransactionLayerOptions) {
    this.#options = options;
  }

  /** The transports need the layer to exist first. */
  attach(transports: TransportLayer): void {
    this.#transports = transports;
  }

  get count(): number {
    return this.#clients.size + this.#servers.size;
  }

  /**
   * Starts a client transaction for a request with its Via in place.
   * @throws Error when there are too many; TandemError `SIP_INVALID` when the request cannot be written
   */
  start(request: SipRequest, flow: SipFlow, events: ClientTransactionEvents): ClientTransaction {
    const { clock, timers, limits } = this.#options;
    if (this.#clients.size >= limits.transactions) throw new Error('too many SIP transactions');
    const key = clientKey(request.headers.get('Via') ?? '', request.method);
    const Transaction =
      request.method === 'INVITE' ? InviteClientTransaction : NonInviteClientTransaction;
    const transaction = new Transaction({
      request,
      bytes: serialize(request),
      flow,
      clock,
      timers,
      events,
      onTerminated: () => this.#clients.delete(key),
    });
    this.#clients.set(key, transaction);
    transaction.start();
    return transaction;
  }

  /** The INVITE transaction that a CANCEL is about (9.2). */
  inviteOf(cancel: SipRequest): ServerTransaction | undefined {
    return this.#servers.get(serverKey(cancel, 'INVITE'));
  }

  /** Never throws: whatever a peer sends, the socket's handler must live on. */
  receive(outcome: ParseOutcome, flow: SipFlow): void {
    try {
      this.#receive(outcome, flow);
    } catch (error) {
      this.#options.logger.error({ err: error, remote: flow.remote }, 'SIP message made us fail');
    }
  }

  #receive(outcome: ParseOutcome, flow: SipFlow): void {
    if (!outcome.ok) {
      const { status, reason, request } = outcome;
      this.#options.logger.debug({ remote: flow.remote, status, reason }, 'SIP message refused');
      if (request !== undefined) this.respondStateless(request, flow, { status, reason });
      return;
    }
    if (outcome.message.kind === 'request') this.#receiveRequest(outcome.message, flow);
    else this.#receiveResponse(outcome.message, flow);
  }

  /** Answers without a transaction. Never throws. */
  respondStateless(request: SipRequest, flow: SipFlow, init: ResponseInit): void {
    stampTopVia(request, flow.remote);
    this.#sender(request, flow)(
      serialize(makeResponse(request, { toTag: newTag(this.#options.random), ...init })),
      () => undefined,
    );
  }

  close(): void {
    for (const transaction of [...this.#clients.values(), ...this.#servers.values()])
      transaction.terminate();
  }

  #receiveRequest(request: SipRequest, flow: SipFlow): void {
    const { clock, timers, limits } = this.#options;
    stampTopVia(request, flow.remote);
    const { method } = request;
    // The branch of a CANCEL is known to whoever saw its INVITE: nobody else's stands in the way of the caller's own.
    const key = serverKey(
      request,
      method === 'ACK' ? 'INVITE' : method === 'CANCEL' ? `CANCEL ${flow.remote.address}` : method,
    );
    const known = this.#servers.get(key);
    if (request.method === 'ACK') {
      known?.receive(request);
      // Some peers acknowledge a 2xx with the branch of the INVITE: that is their user's too.
      this.#options.onAck(request, flow);
      return;
    }
    if (known !== undefined) {
      known.receive(request);
      return;
    }
    if (this.#servers.size >= limits.transactions) {
      this.respondStateless(request, flow, { status: 503, headers: [['Retry-After', '5']] });
      return;
    }
    const copyKey = firstInviteKey(request);
    if (copyKey !== undefined && this.#invites.has(copyKey)) {
      // Section 8.2.2.2: a proxy forked it and both branches lead here.
      this.respondStateless(request, flow, { status: 482, reason: 'Merged Request' });
      return;
    }
    if (copyKey !== undefined) this.#invites.add(copyKey);
    const options = {
      request,
      flow,
      send: this.#sender(request, flow),
      clock,
      timers,
      onTerminated: () => {
        this.#servers.delete(key);
        if (copyKey !== undefined) this.#invites.delete(copyKey);
      },
    };
    const transaction =
      request.method === 'INVITE'
        ? new InviteServerTransaction({
            ...options,
            trying: () => makeResponse(request, { status: 100 }),
          })
        : new NonInviteServerTransaction(options);
    this.#servers.set(key, transaction);
    transaction.start();
    this.#options.onRequest(transaction);
  }

  #receiveResponse(response: SipResponse, flow: SipFlow): void {
    const method = parseCSeq(response.headers.get('CSeq') ?? '')?.method ?? '';
    const client = this.#clients.get(clientKey(response.headers.get('Via') ?? '', method));
    if (client === undefined) {
      this.#options.logger.debug(
        { remote: flow.remote, status: response.status },
        'SIP response to nothing we asked',
      );
      if (method === 'INVITE' && response.status >= 200) this.#options.onStray(response, flow);
      return;
    }
    if (!mayAnswer(flow, client.flow)) {
      this.#options.logger.debug(
        { remote: flow.remote, status: response.status },
        'SIP response of somebody whom we did not ask',
      );
      return;
    }
    client.receive(response);
  }

  #sender(request: SipRequest, flow: SipFlow): SendResponse {
    const via = parseVia(splitFirst(request.headers.get('Via') ?? '')[0]);
    const direct = via === undefined || (flow.transport === 'udp' && via.params.has('rport'));
    return (bytes, onError) => {
      if (direct || (flow.transport === 'tcp' && !flow.closed)) {
        flow.send(bytes, onError);
        return;
      }
      const transports = this.#transports;
      if (transports === undefined) return;
      transports.responseFlow(via, flow).then(
        (back) => {
          back.send(bytes, onError);
        },
        (error: unknown) => {
          onError(error instanceof Error ? error : new Error(String(error)));
        },
      );
    };
  }
}

/**
 * Responses come back by the transport of their request (18.2.2); over TCP the address is proven, too. Over UDP some peers answer
 * from another of their addresses, and the branch has to do.
 */
function mayAnswer(flow: SipFlow, asked: SipFlow): boolean {
  if (flow.transport !== asked.transport) return false;
  return flow.transport === 'udp' || flow.remote.address === asked.remote.address;
}

/** @returns undefined for anything but an INVITE outside a dialog */
function firstInviteKey({ method, headers }: SipRequest): string | undefined {
  if (method !== 'INVITE') return undefined;
  const to = parseNameAddr(headers.get('To') ?? '');
  if (to?.params.has('tag') === true) return undefined;
  const from = parseNameAddr(headers.get('From') ?? '')?.params.get('tag') ?? '';
  return `${headers.get('Call-ID') ?? ''} ${headers.get('CSeq') ?? ''} ${from}`;
}

function clientKey(vias: string, method: string): string {
  const branch = parseVia(splitFirst(vias)[0])?.params.get('branch') ?? '';
  return `${branch} ${method}`;
}

function serverKey(request: SipRequest, method: string): string {
  const { headers } = request;
  const [top] = splitFirst(headers.get('Via') ?? '');
  const via = parseVia(top);
  const branch = via?.params.get('branch');
  if (via !== undefined && branch?.startsWith(BRANCH_COOKIE) === true && branch !== BRANCH_COOKIE)
    return `${branch} ${via.host} ${String(via.port ?? 5060)} ${method}`;
  // RFC 2543: everything that a retransmission and an ACK share.
  const from = parseNameAddr(headers.get('From') ?? '');
  const number = parseCSeq(headers.get('CSeq') ?? '')?.number ?? 0;
  return [
    request.uri,
    from?.params.get('tag') ?? '',
    headers.get('Call-ID') ?? '',
    String(number),
    via?.host ?? '',
    String(via?.port ?? ''),
    branch ?? '',
    method,
  ].join(' ');
}
