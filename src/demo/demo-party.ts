import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { SocketAddress } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import { isRtcp } from '../rtp/header.ts';
import { logPacket } from './packet-log.ts';
import type { LoggedPacket } from './packet-log.ts';

const host = '127.0.0.1';
const attemptsMax = 50;

export interface SentPacket extends LoggedPacket {
  /** Unix ms. */
  readonly sentAt: number;
}

/** A telephone: a pair of UDP ports for RTP and RTCP, and a log of every packet that went out and came in. */
export class DemoParty {
  readonly local: SocketAddress;
  readonly sent: SentPacket[] = [];
  readonly received: LoggedPacket[] = [];
  readonly #rtp: Socket;
  readonly #rtcp: Socket;
  #remote: SocketAddress | undefined;
  #closed = false;

  private constructor(rtp: Socket, rtcp: Socket) {
    this.#rtp = rtp;
    this.#rtcp = rtcp;
    this.local = { ip: host, port: rtp.address().port };
  }

  static async create(): Promise<DemoParty> {
    // RFC 3550 section 11: RTP on an even port, RTCP on the next.
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const rtp = await bind(0);
      const port = rtp?.address().port ?? 1;
      const rtcp = port % 2 === 0 ? await bind(port + 1) : undefined;
      if (rtp !== undefined && rtcp !== undefined) {
        const party = new DemoParty(rtp, rtcp);
        party.#listen();
        return party;
      }
      rtp?.close();
    }
    throw new TandemError('NO_PORT', 'no free pair of UDP ports for a party');
  }

  /** Where its packets go from now on. */
  connect(remote: SocketAddress): void {
    this.#remote = remote;
  }

  send(bytes: Buffer): void {
    const packet = logPacket(bytes);
    if (this.#closed || this.#remote === undefined || packet === undefined) return;
    this.sent.push({ ...packet, sentAt: performance.timeOrigin + performance.now() });
    this.#rtp.send(bytes, this.#remote.port, this.#remote.ip);
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rtp.close();
    this.#rtcp.close();
  }

  #listen(): void {
    this.#rtp.on('message', (bytes) => {
      const packet = isRtcp(bytes) ? undefined : logPacket(bytes);
      if (packet !== undefined) this.received.push(packet);
    });
    // A telephone does not mind an ICMP error; what is missing is counted anyway.
    for (const socket of [this.#rtp, this.#rtcp]) socket.on('error', () => undefined);
  }
}

async function bind(port: number): Promise<Socket | undefined> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1_048_576 });
  try {
    socket.bind(port, host);
    await once(socket, 'listening');
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}
