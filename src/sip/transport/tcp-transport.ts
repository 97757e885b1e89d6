import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { addressKey, isWildcard } from './flow.ts';
import type { SipFlow, SipTransport, SocketAddress, TransportOptions } from './flow.ts';
import { TcpConnection } from './tcp-connection.ts';

export class TcpTransport implements SipTransport {
  readonly name = 'tcp';
  readonly address: SocketAddress;
  readonly #server: Server;
  readonly #options: TransportOptions;
  /** By remote address: what a new request to it may reuse. */
  readonly #byRemote = new Map<string, TcpConnection>();
  readonly #connections = new Set<TcpConnection>();
  readonly #connecting = new Map<string, Promise<TcpConnection>>();
  #closing: Promise<void> | undefined;

  private constructor(server: Server, options: TransportOptions) {
    this.#server = server;
    this.#options = options;
    const bound = server.address();
    this.address = {
      address: options.host,
      port: bound !== null && typeof bound === 'object' ? bound.port : options.port,
    };
  }

  static create(options: TransportOptions): Promise<TcpTransport> {
    const server = createServer();
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: options.host, port: options.port, exclusive: true }, () => {
        server.removeListener('error', reject);
        const transport = new TcpTransport(server, options);
        server.on('error', (error) => {
          options.logger.warn({ err: error }, 'SIP TCP listener error');
        });
        server.on('connection', (socket) => {
          transport.#accept(socket);
        });
        resolve(transport);
      });
    });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async flowTo(remote: SocketAddress): Promise<SipFlow> {
    const key = addressKey(remote);
    const known = this.#byRemote.get(key);
    if (known !== undefined && !known.closed) return known;
    const running = this.#connecting.get(key);
    if (running !== undefined) return running;
    const attempt = this.#connect(remote).finally(() => this.#connecting.delete(key));
    this.#connecting.set(key, attempt);
    return attempt;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      for (const connection of this.#connections) connection.destroy();
    });
    return this.#closing;
  }

  #accept(socket: Socket): void {
    if (this.#isFull() || this.#closing !== undefined || socket.remoteAddress === undefined) {
      this.#options.logger.warn('SIP TCP connection refused: too many');
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    this.#adopt(socket);
  }

  #connect(remote: SocketAddress): Promise<TcpConnection> {
    if (this.#isFull()) return Promise.reject(new Error('too many SIP TCP connections'));
    const { host, clock, timers } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: remote.address,
        port: remote.port,
        ...(isWildcard(host) ? {} : { localAddress: host }),
      });
      const timer = clock.setTimeout(() => {
        socket.destroy(new Error(`no TCP connection within ${String(timers.tcpConnectMs)} ms`));
      }, timers.tcpConnectMs);
      const onError = (error: Error): void => {
        clock.clearTimeout(timer);
        reject(error);
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        clock.clearTimeout(timer);
        if (this.#closing !== undefined || socket.remoteAddress === undefined) {
          socket.destroy(new Error('the SIP user agent is closed'));
          return;
        }
        socket.removeListener('error', onError);
        resolve(this.#adopt(socket));
      });
    });
  }

  #adopt(socket: Socket): TcpConnection {
    const connection = new TcpConnection(socket, {
      ...this.#options,
      listenPort: this.address.port,
    });
    const key = addressKey(connection.remote);
    this.#connections.add(connection);
    this.#byRemote.set(key, connection);
    connection.start(() => {
      this.#connections.delete(connection);
      if (this.#byRemote.get(key) === connection) this.#byRemote.delete(key);
    });
    return connection;
  }

  #isFull(): boolean {
    return this.#connections.size + this.#connecting.size >= this.#options.limits.connections;
  }
}
