import { pino } from 'pino';
import { systemClock } from '../../src/clock.ts';
import type { MediaAddress } from '../../src/recording/interfaces.ts';
import { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { SiprecServer } from '../../src/siprec/server.ts';
import type { OfferedStream, RecordingSink } from '../../src/siprec/srs-session.ts';
import { UdpPeer } from './udp-peer.ts';

/** A recorder that takes all media, and never sends RTCP. */
export class SilentRecorder {
  readonly media: UdpPeer;
  readonly #userAgent: SipUserAgent;

  private constructor(media: UdpPeer, userAgent: SipUserAgent) {
    this.media = media;
    this.#userAgent = userAgent;
  }

  static async start(): Promise<SilentRecorder> {
    const logger = pino({ level: 'silent' });
    const media = await UdpPeer.open();
    const address = { rtp: media.address, rtcp: media.address };
    const server = new SiprecServer({
      open: () => Promise.resolve(sinkOf(address)),
      clock: systemClock,
      logger,
    });
    const userAgent = await SipUserAgent.create({
      host: '127.0.0.1',
      port: 0,
      transports: ['tcp'],
      userAgent: 'silent',
      logger,
      extensions: ['siprec'],
      handlers: { onInvite: server.onInvite },
    });
    return new SilentRecorder(media, userAgent);
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.#userAgent.addresses.tcp?.port ?? 0};transport=tcp`;
  }

  async close(): Promise<void> {
    await this.#userAgent.close();
    await this.media.close();
  }
}

function sinkOf(address: MediaAddress): RecordingSink {
  return {
    offered: (streams: readonly OfferedStream[]) =>
      new Map(streams.map(({ position }) => [position, address])),
    declined: () => undefined,
    snapshot: () => undefined,
    ended: () => undefined,
    abandoned: () => undefined,
  };
}
