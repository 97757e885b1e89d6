import { TandemError } from '../../errors.ts';
import { DEFAULT_SIP_LIMITS } from '../limits.ts';
import { splitList } from '../message/grammar.ts';
import type { Header, SipHeaders } from '../message/headers.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { makeResponse } from '../message/response.ts';
import { serialize } from '../message/serialize.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import { parseSipUri } from '../message/uri.ts';
import { systemClock } from '../clock.ts';
import { newTag, systemRandom } from '../transaction/identifiers.ts';
import type { ServerTransaction } from '../transaction/server-transaction.ts';
import { DEFAULT_SIP_TIMERS } from '../timers.ts';
import { TransactionLayer } from '../transaction/transaction-layer.ts';
import type { SipFlow, SipTransportName } from '../transport/flow.ts';
import { systemLookup } from '../transport/host-names.ts';
import type { HostAddress } from '../transport/host-names.ts';
import { openSocket } from '../transport/open-socket.ts';
import { TransportLayer } from '../transport/transport-layer.ts';
import { respond } from './core.ts';
import type { KnownDialog, SipCore } from './core.ts';
import { DialogSession } from './dialog-session.ts';
import { dialogKey, DialogState } from './dialog-state.ts';
import type { SipDialog } from './dialog.ts';
import { ForsakenInvite, forsakenKey } from './forsaken-invite.ts';
import { IncomingRequest } from './incoming-request.ts';
import { askOptions } from './outgoing-options.ts';
import { OutgoingInvite } from './outgoing-invite.ts';
import { RequestSender } from './request-sender.ts';
import { ServerInvite } from './server-invite.ts';
import { SipFailure } from './sip-failure.ts';
import type { DialogSnapshot, InviteSnapshot } from './snapshot.ts';
import type {
  InviteOptions,
  OptionsOptions,
  SipListenAddress,
  SipUserAgentHandlers,
  SipUserAgentOptions,
} from './user-agent-options.ts';

/** What `Allow` says; PRACK, REFER and the like are not for recording, nor for anything here. */
const METHODS = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'UPDATE', 'INFO', 'MESSAGE'];
const EARLY_MESSAGES_MAX = 100;
const STRANGER_LOG_MS = 10_000;
/** Methods we know and do not allow: 405. Others are answered 501. */
const KNOWN_METHODS = new Set(['REGISTER', 'SUBSCRIBE', 'NOTIFY', 'PUBLISH', 'REFER', 'PRACK']);

/**
 * A SIP user agent, client and server, over UDP and TCP. It closes its dialogs and sockets; the dialogs' listeners
 * are the caller's.
 */
export class SipUserAgent {
  /** Where it listens, by transport. */
  readonly addresses: Readonly<Partial<Record<SipTransportName, SipListenAddress>>>;
  readonly #core: SipCore;
  readonly #transports: TransportLayer;
  readonly #transactions: TransactionLayer;
  readonly #handlers: SipUserAgentHandlers;
  readonly #outgoing = new Set<OutgoingInvite>();
  readonly #incoming = new Set<ServerInvite>();
  /** INVITEs of another process, by `forsakenKey`. */
  readonly #forsaken = new Map<string, ForsakenInvite>();
  #strangerToldAtMs = Number.NEGATIVE_INFINITY;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    core: SipCore;
    transports: TransportLayer;
    transactions: TransactionLayer;
    handlers: SipUserAgentHandlers;
  }) {
    this.#core = parts.core;
    this.#transports = parts.transports;
    this.#transactions = parts.transactions;
    this.#handlers = parts.handlers;
    this.addresses = Object.fromEntries(
      Object.entries(parts.transports.addresses).map(([name, { address, port }]) => [
        name,
        { host: address, port },
      ]),
    );
  }

  /** @throws the error of `listen` (EADDRINUSE ...) when a socket cannot be bound. */
  static async create(options: SipUserAgentOptions): Promise<SipUserAgent> {
    const { logger, clock = systemClock, random = systemRandom } = options;
    const timers = { ...DEFAULT_SIP_TIMERS, ...options.timers };
    const limits = { ...DEFAULT_SIP_LIMITS, ...options.limits };
    // One socket may receive while the next is being opened: what comes early waits until everything stands.
    let ready = false;
    const early: (() => void)[] = [];
    const transactions: TransactionLayer = new TransactionLayer({
      clock,
      random,
      timers,
      limits,
      logger,
      onRequest: (transaction) => {
        userAgent.#receive(transaction);
      },
      onAck: (ack, flow) => {
        userAgent.#receiveAck(ack, flow);
      },
      onStray: (response, flow) => {
        userAgent.#receiveStray(response, flow);
      },
    });
    const transports = await TransportLayer.create({
      host: options.host,
      port: options.port,
      transports: options.transports,
      openTransport: options.openTransport ?? openSocket,
      lookup: options.lookup ?? systemLookup,
      limits,
      timers,
      clock,
      logger,
      onMessage: (outcome, flow) => {
        if (ready) transactions.receive(outcome, flow);
        else if (early.length < EARLY_MESSAGES_MAX)
          early.push(() => {
            transactions.receive(outcome, flow);
          });
      },
      answerBroken: ({ request, status, reason }) =>
        request === undefined
          ? undefined
          : serialize(makeResponse(request, { status, reason, toTag: newTag(random) })),
    });
    transactions.attach(transports);
    const core: SipCore = {
      sender: new RequestSender({ transports, transactions, clock, random, timers }),
      clock,
      random,
      timers,
      limits,
      logger,
      identity: {
        userAgent: options.userAgent,
        allow: METHODS,
        extensions: options.extensions ?? [],
        accept: options.accept ?? ['application/sdp'],
      },
      trusts: options.trusts ?? (() => false),
      addressesOf: (host) => transports.addressesOf(host),
      dialogs: new Map(),
      cancellable: new Map(),
    };
    const userAgent: SipUserAgent = new SipUserAgent({
      core,
      transports,
      transactions,
      handlers: options.handlers,
    });
    ready = true;
    for (const receive of early) receive();
    return userAgent;
  }

  /** Dialogs that stand now. */
  get dialogCount(): number {
    return this.#core.dialogs.size;
  }

  /** Transactions alive now, client and server. */
  get transactionCount(): number {
    return this.#transactions.count;
  }

  /**
   * Calls. Resolves on a 2xx, which the stack has acknowledged. Attach the dialog's listeners in the same turn as
   * the promise resolves: requests of the peer are held back until then.
   * @throws SipFailure
   */
  async invite(options: InviteOptions): Promise<SipDialog> {
    this.#refuseWhenClosing();
    if (this.#core.dialogs.size + this.#outgoing.size >= this.#core.limits.dialogs)
      throw SipFailure.transport(new Error('too many SIP dialogs'));
    const outgoing = new OutgoingInvite(this.#core, options);
    this.#outgoing.add(outgoing);
    try {
      return await outgoing.run();
    } finally {
      this.#outgoing.delete(outgoing);
    }
  }

  /**
   * Goes on with a dialog of another process, which is gone. It sends over a new connection when it first has something to send.
   * Attach its listeners in this turn: requests of the peer are held back until then.
   * @throws SIP_INVALID when the dialog is here already
   */
  adopt(snapshot: DialogSnapshot): SipDialog {
    this.#refuseWhenClosing();
    const state = DialogState.ofSnapshot(snapshot);
    if (this.#core.dialogs.has(state.key)) throw isHere('dialog', snapshot.callId);
    const { side, contact, contactParams, transport, remoteAddress } = snapshot;
    const dialog = new DialogSession({
      core: this.#core,
      state,
      established: undefined,
      side,
      contact,
      contactParams,
      origin: { transport, address: remoteAddress },
      flow: undefined,
    });
    dialog.open();
    return dialog;
  }

  /**
   * Cancels an INVITE of another process, which is gone, and ends what comes of it all the same. Never rejects; resolves when nothing
   * is left of it, within 64 T1.
   * @throws SIP_INVALID when it is being undone already
   */
  undo(snapshot: InviteSnapshot): Promise<void> {
    this.#refuseWhenClosing();
    const invite = new ForsakenInvite(this.#core, snapshot, () =>
      this.#forsaken.delete(invite.key),
    );
    if (this.#forsaken.has(invite.key)) throw isHere('INVITE', snapshot.callId);
    this.#forsaken.set(invite.key, invite);
    return invite.undo();
  }

  /**
   * Asks whether somebody is there: any final response, whatever its status, resolves.
   * @throws SipFailure `timeout`, `transport` or `cancelled`
   */
  async options(
    options: OptionsOptions,
  ): Promise<{ status: number; reason: string; headers: SipHeaders }> {
    this.#refuseWhenClosing();
    const { status, reason, headers } = await askOptions(this.#core, options);
    return { status, reason, headers };
  }

  /**
   * The addresses of a host, by name or as they stand.
   * @throws Error when it has none, or nobody says so in time
   */
  addressesOf(host: string): Promise<readonly HostAddress[]> {
    return this.#transports.addressesOf(host);
  }

  /** Ends every dialog with BYE, refuses what is not answered yet, and closes the sockets. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { dialogs, clock, timers } = this.#core;
    for (const outgoing of this.#outgoing)
      outgoing.abort(SipFailure.cancelled('The user agent is closed'));
    for (const incoming of this.#incoming) incoming.reject(503);
    const byes = [...dialogs.values()].map((dialog) => dialog.hangUp('closed'));
    if (byes.length > 0) {
      let timer: unknown;
      const patience = new Promise<void>((resolve) => {
        timer = clock.setTimeout(resolve, timers.closeMs);
      });
      await Promise.race([Promise.all(byes), patience]);
      clock.clearTimeout(timer);
    }
    for (const dialog of [...dialogs.values()]) dialog.drop();
    for (const invite of [...this.#forsaken.values()]) invite.abandon();
    this.#transactions.close();
    await this.#transports.close();
  }

  #refuseWhenClosing(): void {
    if (this.#closing !== undefined) throw SipFailure.cancelled('The user agent is closed');
  }

  /** RFC 3261 section 8.2: inspects a request and finds who it is for. */
  #receive(transaction: ServerTransaction): void {
    const { request } = transaction;
    const answer = (status: number, headers: readonly Header[] = []): void => {
      respond(this.#core, transaction, { status, headers, toTag: newTag(this.#core.random) });
    };
    try {
      if (request.method === 'CANCEL') {
        const invite = this.#transactions.inviteOf(request);
        const isOurs = invite !== undefined && comesTheSameWay(transaction.flow, invite.flow);
        if (invite !== undefined && !isOurs) this.#refuseStranger(request, transaction.flow);
        answer(isOurs ? 200 : 481);
        if (isOurs) this.#core.cancellable.get(invite)?.();
        return;
      }
      if (!METHODS.includes(request.method)) {
        answer(KNOWN_METHODS.has(request.method) ? 405 : 501);
        return;
      }
      if (parseSipUri(request.uri) === undefined) {
        answer(/^sips?:/i.test(request.uri) ? 400 : 416);
        return;
      }
      const unsupported = request.headers
        .getAll('Require')
        .flatMap((value) => splitList(value))
        .filter((tag) => !this.#core.identity.extensions.includes(tag.toLowerCase()));
      if (unsupported.length > 0) {
        answer(420, [['Unsupported', unsupported.join(', ')]]);
        return;
      }
      if (tagOf(request.headers, 'To') !== '') {
        const dialog = this.#dialogOf(request);
        if (dialog === undefined) answer(481);
        else
          this.#fromPeer(dialog, request, transaction.flow, (isPeer) => {
            if (isPeer) dialog.receive(transaction);
            else answer(481);
          });
        return;
      }
      if (this.#closing !== undefined) answer(503);
      else this.#receiveOutsideDialog(transaction, answer);
    } catch (error) {
      this.#core.logger.error({ err: error, method: request.method }, 'SIP request handler failed');
      answer(500);
    }
  }

  #receiveOutsideDialog(
    transaction: ServerTransaction,
    answer: (status: number, headers?: readonly Header[]) => void,
  ): void {
    const { request, flow } = transaction;
    const core = this.#core;
    switch (request.method) {
      case 'OPTIONS': {
        const incoming = new IncomingRequest(
          request,
          { transport: flow.transport, ...flow.remote },
          () => undefined,
        );
        const init = this.#handlers.onOptions?.(incoming) ?? { status: 200 };
        const headers: Header[] = [
          ['Accept', core.identity.accept.join(', ')],
          ...(init.headers ?? []),
        ];
        respond(core, transaction, { ...init, headers, toTag: newTag(core.random) });
        return;
      }
      case 'INVITE': {
        if (this.#handlers.onInvite === undefined) answer(405);
        else if (core.dialogs.size + this.#incoming.size >= core.limits.dialogs)
          answer(503, [['Retry-After', '5']]);
        else {
          const invite = new ServerInvite(core, transaction, () => this.#incoming.delete(invite));
          this.#incoming.add(invite);
          try {
            this.#handlers.onInvite(invite);
          } catch (error) {
            core.logger.error({ err: error }, 'SIP INVITE handler failed');
            invite.reject(500);
          }
        }
        return;
      }
      case 'BYE':
      case 'UPDATE':
        answer(481);
        return;
      default:
        answer(405);
    }
  }

  #receiveAck(ack: SipRequest, flow: SipFlow): void {
    const dialog = this.#dialogOf(ack);
    if (dialog === undefined) return;
    this.#fromPeer(dialog, ack, flow, (isPeer) => {
      if (isPeer) dialog.receiveAck(ack);
    });
  }

  #receiveStray(response: SipResponse, flow: SipFlow): void {
    const { headers } = response;
    const invite = this.#forsaken.get(forsakenKey(headers));
    if (invite !== undefined) {
      invite.receive(response, flow);
      return;
    }
    if (response.status >= 300) return;
    const key = dialogKey(
      headers.get('Call-ID') ?? '',
      tagOf(headers, 'From'),
      tagOf(headers, 'To'),
    );
    const dialog = this.#core.dialogs.get(key);
    if (dialog === undefined) return;
    // Nothing is said to a stranger: a response has no response.
    void Promise.resolve(dialog.isFromPeer(flow)).then((isPeer) => {
      if (isPeer) dialog.receiveAgain(response);
    });
  }

  /** Calls back at once, unless the name of a host must be looked up. */
  #fromPeer(
    dialog: KnownDialog,
    request: SipRequest,
    flow: SipFlow,
    then: (isPeer: boolean) => void,
  ): void {
    const settle = (isPeer: boolean): void => {
      if (!isPeer) this.#refuseStranger(request, flow);
      then(isPeer);
    };
    const isPeer = dialog.isFromPeer(flow);
    if (typeof isPeer === 'boolean') settle(isPeer);
    else
      isPeer.then(settle).catch((error: unknown) => {
        this.#core.logger.error({ err: error, method: request.method }, 'SIP request failed');
      });
  }

  #refuseStranger({ method, headers }: SipRequest, { transport, remote }: SipFlow): void {
    const source = { transport, ...remote };
    const callId = headers.get('Call-ID') ?? '';
    const { logger, clock } = this.#core;
    // Whoever sends one can send many.
    const isNews = clock.now() - this.#strangerToldAtMs >= STRANGER_LOG_MS;
    if (isNews) this.#strangerToldAtMs = clock.now();
    logger[isNews ? 'warn' : 'debug'](
      { method, callId, source },
      'SIP request in a dialog came from elsewhere and was refused',
    );
    this.#handlers.onStranger?.({ method, callId, source });
  }

  #dialogOf(request: SipRequest): KnownDialog | undefined {
    const callId = request.headers.get('Call-ID') ?? '';
    return this.#core.dialogs.get(
      dialogKey(callId, tagOf(request.headers, 'To'), tagOf(request.headers, 'From')),
    );
  }
}

/** A CANCEL takes the way of its INVITE, hop by hop (RFC 3261 section 9.1). */
function comesTheSameWay(cancel: SipFlow, invite: SipFlow): boolean {
  return cancel.transport === invite.transport && cancel.remote.address === invite.remote.address;
}

function isHere(what: string, callId: string): TandemError {
  return new TandemError('SIP_INVALID', `SIP ${what} ${callId} is here already`, {
    details: { field: 'callId', callId },
  });
}

function tagOf(headers: SipHeaders, header: 'From' | 'To'): string {
  return parseNameAddr(headers.get(header) ?? '')?.params.get('tag') ?? '';
}
