import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { EstablishRequest, RecorderMedia } from '../../src/recording/interfaces.ts';
import { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { SiprecClient } from '../../src/siprec/client.ts';
import { RtpEndpoint } from './rtp-endpoint.ts';

export interface EndedSession {
  readonly recordId: string;
  readonly reason: string;
  readonly detail?: string;
}

/** A session recording client with an endpoint for each party's media, for tests of recorders. */
export class SiprecSource {
  readonly client: SiprecClient;
  readonly userAgent: SipUserAgent;
  readonly ended: EndedSession[] = [];
  readonly a: RtpEndpoint;
  readonly b: RtpEndpoint;

  private constructor(userAgent: SipUserAgent, a: RtpEndpoint, b: RtpEndpoint) {
    const logger = pino({ level: 'silent' });
    this.userAgent = userAgent;
    this.client = new SiprecClient({ userAgent, logger });
    this.client.on('ended', (ended) => this.ended.push(ended));
    this.a = a;
    this.b = b;
  }

  /** @param port of its SIP; default: a free one */
  static async create(port = 0): Promise<SiprecSource> {
    const userAgent = await SipUserAgent.create({
      host: '127.0.0.1',
      port,
      transports: ['udp', 'tcp'],
      userAgent: 'test',
      logger: pino({ level: 'silent' }),
      extensions: ['siprec'],
      handlers: {},
    });
    const a = await RtpEndpoint.open({ ssrc: 0xa1 });
    const b = await RtpEndpoint.open({ ssrc: 0xb1 });
    return new SiprecSource(userAgent, a, b);
  }

  async establish(recordId: string, uri: string): Promise<Required<RecorderMedia>> {
    const { media } = await this.client.establish(this.request(recordId, uri));
    if (media.a === undefined || media.b === undefined) {
      throw new Error('the recorder does not want both streams');
    }
    return { a: media.a, b: media.b };
  }

  request(recordId: string, uri: string): EstablishRequest {
    const payloads = [{ payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 }];
    const participant = (aor: string) => ({
      participantId: randomUUID(),
      streamId: randomUUID(),
      aor,
    });
    const local = ({ port }: RtpEndpoint) => ({
      rtp: { ip: '127.0.0.1', port },
      rtcp: { ip: '127.0.0.1', port: port + 1 },
    });
    return {
      recordId,
      uri,
      communicationSession: {
        callId: recordId,
        sessionId: randomUUID(),
        groupId: randomUUID(),
        startedAt: Date.now(),
        participants: { a: participant('sip:alice@example'), b: participant('sip:bob@example') },
      },
      streams: [
        { party: 'a', index: 0, ssrc: 0xa1, payloads },
        { party: 'b', index: 1, ssrc: 0xb1, payloads },
      ],
      local: { a: local(this.a), b: local(this.b) },
      timeoutMs: 5_000,
    };
  }

  /** `count` packets of each party, at real time's pace. */
  async talk(media: Required<RecorderMedia>, count: number): Promise<void> {
    await Promise.all([
      this.a.stream(media.a.rtp, { count }),
      this.b.stream(media.b.rtp, { count }),
    ]);
  }

  async close(): Promise<void> {
    await this.userAgent.close();
    this.a.close();
    this.b.close();
  }
}
