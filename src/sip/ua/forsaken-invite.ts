import { SipHeaders } from '../message/headers.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { serialize } from '../message/serialize.ts';
import { NO_BODY } from '../message/sip-message.ts';
import type { SipRequest, SipResponse } from '../message/sip-message.ts';
import { parseVia } from '../message/via.ts';
import { ackForRefusal } from '../transaction/invite-client-transaction.ts';
import type { SipFlow } from '../transport/flow.ts';
import type { SipCore } from './core.ts';
import { DialogSession } from './dialog-session.ts';
import { DialogState } from './dialog-state.ts';
import { cancelOf } from './request-sender.ts';
import type { InviteSnapshot } from './snapshot.ts';

/** Of CANCEL, which has no body and few headers: no matter of size. */
const cancelBytes = 0;

/**
 * An INVITE of another process, which died before it had a final response. It is cancelled at once: whether there was a provisional
 * response (RFC 3261 section 9.1) is not known, and an INVITE that has not arrived by now does not arrive. What is answered to it
 * all the same is acknowledged, and a session that comes of it is ended.
 */
export class ForsakenInvite {
  readonly #core: SipCore;
  readonly #invite: SipRequest;
  readonly #snapshot: InviteSnapshot;
  readonly #onOver: () => void;
  readonly #branch: string;
  readonly #over = Promise.withResolvers<undefined>();
  /** By their To tag. */
  readonly #dialogs = new Map<string, DialogSession>();
  #patience: unknown;

  /** @param onOver called when no response is for it any more */
  constructor(core: SipCore, snapshot: InviteSnapshot, onOver: () => void) {
    this.#core = core;
    this.#onOver = onOver;
    this.#snapshot = snapshot;
    this.#branch = branchOf(snapshot.via);
    this.#invite = {
      kind: 'request',
      method: 'INVITE',
      uri: snapshot.uri,
      headers: new SipHeaders([
        ['Via', snapshot.via],
        ['From', snapshot.from],
        ['To', snapshot.to],
        ['Call-ID', snapshot.callId],
        ['CSeq', `${String(snapshot.seq)} INVITE`],
      ]),
      body: NO_BODY,
    };
  }

  /** Which responses are for it. */
  get key(): string {
    return forsakenKey(this.#invite.headers);
  }

  /** Resolves when it was refused, when the session that came of it has ended, or when nothing comes any more. */
  undo(): Promise<void> {
    const { clock, timers } = this.#core;
    // As long as a 2xx is repeated, and longer than it takes to give up an INVITE that was cancelled.
    this.#patience = clock.setTimeout(() => {
      this.abandon();
    }, 64 * timers.t1Ms);
    void this.#cancel();
    return this.#over.promise;
  }

  /** A final response to it, whoever sends it. */
  receive(response: SipResponse, flow: SipFlow): void {
    if (branchOf(response.headers.get('Via') ?? '') !== this.#branch) return;
    if (response.status < 300) {
      this.#established(response, flow);
      return;
    }
    flow.send(serialize(ackForRefusal(this.#invite, response)), () => undefined);
    // It may be repeated, and acknowledged again, until the patience is over.
    this.#over.resolve(undefined);
  }

  /** Waits for nothing any more. */
  abandon(): void {
    this.#core.clock.clearTimeout(this.#patience);
    this.#onOver();
    this.#over.resolve(undefined);
  }

  async #cancel(): Promise<void> {
    const { transport, remote } = this.#snapshot;
    const { transports, transactions } = this.#core.sender.options;
    try {
      const flow = await transports.flowFor(
        { scheme: 'sip', user: '', host: remote.address, port: remote.port, params: new Map() },
        { bytes: cancelBytes, forced: transport },
      );
      transactions.start(cancelOf(this.#invite), flow, {
        onResponse: () => undefined,
        onTimeout: () => undefined,
        onTransportError: () => undefined,
      });
    } catch (error) {
      const { callId } = this.#snapshot;
      this.#core.logger.info({ err: error, callId }, 'SIP INVITE could not be cancelled');
    }
  }

  #established(response: SipResponse, flow: SipFlow): void {
    const toTag = parseNameAddr(response.headers.get('To') ?? '')?.params.get('tag') ?? '';
    const known = this.#dialogs.get(toTag);
    if (known !== undefined) {
      known.acknowledge(response).catch(() => undefined);
      return;
    }
    const state = DialogState.ofCaller(response);
    if (state === undefined) return;
    const { contact, contactParams } = this.#snapshot;
    const dialog = new DialogSession({
      core: this.#core,
      state,
      established: response,
      side: 'caller',
      contact,
      contactParams,
      origin: { transport: flow.transport, address: flow.remote.address },
      flow,
    });
    this.#dialogs.set(toTag, dialog);
    void dialog
      .acknowledge(response)
      .catch(() => undefined)
      .then(() => dialog.hangUp('closed'))
      .then(() => {
        this.#over.resolve(undefined);
      });
  }
}

/** Call-ID and From tag: those of the INVITE and of all responses to it. */
export function forsakenKey(headers: SipHeaders): string {
  const tag = parseNameAddr(headers.get('From') ?? '')?.params.get('tag') ?? '';
  return `${headers.get('Call-ID') ?? ''} ${tag}`;
}

function branchOf(via: string): string {
  return parseVia(via)?.params.get('branch') ?? '';
}
