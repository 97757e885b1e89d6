import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { SipLimits } from '../limits.ts';
import { StreamFramer } from '../message/stream-framer.ts';
import type { ParseFailure } from '../message/parse.ts';
import type { Clock } from '../clock.ts';
import type { SipTimers } from '../timers.ts';
import { plainAddress } from './flow.ts';
import type { MessageListener, SipFlow, SocketAddress } from './flow.ts';

/** First keep-alive probe on a silent connection: finds a host that is gone. */
const KEEP_ALIVE_MS = 15_000;

export interface TcpConnectionOptions {
  limits: SipLimits;
  timers: SipTimers;
  clock: Clock;
  logger: Logger;
  /** Port of our listening socket: what Via and Contact name. */
  listenPort: number;
  onMessage: MessageListener;
  /** Gives the bytes of the answer to a stream that cannot be cut into messages, if it can be answered. */
  answerBroken: (failure: ParseFailure, flow: SipFlow) => Buffer | undefined;
}

/** A TCP connection in either direction. */
export class TcpConnection implements SipFlow {
  readonly transport = 'tcp';
  readonly remote: SocketAddress;
  readonly #socket: Socket;
  readonly #options: TcpConnectionOptions;
  readonly #framer: StreamFramer;
  readonly #localAddress: string;
  readonly #holders = new Set<(error: Error) => void>();
  #lastMessageMs: number;
  #idleTimer: unknown;
  #error: Error | undefined;
  #closed = false;
  #broken = false;

  /** @param socket connected */
  constructor(socket: Socket, options: TcpConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#framer = new StreamFramer(options.limits);
    this.remote = {
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
    };
    this.#localAddress = plainAddress(socket.localAddress ?? '');
    this.#lastMessageMs = options.clock.now();
  }

  get closed(): boolean {
    return this.#closed || this.#broken;
  }

  /** @param onClosed called once, when the connection is over */
  start(onClosed: () => void): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    // A peer that has finished sending cannot answer us here.
    socket.on('end', () => {
      socket.destroy();
    });
    socket.on('close', () => {
      this.#end();
      onClosed();
    });
    this.#watchIdle(this.#options.timers.tcpIdleMs);
  }

  local(): Promise<SocketAddress> {
    return Promise.resolve({ address: this.#localAddress, port: this.#options.listenPort });
  }

  send(bytes: Buffer, onError: (error: Error) => void): void {
    if (this.closed) {
      queueMicrotask(() => {
        onError(this.#reason());
      });
      return;
    }
    if (this.#socket.writableLength + bytes.length > this.#options.limits.connectionBacklogBytes) {
      this.#error = new Error('the peer does not read: too much waits to be sent');
      this.#socket.destroy();
    }
    this.#lastMessageMs = this.#options.clock.now();
    this.#socket.write(bytes, (error) => {
      if (error) onError(error);
    });
  }

  retain(onClose: (error: Error) => void): () => void {
    // A wrapper of its own, so that one function given twice counts twice.
    const holder = (error: Error): void => {
      onClose(error);
    };
    if (this.#closed) {
      queueMicrotask(() => {
        onClose(this.#reason());
      });
    } else this.#holders.add(holder);
    return () => {
      this.#holders.delete(holder);
    };
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#broken) return;
    const { outcomes, broken } = this.#framer.push(chunk);
    for (const outcome of outcomes) {
      this.#lastMessageMs = this.#options.clock.now();
      this.#options.onMessage(outcome, this);
    }
    if (broken !== undefined) this.#refuse(broken);
  }

  /** What comes after broken framing could be anything, also a request smuggled in: answer and go. */
  #refuse(failure: ParseFailure): void {
    this.#broken = true;
    this.#error = new Error(`broken framing: ${failure.reason}`);
    this.#options.logger.info(
      { remote: this.remote, reason: failure.reason },
      'SIP stream cannot be read, closing it',
    );
    const answer = this.#options.answerBroken(failure, this);
    const socket = this.#socket;
    if (answer === undefined) {
      socket.destroy();
      return;
    }
    const { clock, timers } = this.#options;
    const timer = clock.setTimeout(() => socket.destroy(), timers.tcpConnectMs);
    socket.once('close', () => {
      clock.clearTimeout(timer);
    });
    socket.end(answer, () => {
      socket.destroy();
    });
  }

  #watchIdle(delayMs: number): void {
    const { clock, timers } = this.#options;
    this.#idleTimer = clock.setTimeout(() => {
      const silentMs = clock.now() - this.#lastMessageMs;
      if (this.#holders.size > 0) this.#watchIdle(timers.tcpIdleMs);
      else if (silentMs < timers.tcpIdleMs) this.#watchIdle(timers.tcpIdleMs - silentMs);
      else this.#socket.destroy();
    }, delayMs);
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.clock.clearTimeout(this.#idleTimer);
    const holders = [...this.#holders];
    this.#holders.clear();
    for (const holder of holders) holder(this.#reason());
  }

  #reason(): Error {
    return this.#error ?? new Error('the TCP connection was closed');
  }
}
