import type { Logger } from 'pino';
import { systemClock } from '../../src/clock.ts';
import type { MediaAddress } from '../../src/recording/interfaces.ts';
import { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { SiprecServer } from '../../src/siprec/server.ts';
import type { OfferedStream, RecordingSink } from '../../src/siprec/srs-session.ts';
import { loopbackIp } from '../addresses.ts';

/**
 * A recorder that takes every session and sends its media to the load generator's sink: what recorders themselves need
 * is not measured here. Each stream gets an address of its own, all on the sink's port.
 */
export class SinkRecorder {
  readonly uri: string;
  readonly #userAgent: SipUserAgent;

  private constructor(userAgent: SipUserAgent) {
    this.#userAgent = userAgent;
    const { host, port } = userAgent.addresses.tcp!;
    this.uri = `sip:${host}:${port};transport=tcp`;
  }

  static async create(options: {
    network: number;
    sinkPort: number;
    logger: Logger;
  }): Promise<SinkRecorder> {
    const { network, sinkPort, logger } = options;
    let streams = 0;
    const address = (): MediaAddress => {
      const ip = loopbackIp(network, streams++);
      return { rtp: { ip, port: sinkPort }, rtcp: { ip, port: sinkPort + 1 } };
    };
    const server = new SiprecServer({
      open: () => Promise.resolve(sinkOf(address)),
      clock: systemClock,
      logger,
    });
    const userAgent = await SipUserAgent.create({
      host: '127.0.0.1',
      port: 0,
      transports: ['udp', 'tcp'],
      userAgent: 'Tandem bench',
      logger,
      extensions: ['siprec'],
      handlers: { onInvite: server.onInvite },
    });
    return new SinkRecorder(userAgent);
  }

  close(): Promise<void> {
    return this.#userAgent.close();
  }
}

function sinkOf(address: () => MediaAddress): RecordingSink {
  const addresses = new Map<number, MediaAddress>();
  return {
    offered(streams: readonly OfferedStream[]) {
      for (const { position } of streams) {
        if (!addresses.has(position)) addresses.set(position, address());
      }
      return addresses;
    },
    declined() {
      // Audio alone is offered.
    },
    snapshot() {
      // Metadata is not measured.
    },
    ended() {
      // Nor kept.
    },
    abandoned() {
      // There is nothing to take back.
    },
  };
}
