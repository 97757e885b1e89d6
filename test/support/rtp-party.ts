import { createSocket, type Socket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { SocketAddress } from '../../src/edge/types.ts';
import { plainSdp } from './sdp-samples.ts';

export interface RtpSample {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker: boolean;
  readonly payload: Buffer;
}

/** RFC 3550 section 5.1, without CSRC and extension. */
export function encodeRtp(sample: RtpSample): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80;
  header[1] = (sample.marker ? 0x80 : 0) | sample.payloadType;
  header.writeUInt16BE(sample.sequence & 0xffff, 2);
  header.writeUInt32BE(sample.timestamp >>> 0, 4);
  header.writeUInt32BE(sample.ssrc, 8);
  return Buffer.concat([header, sample.payload]);
}

export function decodeRtp(packet: Buffer): RtpSample {
  return {
    payloadType: packet[1]! & 0x7f,
    marker: packet[1]! >= 0x80,
    sequence: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    ssrc: packet.readUInt32BE(8),
    payload: packet.subarray(12),
  };
}

/** A scripted endpoint: sends RTP of known payloads and keeps what it gets. */
export class RtpParty extends EventEmitter<{ packet: [RtpSample]; rtcp: [Buffer] }> {
  readonly ssrc: number;
  readonly received: RtpSample[] = [];
  readonly raw: Buffer[] = [];
  readonly rtcp: Buffer[] = [];
  readonly #rtp: Socket;
  readonly #rtcp: Socket;
  #sequence = 1_000;
  #timestamp = 160_000;

  private constructor(ssrc: number, rtp: Socket, rtcp: Socket) {
    super();
    this.ssrc = ssrc;
    this.#rtp = rtp;
    this.#rtcp = rtcp;
    rtp.on('message', (message) => {
      const type = message[1]! & 0x7f;
      if (type >= 64 && type < 96) return;
      this.raw.push(message);
      const packet = decodeRtp(message);
      this.received.push(packet);
      this.emit('packet', packet);
    });
    rtcp.on('message', (message) => {
      this.rtcp.push(message);
      this.emit('rtcp', message);
    });
  }

  static async create(ssrc: number): Promise<RtpParty> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    await Promise.all(
      sockets.map((socket) => {
        socket.bind(0, '127.0.0.1');
        return once(socket, 'listening');
      }),
    );
    return new RtpParty(ssrc, ...sockets);
  }

  get rtpAddress(): SocketAddress {
    return { ip: '127.0.0.1', port: this.#rtp.address().port };
  }

  get rtcpAddress(): SocketAddress {
    return { ip: '127.0.0.1', port: this.#rtcp.address().port };
  }

  sdp(options: { formats: string; attributes?: readonly string[]; ip?: string }): string {
    const { port } = this.rtpAddress;
    const attributes = [`rtcp:${this.rtcpAddress.port}`, ...(options.attributes ?? [])];
    return plainSdp({ ...options, port, attributes });
  }

  /** One packet for each payload type, 2 ms apart; `own`: the payload of all. Resolves to what was sent. */
  async send(to: SocketAddress, payloadTypes: readonly number[], own?: Buffer): Promise<Buffer[]> {
    const sent: Buffer[] = [];
    for (const payloadType of payloadTypes) {
      const sequence = this.#sequence++;
      const timestamp = (this.#timestamp += 160);
      const payload = own ?? Buffer.alloc(payloadType === 101 ? 4 : 20, sequence & 0xff);
      const { ssrc } = this;
      const packet = encodeRtp({
        payloadType,
        sequence,
        timestamp,
        ssrc,
        marker: sent.length === 0,
        payload,
      });
      this.#rtp.send(packet, to.port, to.ip);
      sent.push(packet);
      await delay(2);
    }
    return sent;
  }

  sendRtcp(to: SocketAddress, packet: Buffer): void {
    this.#rtcp.send(packet, to.port, to.ip);
  }

  /** Resolves when `count` packets have come in since the start, or since `forget()`. */
  async gets(count: number, timeoutMs = 5_000): Promise<readonly RtpSample[]> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (this.received.length < count) {
      await once(this, 'packet', { signal }).catch((cause: unknown) => {
        throw new Error(`${this.received.length} of ${count} packets came`, { cause });
      });
    }
    return this.received;
  }

  forget(): void {
    this.received.length = 0;
    this.raw.length = 0;
  }

  close(): void {
    this.#rtp.close();
    this.#rtcp.close();
  }
}
