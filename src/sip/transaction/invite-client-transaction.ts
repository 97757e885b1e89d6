import { SipHeaders } from '../message/headers.ts';
import { parseCSeq } from '../message/cseq.ts';
import { serialize } from '../message/serialize.ts';
import { NO_BODY } from '../message/sip-message.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { ClientTransaction, ClientTransactionOptions } from './client-transaction.ts';
import { TimerSet } from './timer-set.ts';

type State = 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated';

/**
 * RFC 3261 section 17.1.1, with the `accepted` state of RFC 6026 that passes retransmitted 2xx on.
 *
 *     calling ─1xx─► proceeding ─2xx─► accepted ─M─► terminated
 *        │ A: again      └─300..699─► completed ─D─► terminated
 *        └─B─► terminated
 */
export class InviteClientTransaction implements ClientTransaction {
  readonly request: SipRequest;
  readonly flow: SipFlow;
  readonly #options: ClientTransactionOptions;
  readonly #timers: TimerSet<'A' | 'B' | 'D' | 'M'>;
  #state: State = 'calling';
  #release: (() => void) | undefined;
  #ack: Buffer | undefined;

  constructor(options: ClientTransactionOptions) {
    this.#options = options;
    this.request = options.request;
    this.flow = options.flow;
    this.#timers = new TimerSet(options.clock);
  }

  get state(): State {
    return this.#state;
  }

  start(): void {
    const { t1Ms } = this.#options.timers;
    this.#release = this.flow.retain((error) => {
      this.#fail(error);
    });
    this.#send();
    if (this.flow.transport === 'udp') this.#retransmitAfter(t1Ms);
    this.#timers.start('B', 64 * t1Ms, () => {
      this.terminate();
      this.#options.events.onTimeout();
    });
  }

  receive(response: SipResponse): void {
    switch (this.#state) {
      case 'calling':
      case 'proceeding':
        this.#timers.stop('A');
        this.#timers.stop('B');
        if (response.status < 200) this.#state = 'proceeding';
        else if (response.status < 300) this.#accept();
        else this.#complete(response);
        this.#options.events.onResponse(response);
        return;
      case 'accepted':
        if (response.status >= 200 && response.status < 300)
          this.#options.events.onResponse(response);
        return;
      case 'completed':
        if (response.status >= 300) this.#sendAck();
        return;
      case 'terminated':
        return;
    }
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#timers.stopAll();
    this.#release?.();
    this.#options.onTerminated();
  }

  #send(): void {
    this.flow.send(this.#options.bytes, (error) => {
      this.#fail(error);
    });
  }

  #retransmitAfter(delayMs: number): void {
    this.#timers.start('A', delayMs, () => {
      this.#send();
      this.#retransmitAfter(delayMs * 2);
    });
  }

  #accept(): void {
    this.#state = 'accepted';
    this.#timers.start('M', 64 * this.#options.timers.t1Ms, () => {
      this.terminate();
    });
  }

  #complete(response: SipResponse): void {
    this.#state = 'completed';
    this.#ack = serialize(ackForRefusal(this.request, response));
    this.#sendAck();
    const timerDMs = this.flow.transport === 'udp' ? this.#options.timers.timerDMs : 0;
    if (timerDMs === 0) {
      // Later, so that its user hears of the response first.
      queueMicrotask(() => {
        this.terminate();
      });
    } else {
      this.#timers.start('D', timerDMs, () => {
        this.terminate();
      });
    }
  }

  #sendAck(): void {
    if (this.#ack !== undefined) this.flow.send(this.#ack, () => undefined);
  }

  #fail(error: Error): void {
    const waiting = this.#state === 'calling' || this.#state === 'proceeding';
    if (this.#state === 'terminated') return;
    if (waiting) {
      this.terminate();
      this.#options.events.onTransportError(error);
    } else if (this.flow.closed) this.terminate();
  }
}

/** RFC 3261 section 17.1.1.3: the ACK to a final response of 300 or more, in the INVITE's own transaction. */
export function ackForRefusal(invite: SipRequest, response: SipResponse): SipRequest {
  const headers = new SipHeaders();
  headers.add('Via', invite.headers.get('Via') ?? '');
  for (const route of invite.headers.getAll('Route')) headers.add('Route', route);
  headers.add('Max-Forwards', '70');
  headers.add('From', invite.headers.get('From') ?? '');
  headers.add('To', response.headers.get('To') ?? '');
  headers.add('Call-ID', invite.headers.get('Call-ID') ?? '');
  const number = parseCSeq(invite.headers.get('CSeq') ?? '')?.number ?? 0;
  headers.add('CSeq', `${String(number)} ACK`);
  return { kind: 'request', method: 'ACK', uri: invite.uri, headers, body: NO_BODY };
}
