import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { once } from 'node:events';
import { decodeRtp, encodeRtp } from './rtp-party.ts';
import type { RtpSample } from './rtp-party.ts';

export interface SentPacket extends RtpSample {
  /** Unix ms. */
  readonly at: number;
}

export interface StreamOptions {
  readonly payloadType?: number;
  readonly ssrc?: number;
  readonly firstSequence?: number;
  readonly firstTimestamp?: number;
  /** RTP units a packet. */
  readonly timestampStep?: number;
  readonly payloadBytes?: number;
  readonly intervalMs?: number;
}

/** A party of a call: one UDP socket that sends numbered packets on an absolute schedule, and keeps what it gets. */
export class RtpEndpoint {
  #socket: Socket;
  readonly #family: 4 | 6;
  readonly sent: SentPacket[] = [];
  readonly received: RtpSample[] = [];
  readonly from: RemoteInfo[] = [];
  readonly #options: Required<StreamOptions>;
  #unsent = 0;
  #allSent: (() => void) | undefined;
  ssrc: number;
  payloadType: number;
  sequence: number;
  timestamp: number;

  private constructor(socket: Socket, family: 4 | 6, options: StreamOptions) {
    this.#socket = socket;
    this.#family = family;
    this.#options = {
      payloadType: 0,
      ssrc: 0x11223344,
      firstSequence: 1_000,
      firstTimestamp: 160_000,
      timestampStep: 160,
      payloadBytes: 160,
      intervalMs: 20,
      ...options,
    };
    this.ssrc = this.#options.ssrc;
    this.payloadType = this.#options.payloadType;
    this.sequence = this.#options.firstSequence;
    this.timestamp = this.#options.firstTimestamp;
    this.#listen();
  }

  static async open(options: StreamOptions = {}, family: 4 | 6 = 4): Promise<RtpEndpoint> {
    return new RtpEndpoint(await bind(family), family, options);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get host(): string {
    return this.#family === 4 ? '127.0.0.1' : '::1';
  }

  /** An offer or answer of this endpoint. `formats`: `0 101`; `attributes`: lines of the m-section. */
  sdp(formats = '0 101', attributes = ['rtpmap:101 telephone-event/8000']): string {
    return [
      'v=0',
      `o=- ${this.port} 1 IN IP${this.#family} ${this.host}`,
      's=-',
      `c=IN IP${this.#family} ${this.host}`,
      't=0 0',
      `m=audio ${this.port} RTP/AVP ${formats}`,
      ...attributes.map((attribute) => `a=${attribute}`),
      '',
    ].join('\r\n');
  }

  /** Goes on from another source port. */
  async moveToAnotherPort(): Promise<void> {
    const old = this.#socket;
    this.#socket = await bind(this.#family);
    this.#listen();
    old.close();
  }

  changeSsrc(ssrc: number): void {
    this.ssrc = ssrc;
    this.sequence = (this.sequence + 20_000) & 0xffff;
    this.timestamp = (this.timestamp + 1_234_567) >>> 0;
  }

  sendOne(to: { ip: string; port: number }, change: Partial<RtpSample> = {}): SentPacket {
    const payload = Buffer.alloc(this.#options.payloadBytes);
    // Unique, so that a comparison finds every packet by its payload.
    payload.writeUInt32BE(this.sent.length, 0);
    payload.writeUInt32BE(this.#options.ssrc, 4);
    const packet: SentPacket = {
      payloadType: this.payloadType,
      marker: false,
      sequence: this.sequence,
      timestamp: this.timestamp,
      ssrc: this.ssrc,
      payload,
      at: Date.now(),
      ...change,
    };
    this.#unsent += 1;
    this.#socket.send(encodeRtp(packet), to.port, to.ip, () => {
      this.#unsent -= 1;
      if (this.#unsent === 0) this.#allSent?.();
    });
    this.sent.push(packet);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.timestamp = (this.timestamp + this.#options.timestampStep) >>> 0;
    return packet;
  }

  /** @param until ends when aborted, or after `count` packets */
  async stream(
    to: { ip: string; port: number },
    { count = Infinity, signal }: { count?: number; signal?: AbortSignal },
  ): Promise<void> {
    const startedAt = performance.now();
    for (let index = 0; index < count && signal?.aborted !== true; index += 1) {
      const dueIn = startedAt + index * this.#options.intervalMs - performance.now();
      if (dueIn > 0) await new Promise((resolve) => setTimeout(resolve, dueIn));
      this.sendOne(to);
    }
    // What was given to the socket is on its way only when the socket says so.
    if (this.#unsent > 0) await new Promise<void>((resolve) => (this.#allSent = resolve));
  }

  close(): void {
    this.#socket.close();
  }

  #listen(): void {
    this.#socket.on('message', (message, from) => {
      // RTCP of mediasoup comes on the same port.
      const type = message[1] ?? 0;
      if (message.length < 12 || (type >= 192 && type <= 223)) return;
      this.received.push(decodeRtp(message));
      this.from.push(from);
    });
  }
}

async function bind(family: 4 | 6): Promise<Socket> {
  const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', recvBufferSize: 1_048_576 });
  socket.bind(0, family === 4 ? '127.0.0.1' : '::1');
  await once(socket, 'listening');
  return socket;
}
