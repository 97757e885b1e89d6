import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import type { Header, SipHeaders } from '../message/headers.ts';
import type { Clock } from '../transaction/clock.ts';
import type { SipTimers } from '../transaction/timers.ts';
import type { SipDialog } from './dialog.ts';
import type { IncomingInvite } from './incoming-invite.ts';
import type { IncomingRequest, SipResponseInit } from './incoming-request.ts';

export type SipTransportName = 'udp' | 'tcp';

export interface SipUserAgentHandlers {
  /** A new dialog is asked for. Without this handler INVITE is answered 405. */
  onInvite?(invite: IncomingInvite): void;
  /** OPTIONS outside a dialog; default is 200. Allow, Accept and Supported are added by the stack. */
  onOptions?(request: IncomingRequest): SipResponseInit;
}

export interface SipUserAgentOptions {
  /** Address to bind, IPv4 or IPv6; may be a wildcard: Via and Contact then name the address that routes to the peer. */
  host: string;
  /** 0 picks a free port, the same one for all transports. */
  port: number;
  transports: readonly SipTransportName[];
  /** Value of User-Agent and Server. */
  userAgent: string;
  logger: Logger;
  /** Option tags we understand in Require and announce in Supported, e.g. `['siprec']`. Others get 420. */
  extensions?: readonly string[];
  /** Body types announced in Accept; default `['application/sdp']`. */
  accept?: readonly string[];
  limits?: Partial<SipLimits>;
  timers?: Partial<SipTimers>;
  clock?: Clock;
  handlers: SipUserAgentHandlers;
}

export interface InviteOptions {
  /** `sip:user@host:port;transport=tcp`: the Request-URI and the target. */
  uri: string;
  /** URI of From; default `sip:<host>:<port>` of ours. */
  fromUri?: string;
  headers?: readonly Header[];
  body: Buffer;
  contentType: string;
  /** Header parameters of our Contact, as text: `+sip.src`. */
  contactParams?: string;
  /** Forces the transport. Otherwise the URI's, UDP when it names none, and TCP first for more than 1,300 bytes. */
  transport?: SipTransportName;
  /** Until the final response. Default: timer B (64 T1) until the first response of any kind, then 180 s. */
  timeoutMs?: number;
  /** How many Contacts of 3xx responses are tried. Default 5; 0 makes a 3xx a failure. */
  maxRedirects?: number;
  /** Abort cancels: the promise rejects at once, CANCEL (or ACK and BYE, when a 2xx crosses) follows by itself. */
  signal?: AbortSignal;
}

export interface OptionsOptions {
  uri: string;
  transport?: SipTransportName;
  timeoutMs: number;
  headers?: readonly Header[];
  signal?: AbortSignal;
}

export interface SipListenAddress {
  host: string;
  port: number;
}

/**
 * A SIP user agent, client and server, over UDP and TCP. It closes its dialogs and sockets; the dialogs' listeners
 * are the caller's.
 */
export class SipUserAgent {
  /** Where it listens, by transport. */
  readonly addresses: Readonly<Partial<Record<SipTransportName, SipListenAddress>>>;

  private constructor(addresses: Partial<Record<SipTransportName, SipListenAddress>>) {
    this.addresses = addresses;
  }

  /** @throws the error of `listen` (EADDRINUSE ...) when a socket cannot be bound. */
  static create(_options: SipUserAgentOptions): Promise<SipUserAgent> {
    return Promise.resolve(new SipUserAgent({}));
  }

  /** Dialogs that stand now. */
  get dialogCount(): number {
    return 0;
  }

  /**
   * Calls. Resolves on a 2xx, which the stack has acknowledged. Attach the dialog's listeners in the same turn as
   * the promise resolves: requests of the peer are held back until then.
   * @throws SipFailure
   */
  invite(_options: InviteOptions): Promise<SipDialog> {
    throw new Error('not there yet');
  }

  /**
   * Asks whether somebody is there: any final response, whatever its status, resolves.
   * @throws SipFailure `timeout`, `transport` or `cancelled`
   */
  options(
    _options: OptionsOptions,
  ): Promise<{ status: number; reason: string; headers: SipHeaders }> {
    throw new Error('not there yet');
  }

  /** Ends every dialog with BYE, refuses what is not answered yet, and closes the sockets. Idempotent. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
