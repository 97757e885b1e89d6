import { parseCSeq } from '../message/cseq.ts';
import { SipHeaders } from '../message/headers.ts';
import { serialize } from '../message/serialize.ts';
import { NO_BODY } from '../message/sip-message.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipUri } from '../message/uri.ts';
import { formatVia } from '../message/via.ts';
import type { ClientTransaction } from '../transaction/client-transaction.ts';
import type { Clock } from '../clock.ts';
import { newBranch } from '../transaction/identifiers.ts';
import type { SipRandom } from '../transaction/identifiers.ts';
import type { SipTimers } from '../timers.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import type { SipFlow, SipTransportName } from '../transport/flow.ts';
import type { TransportLayer } from '../transport/transport-layer.ts';
import type { LocalContact } from './contact.ts';
import { SipFailure } from './sip-failure.ts';

/** What the Via we add takes, when the size of a request is estimated. */
const VIA_BYTES = 120;

export interface RequestSpec {
  /** First Route, or the Request-URI: where it is sent. */
  nextHop: SipUri;
  forced?: SipTransportName | undefined;
  /** Tried first where the URI of the next hop names none. */
  preferred?: SipTransportName | undefined;
  /** A connection to reuse, when it leads to the next hop's address. */
  flow?: SipFlow | undefined;
  /** Taken when there is no way to the next hop. */
  fallback?: SipFlow | undefined;
  /** Writes the request, without Via; called with the address that the peer sees of us. */
  build(contact: LocalContact): SipRequest;
  /** Tells that address once the way is open. `build` may be called for others before, to see how big it gets. */
  onWay?(contact: LocalContact): void;
  /** Awaited before the request leaves. */
  beforeSending?(request: SipRequest, flow: SipFlow): Promise<void>;
}

export interface SentRequestEvents {
  onResponse(response: SipResponse, flow: SipFlow): void;
  onFailure(failure: SipFailure): void;
}

export interface RequestSenderOptions {
  transports: TransportLayer;
  transactions: TransactionLayer;
  clock: Clock;
  random: SipRandom;
  timers: SipTimers;
}

/** Picks the way of a request, writes its Via, and runs its transaction. */
export class RequestSender {
  readonly options: RequestSenderOptions;

  constructor(options: RequestSenderOptions) {
    this.options = options;
  }

  /** Starts at once; nothing is thrown, every failure comes to `onFailure`, later. */
  send(spec: RequestSpec, events: SentRequestEvents): SentRequest {
    const sent = new SentRequest(this, spec, events);
    void sent.run();
    return sent;
  }

  /**
   * Sends a request that has no answer (ACK to a 2xx).
   * @returns sends the same bytes again
   */
  async sendOnce(spec: RequestSpec): Promise<() => void> {
    const branch = newBranch(this.options.random);
    const send = async (): Promise<{ flow: SipFlow; bytes: Buffer }> => {
      const { flow, request } = await this.prepare(spec, branch);
      const bytes = serialize(request);
      flow.send(bytes, () => undefined);
      return { flow, bytes };
    };
    const { flow, bytes } = await send();
    return () => {
      if (flow.closed) send().catch(() => undefined);
      else flow.send(bytes, () => undefined);
    };
  }

  /** Opens the way and writes the request for it. */
  async prepare(
    spec: RequestSpec,
    branch: string,
  ): Promise<{ flow: SipFlow; request: SipRequest }> {
    const flow = this.#reusable(spec) ?? (await this.#open(spec));
    const { address, port } = await flow.local();
    const contact = { transport: flow.transport, address, port };
    spec.onWay?.(contact);
    const request = spec.build(contact);
    const params = new Map([['branch', branch]]);
    if (flow.transport === 'udp') params.set('rport', '');
    request.headers.prepend(
      'Via',
      formatVia({ transport: flow.transport.toUpperCase(), host: address, port, params }),
    );
    return { flow, request };
  }

  async #open(spec: RequestSpec): Promise<SipFlow> {
    const placeholder: LocalContact = {
      transport: 'udp',
      address: '255.255.255.255',
      port: 65_535,
    };
    const bytes = serialize(spec.build(placeholder)).length + VIA_BYTES;
    const { transports } = this.options;
    const { nextHop, forced, preferred } = spec;
    if (preferred === 'tcp' && forced === undefined && !nextHop.params.has('transport')) {
      try {
        return await transports.flowFor(nextHop, { bytes, forced: preferred });
      } catch {
        // As its URI says, then.
      }
    }
    try {
      return await transports.flowFor(nextHop, { bytes, forced });
    } catch (error) {
      if (spec.fallback === undefined || spec.fallback.closed) throw error;
      return spec.fallback;
    }
  }

  #reusable({ flow, forced, nextHop }: RequestSpec): SipFlow | undefined {
    if (flow === undefined || flow.closed || flow.transport !== 'tcp') return undefined;
    if ((forced ?? nextHop.params.get('transport')?.toLowerCase() ?? 'tcp') !== 'tcp')
      return undefined;
    return nextHop.scheme === 'sip' && nextHop.host === flow.remote.address ? flow : undefined;
  }
}

/** A request on its way. */
export class SentRequest {
  readonly #sender: RequestSender;
  readonly #spec: RequestSpec;
  readonly #events: SentRequestEvents;
  readonly #branch: string;
  #transaction: ClientTransaction | undefined;
  #responses = 0;
  #attempts = 0;
  #answered = false;
  #cancelled = false;
  #cancelSent = false;
  #cancelTimer: unknown;
  #done = false;

  constructor(sender: RequestSender, spec: RequestSpec, events: SentRequestEvents) {
    this.#sender = sender;
    this.#spec = spec;
    this.#events = events;
    this.#branch = newBranch(sender.options.random);
  }

  async run(): Promise<void> {
    try {
      const spec = this.#attempts++ === 0 ? this.#spec : { ...this.#spec, flow: undefined };
      const { flow, request } = await this.#sender.prepare(spec, this.#branch);
      if (spec.beforeSending !== undefined) await spec.beforeSending(request, flow);
      if (this.#done) return;
      if (this.#cancelled) {
        this.#fail(SipFailure.cancelled());
        return;
      }
      this.#transaction = this.#sender.options.transactions.start(request, flow, {
        onResponse: (response) => {
          this.#receive(response, flow);
        },
        onTimeout: () => {
          this.#fail(SipFailure.timeout());
        },
        onTransportError: (error) => {
          this.#retry(error, flow);
        },
      });
    } catch (error) {
      this.#fail(SipFailure.transport(error));
    }
  }

  /**
   * Gives an INVITE up (section 9.1): one that is not sent yet is not sent, else CANCEL follows as soon as a
   * provisional response allows it. The final response, a 2xx that crosses too, still comes to `onResponse`.
   */
  cancel(): void {
    if (this.#cancelled || this.#done || this.#answered) return;
    this.#cancelled = true;
    if (this.#responses > 0) this.#sendCancel();
  }

  /** Forgets it: nothing more is told or sent. */
  abandon(): void {
    this.#done = true;
    this.#sender.options.clock.clearTimeout(this.#cancelTimer);
    this.#transaction?.terminate();
  }

  #receive(response: SipResponse, flow: SipFlow): void {
    this.#responses++;
    if (response.status >= 200) {
      this.#answered = true;
      this.#sender.options.clock.clearTimeout(this.#cancelTimer);
    } else if (this.#cancelled) this.#sendCancel();
    this.#events.onResponse(response, flow);
  }

  /** A connection that was kept open may turn out dead only now: one new one is tried, same branch (idempotent). */
  #retry(error: Error, flow: SipFlow): void {
    const mayRetry = flow.transport === 'tcp' && this.#responses === 0 && this.#attempts < 2;
    if (mayRetry && !this.#cancelled && !this.#done) void this.run();
    else this.#fail(SipFailure.transport(error));
  }

  #sendCancel(): void {
    const transaction = this.#transaction;
    if (this.#cancelSent || transaction === undefined) return;
    this.#cancelSent = true;
    const { transactions, clock, timers } = this.#sender.options;
    this.#cancelTimer = clock.setTimeout(() => {
      transaction.terminate();
      this.#fail(SipFailure.cancelled());
    }, 64 * timers.t1Ms);
    try {
      transactions.start(cancelOf(transaction.request), transaction.flow, {
        onResponse: () => undefined,
        onTimeout: () => undefined,
        onTransportError: () => undefined,
      });
    } catch {
      // Too many transactions: the timer above ends it.
    }
  }

  #fail(failure: SipFailure): void {
    if (this.#done) return;
    this.#done = true;
    this.#sender.options.clock.clearTimeout(this.#cancelTimer);
    this.#events.onFailure(failure);
  }
}

/** RFC 3261 section 9.1. */
export function cancelOf(invite: SipRequest): SipRequest {
  const headers = new SipHeaders([['Via', invite.headers.get('Via') ?? '']]);
  for (const route of invite.headers.getAll('Route')) headers.add('Route', route);
  headers.add('Max-Forwards', '70');
  for (const name of ['From', 'To', 'Call-ID']) headers.add(name, invite.headers.get(name) ?? '');
  const number = parseCSeq(invite.headers.get('CSeq') ?? '')?.number ?? 0;
  headers.add('CSeq', `${String(number)} CANCEL`);
  return { kind: 'request', method: 'CANCEL', uri: invite.uri, headers, body: NO_BODY };
}
