import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket as TcpSocket } from 'node:net';
import pino from 'pino';
import { DEFAULT_SIP_LIMITS } from '../../../src/sip/limits.ts';
import { parseDatagram } from '../../../src/sip/message/parse.ts';
import type { SipMessage } from '../../../src/sip/message/sip-message.ts';
import { StreamFramer } from '../../../src/sip/message/stream-framer.ts';
import { SipUserAgent } from '../../../src/sip/ua/user-agent.ts';
import type { SipUserAgentOptions } from '../../../src/sip/ua/user-agent-options.ts';
import type { IncomingInvite } from '../../../src/sip/ua/incoming-invite.ts';

export const SDP = { body: Buffer.from('v=0\r\n'), contentType: 'application/sdp' };

/** A user agent on a free port. */
export function userAgent(
  onInvite?: (invite: IncomingInvite) => void,
  options: Partial<SipUserAgentOptions> = {},
): Promise<SipUserAgent> {
  return SipUserAgent.create({
    host: '127.0.0.1',
    port: 0,
    transports: ['udp', 'tcp'],
    userAgent: 'test',
    logger: pino({ level: 'silent' }),
    handlers: onInvite === undefined ? {} : { onInvite },
    ...options,
  });
}

export function uriOf(
  agent: SipUserAgent,
  transport: 'udp' | 'tcp' = 'udp',
  host = '127.0.0.1',
): string {
  const port = agent.addresses[transport]?.port ?? agent.addresses.tcp?.port ?? 0;
  return `sip:rec@${host}:${String(port)}${transport === 'tcp' ? ';transport=tcp' : ''}`;
}

/** Messages in the order they came; each is waited for. */
class Inbox {
  readonly #messages: SipMessage[] = [];
  #wake: (() => void) | undefined;

  push(message: SipMessage): void {
    this.#messages.push(message);
    this.#wake?.();
  }

  /** The next message for which `matches` holds; those before it are dropped. */
  async next(matches: (message: SipMessage) => boolean = () => true): Promise<SipMessage> {
    for (;;) {
      for (let message = this.#messages.shift(); message; message = this.#messages.shift())
        if (matches(message)) return message;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A peer that sends and receives single datagrams. */
export class UdpPeer {
  readonly inbox = new Inbox();
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes) => {
      const outcome = parseDatagram(bytes, DEFAULT_SIP_LIMITS);
      if (outcome?.ok === true) this.inbox.push(outcome.message);
    });
  }

  static async create(host = '127.0.0.1'): Promise<UdpPeer> {
    const socket = createSocket('udp4');
    socket.bind(0, host);
    await once(socket, 'listening');
    return new UdpPeer(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  send(bytes: Buffer | string, agent: SipUserAgent): void {
    this.sendTo(bytes, agent.addresses.udp?.port ?? 0);
  }

  sendTo(bytes: Buffer | string, port: number): void {
    this.#socket.send(bytes, port, '127.0.0.1');
  }

  /** The next datagram as it comes, also one that does not parse. */
  async nextBytes(): Promise<Buffer> {
    const [bytes] = (await once(this.#socket, 'message')) as [Buffer];
    return bytes;
  }

  close(): void {
    this.#socket.close();
  }
}

/** One TCP connection, spoken by hand. */
export class TcpPeer {
  readonly inbox = new Inbox();
  readonly socket: TcpSocket;
  readonly closed: Promise<unknown>;

  constructor(socket: TcpSocket) {
    this.socket = socket;
    const framer = new StreamFramer(DEFAULT_SIP_LIMITS);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const outcome of framer.push(chunk).outcomes)
        if (outcome.ok) this.inbox.push(outcome.message);
    });
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  static async connect(agent: SipUserAgent, localAddress = '127.0.0.1'): Promise<TcpPeer> {
    const port = agent.addresses.tcp?.port ?? 0;
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    await once(socket, 'connect');
    return new TcpPeer(socket);
  }

  /** Listens, and gives the first connection. */
  static async listen(): Promise<{ server: Server; port: number; first: Promise<TcpPeer> }> {
    const server = createServer();
    const first = new Promise<TcpPeer>((resolve) => {
      server.once('connection', (socket) => {
        resolve(new TcpPeer(socket));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0, first };
  }
}

export function isRequest(method: string): (message: SipMessage) => boolean {
  return (message) => message.kind === 'request' && message.method === method;
}

export function isResponse(status: number): (message: SipMessage) => boolean {
  return (message) => message.kind === 'response' && message.status === status;
}

/** A request by hand; headers of the same name replace the usual ones. */
export function rawRequest(
  method: string,
  port: number,
  changes: Readonly<Record<string, string>> = {},
  uri = 'sip:rec@127.0.0.1',
): string {
  const headers: Record<string, string> = {
    Via: `SIP/2.0/UDP 127.0.0.1:${String(port)};branch=z9hG4bK${method}${String(port)};rport`,
    'Max-Forwards': '70',
    From: '<sip:raw@127.0.0.1>;tag=raw',
    To: '<sip:rec@127.0.0.1>',
    'Call-ID': `raw-${String(port)}`,
    CSeq: `1 ${method}`,
    Contact: `<sip:raw@127.0.0.1:${String(port)}>`,
    'Content-Length': '0',
    ...changes,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${uri} SIP/2.0\r\n${lines.join('')}\r\n`;
}

/** A response by hand to a request that was received. */
export function rawResponse(
  request: SipMessage,
  status: number,
  extra: Readonly<Record<string, string>> = {},
): string {
  const { headers } = request;
  const lines = [
    `SIP/2.0 ${String(status)} Raw`,
    ...headers.getAll('Via').map((via) => `Via: ${via}`),
    `From: ${headers.get('From') ?? ''}`,
    `To: ${headers.get('To') ?? ''}${/;tag=/.test(headers.get('To') ?? '') ? '' : ';tag=raw'}`,
    `Call-ID: ${headers.get('Call-ID') ?? ''}`,
    `CSeq: ${headers.get('CSeq') ?? ''}`,
    ...Object.entries(extra).map(([name, value]) => `${name}: ${value}`),
    'Content-Length: 0',
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}
