import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import type { Header } from '../message/headers.ts';
import type { Clock } from '../clock.ts';
import type { SipRandom } from '../transaction/identifiers.ts';
import type { SipTimers } from '../timers.ts';
import type { OpenTransport, SipTransportName } from '../transport/flow.ts';
import type { HostLookup } from '../transport/host-names.ts';
import type { IncomingInvite } from './incoming-invite.ts';
import type { IncomingRequest, SipResponseInit, SipSource } from './incoming-request.ts';
import type { DialogSnapshot, InviteSnapshot } from './snapshot.ts';

export interface SipUserAgentHandlers {
  /** A new dialog is asked for. Without this handler INVITE is answered 405. */
  onInvite?(invite: IncomingInvite): void;
  /** OPTIONS outside a dialog; default is 200. Allow, Accept and Supported are added by the stack. */
  onOptions?(request: IncomingRequest): SipResponseInit;
  /** Somebody who is not the other end of a dialog knew its ids. It was told that there is no such dialog (481). */
  onStranger?(stranger: { method: string; callId: string; source: SipSource }): void;
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
  /** Everything that waits waits on it. Default: the system's. */
  clock?: Clock;
  /** Default: the system's. */
  random?: SipRandom;
  /** Opens each of `transports`. Default: sockets of this host. */
  openTransport?: OpenTransport;
  /** Default: the resolver of this host. */
  lookup?: HostLookup;
  /**
   * Addresses whose requests are believed in every dialog, beside those that the dialog itself leads to. Default: none.
   */
  trusts?: (address: string) => boolean;
  handlers: SipUserAgentHandlers;
}

/** Keeps what another process needs to end, or to go on with, what this one began. What it awaits, it awaits before it is sent. */
export interface InviteKeeper {
  /** The INVITE is about to leave; again with each attempt. */
  inviting(invite: InviteSnapshot): Promise<void>;
  /** A 2xx made a dialog, whose ACK is about to leave: until then the peer repeats its 2xx. */
  answered(dialog: DialogSnapshot): Promise<void>;
  /** Nothing is left of it. Not told where `invite` resolves with a dialog. */
  over(): void;
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
  keeper?: InviteKeeper;
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
