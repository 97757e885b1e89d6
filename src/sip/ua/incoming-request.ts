import type { Header, SipHeaders } from '../message/headers.ts';
import type { SipRequest } from '../message/sip-message.ts';

/** A response as callers write it. Via, From, To, Call-ID, CSeq, Content-Length and Server are the stack's. */
export interface SipResponseInit {
  status: number;
  /** The usual phrase of the status when left out. */
  reason?: string;
  headers?: readonly Header[];
  body?: Buffer;
  contentType?: string;
}

/** The address a message came from. */
export interface SipSource {
  transport: 'udp' | 'tcp';
  address: string;
  port: number;
}

/** A request that is answered with one final response: OPTIONS, INFO, MESSAGE ... */
export class IncomingRequest {
  readonly request: SipRequest;
  readonly source: SipSource;
  readonly #respond: (init: SipResponseInit) => void;
  #responded = false;

  constructor(request: SipRequest, source: SipSource, respond: (init: SipResponseInit) => void) {
    this.request = request;
    this.source = source;
    this.#respond = respond;
  }

  get method(): string {
    return this.request.method;
  }

  get headers(): SipHeaders {
    return this.request.headers;
  }

  get body(): Buffer {
    return this.request.body;
  }

  /** Content-Type with its parameters, `''` when there is none. */
  get contentType(): string {
    return this.request.headers.get('Content-Type') ?? '';
  }

  get responded(): boolean {
    return this.#responded;
  }

  /** Sends the final response; a second call does nothing. Never throws on account of the network. */
  respond(init: SipResponseInit): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#respond(init);
  }
}
