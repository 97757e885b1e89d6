import { DEFAULT_SIP_LIMITS } from '../../../../src/sip/limits.ts';
import { SipHeaders } from '../../../../src/sip/message/headers.ts';
import { parseDatagram } from '../../../../src/sip/message/parse.ts';
import { makeResponse } from '../../../../src/sip/message/response.ts';
import type { ResponseInit } from '../../../../src/sip/message/response.ts';
import { serialize } from '../../../../src/sip/message/serialize.ts';
import { NO_BODY } from '../../../../src/sip/message/sip-message.ts';
import type { SipRequest, SipResponse } from '../../../../src/sip/message/sip-message.ts';
import type { MemoryNetwork } from './memory-network.ts';

export type Answer = (request: SipRequest) => ResponseInit | undefined;

/** A SIP peer by hand: what it gets, and what it answers to each request but ACK. */
export class RawPeer {
  readonly got: SipRequest[] = [];
  readonly responses: SipResponse[] = [];
  answer: Answer;
  readonly #network: MemoryNetwork;
  readonly #at: { address: string; port: number };
  readonly #client: { address: string; port: number };
  #seq = 100;

  constructor(network: MemoryNetwork, address: string, client: string, answer: Answer) {
    this.#network = network;
    this.#at = { address, port: 5060 };
    this.#client = { address: client, port: 5060 };
    this.answer = answer;
    network.listen(this.#at, (bytes) => {
      const outcome = parseDatagram(bytes, DEFAULT_SIP_LIMITS);
      if (outcome?.ok === true) this.#receive(outcome.message);
    });
  }

  get methods(): string[] {
    return this.got.map(({ method }) => method);
  }

  reply(request: SipRequest, init: ResponseInit): void {
    const response = makeResponse(request, { toTag: this.#at.address, ...init });
    this.#network.send(serialize(response), this.#at, this.#client);
  }

  /** A request in the dialog of that INVITE. @param from by default the peer itself */
  ask(
    invite: SipRequest,
    method: string,
    content: { body?: Buffer; contentType?: string; contact?: string } = {},
    from = this.#at,
  ): void {
    const seq = ++this.#seq;
    const { headers: of } = invite;
    const { address, port } = from;
    const headers = new SipHeaders([
      ['Via', `SIP/2.0/UDP ${address}:${String(port)};branch=z9hG4bK${method}${String(seq)}`],
      ['Max-Forwards', '70'],
      ['From', `${of.get('To') ?? ''};tag=${this.#at.address}`],
      ['To', of.get('From') ?? ''],
      ['Call-ID', of.get('Call-ID') ?? ''],
      ['CSeq', `${String(seq)} ${method}`],
      ['Contact', `<${content.contact ?? `sip:${this.#at.address}`}>`],
    ]);
    if (content.contentType !== undefined) headers.add('Content-Type', content.contentType);
    const uri = /<([^>]*)>/.exec(of.get('Contact') ?? '')?.[1] ?? '';
    const request: SipRequest = {
      kind: 'request',
      method,
      uri,
      headers,
      body: content.body ?? NO_BODY,
    };
    this.#network.send(serialize(request), from, this.#client);
  }

  /** As to a 2xx; in its own transaction for all else, which makes no difference to who gets it here. */
  #acknowledge(response: SipResponse, seq: string): void {
    const headers = new SipHeaders();
    for (const name of ['Via', 'From', 'To', 'Call-ID'])
      headers.add(name, response.headers.get(name) ?? '');
    headers.add('Max-Forwards', '70');
    headers.add('CSeq', `${seq} ACK`);
    const uri = `sip:${this.#client.address}`;
    const ack: SipRequest = { kind: 'request', method: 'ACK', uri, headers, body: NO_BODY };
    this.#network.send(serialize(ack), this.#at, this.#client);
  }

  #receive(message: SipRequest | SipResponse): void {
    if (message.kind === 'response') {
      this.responses.push(message);
      const seq = /^(\d+) INVITE$/.exec(message.headers.get('CSeq') ?? '')?.[1];
      if (message.status >= 200 && seq !== undefined) this.#acknowledge(message, seq);
      return;
    }
    this.got.push(message);
    const init = message.method === 'ACK' ? undefined : this.answer(message);
    if (init !== undefined) this.reply(message, init);
  }
}
