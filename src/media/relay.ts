import type { PlainTransport, Router, RtpCodecParameters } from 'mediasoup/types';
import type { SocketAddress } from '../edge/types.ts';
import type { Party } from '../recording/interfaces.ts';
import { routerCodecs, type StandInCodec } from './stand-in-codecs.ts';
import type { WorkerSlot } from './worker-pool.ts';

export interface RelayOptions {
  readonly codecs: readonly StandInCodec[];
  /** The edge's loopback socket: both transports talk to it, which tells them apart by their port. */
  readonly edge: SocketAddress;
  /** SSRC that each party's stream carries, whatever the party sends. */
  readonly ssrcs: Readonly<Record<Party, number>>;
  /** Where transports may listen. */
  readonly ports: { readonly min: number; readonly max: number };
}

/** One call's part in mediasoup: a Router, and a PlainTransport, a producer and a consumer for each party. */
export class Relay {
  readonly slot: WorkerSlot;
  readonly codecs: readonly StandInCodec[];
  /** Where each party's stream goes to, and where the other's comes from. */
  readonly addresses: Readonly<Record<Party, SocketAddress>>;
  readonly #router: Router;

  private constructor(
    slot: WorkerSlot,
    router: Router,
    codecs: readonly StandInCodec[],
    addresses: Readonly<Record<Party, SocketAddress>>,
  ) {
    this.slot = slot;
    this.#router = router;
    this.codecs = codecs;
    this.addresses = addresses;
  }

  /** Takes the place on `slot` over: it is given back by `close()`, or here on failure. */
  static async create(slot: WorkerSlot, options: RelayOptions): Promise<Relay> {
    let router: Router | undefined;
    try {
      router = await slot.worker.createRouter({ mediaCodecs: routerCodecs(options.codecs) });
      const [a, b] = await settled([
        createTransport(router, options),
        createTransport(router, options),
      ]);
      const [producerA, producerB] = await settled([
        produce(a, options.codecs, options.ssrcs.a),
        produce(b, options.codecs, options.ssrcs.b),
      ]);
      const { rtpCapabilities } = router;
      const capabilities = { codecs: rtpCapabilities.codecs ?? [], headerExtensions: [] };
      await settled([
        a.consume({ producerId: producerB, rtpCapabilities: capabilities }),
        b.consume({ producerId: producerA, rtpCapabilities: capabilities }),
      ]);
      return new Relay(slot, router, options.codecs, {
        a: { ip: a.tuple.localAddress, port: a.tuple.localPort },
        b: { ip: b.tuple.localAddress, port: b.tuple.localPort },
      });
    } catch (error) {
      router?.close();
      slot.leave();
      throw error;
    }
  }

  /** True while the worker that carries it lives. */
  get alive(): boolean {
    return !this.#router.closed;
  }

  carries(codecs: readonly StandInCodec[]): boolean {
    const key = (list: readonly StandInCodec[]): string =>
      JSON.stringify(
        list.map(({ payloadType, mimeType, clockRate }) => [payloadType, mimeType, clockRate]),
      );
    return key(codecs) === key(this.codecs);
  }

  /** Idempotent. Closing the Router closes all that is in it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#router.close();
    this.slot.leave();
  }

  #closed = false;
}

async function createTransport(router: Router, options: RelayOptions): Promise<PlainTransport> {
  const transport = await router.createPlainTransport({
    listenInfo: { protocol: 'udp', ip: '127.0.0.1', portRange: { ...options.ports } },
    rtcpMux: true,
    comedia: false,
  });
  await transport.connect({ ip: options.edge.ip, port: options.edge.port });
  return transport;
}

async function produce(
  transport: PlainTransport,
  codecs: readonly StandInCodec[],
  ssrc: number,
): Promise<string> {
  const producer = await transport.produce({
    kind: 'audio',
    rtpParameters: {
      codecs: codecs.map(
        ({ payloadType, mimeType, clockRate, channels, parameters }): RtpCodecParameters => ({
          payloadType,
          mimeType,
          clockRate,
          channels,
          parameters: { ...parameters },
        }),
      ),
      encodings: [{ ssrc }],
    },
  });
  return producer.id;
}

/** Like Promise.all, but never leaves a step running behind a failed one. */
async function settled<T extends readonly unknown[]>(steps: {
  readonly [K in keyof T]: Promise<T[K]>;
}): Promise<T> {
  const results = await Promise.allSettled(steps);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T;
}
