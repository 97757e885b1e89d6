import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import type { ParseFailure, ParseOutcome } from '../message/parse.ts';
import type { Clock } from '../clock.ts';
import type { SipTimers } from '../timers.ts';

export type SipTransportName = 'udp' | 'tcp';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** The way to one peer and back: a TCP connection, or a UDP socket and an address. */
export interface SipFlow {
  readonly transport: SipTransportName;
  readonly remote: SocketAddress;
  /** A closed flow sends nothing more. UDP never closes before its transport. */
  readonly closed: boolean;
  /** What Via and Contact name: our listening port at the address that routes to the peer. */
  local(): Promise<SocketAddress>;
  /** Sends a whole message. `onError` is called at most once, later, when it could not be sent. */
  send(bytes: Buffer, onError: (error: Error) => void): void;
  /**
   * A retained connection is not closed for being idle.
   * @param onClose called once when the connection ends while retained
   * @returns releases it
   */
  retain(onClose: (error: Error) => void): () => void;
}

/** Receives every message, parsed or not, in order. */
export type MessageListener = (outcome: ParseOutcome, flow: SipFlow) => void;

/** One way to carry SIP; another (TLS, WebSocket) only needs this. */
export interface SipTransport {
  readonly name: SipTransportName;
  readonly address: SocketAddress;
  /**
   * A flow to that address; connections are reused.
   * @throws the error of the connection attempt
   */
  flowTo(remote: SocketAddress): Promise<SipFlow>;
  close(): Promise<void>;
}

export interface TransportOptions {
  /** Address to bind. */
  host: string;
  /** 0 picks a free port. */
  port: number;
  limits: SipLimits;
  timers: SipTimers;
  clock: Clock;
  logger: Logger;
  onMessage: MessageListener;
  /** Gives the bytes of the answer to a stream that cannot be cut into messages, if it can be answered. */
  answerBroken: (failure: ParseFailure, flow: SipFlow) => Buffer | undefined;
}

/** Opens one way to carry SIP. @throws the error of `listen` (EADDRINUSE ...) */
export type OpenTransport = (
  name: SipTransportName,
  options: TransportOptions,
) => Promise<SipTransport>;

/** IPv4 addresses as such, also where a dual-stack socket calls them `::ffff:1.2.3.4`. */
export function plainAddress(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address;
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Key of an address in maps. */
export function addressKey({ address, port }: SocketAddress): string {
  return `${address} ${String(port)}`;
}
