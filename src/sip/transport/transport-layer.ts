import { isIP, isIPv6 } from 'node:net';
import type { SipUri } from '../message/uri.ts';
import type { Via } from '../message/via.ts';
import { addressKey } from './flow.ts';
import type {
  OpenTransport,
  SipFlow,
  SipTransport,
  SipTransportName,
  SocketAddress,
  TransportOptions,
} from './flow.ts';
import { HostNames } from './host-names.ts';
import type { HostAddress, HostLookup } from './host-names.ts';

const DEFAULT_PORT = 5060;
/** RFC 3261 section 18.1.1: requests above it go by a congestion-controlled transport. */
const UDP_REQUEST_BYTES_MAX = 1_300;
const TCP_FAILURES_REMEMBERED = 1_000;
/** Tries to find one port that is free for all transports. */
const PORT_ATTEMPTS = 20;

export interface TransportLayerOptions extends TransportOptions {
  transports: readonly SipTransportName[];
  openTransport: OpenTransport;
  lookup: HostLookup;
}

/** Where a request goes: RFC 3261 section 18.1.1 and as much of RFC 3263 as A and AAAA records give. */
export class TransportLayer {
  readonly #transports: ReadonlyMap<SipTransportName, SipTransport>;
  readonly #options: TransportLayerOptions;
  readonly #names: HostNames;
  /** Peers that did not take TCP lately, and until when to believe it. */
  readonly #tcpFailures = new Map<string, number>();

  private constructor(
    transports: ReadonlyMap<SipTransportName, SipTransport>,
    options: TransportLayerOptions,
  ) {
    this.#transports = transports;
    this.#options = options;
    const { lookup, clock, timers } = options;
    this.#names = new HostNames({ lookup, clock, timeoutMs: timers.lookupMs });
  }

  static async create(options: TransportLayerOptions): Promise<TransportLayer> {
    const attempts = options.port === 0 && options.transports.length > 1 ? PORT_ATTEMPTS : 1;
    for (let attempt = 1; ; attempt++) {
      const opened = new Map<SipTransportName, SipTransport>();
      let port = options.port;
      try {
        // TCP first: its free ports are the scarcer ones.
        for (const name of ['tcp', 'udp'] as const) {
          if (!options.transports.includes(name)) continue;
          const transport = await options.openTransport(name, { ...options, port });
          opened.set(name, transport);
          port = transport.address.port;
        }
        return new TransportLayer(opened, options);
      } catch (error) {
        for (const transport of opened.values()) await transport.close();
        const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
        if (!taken || attempt >= attempts) throw error;
      }
    }
  }

  /** Where each transport listens. */
  get addresses(): Partial<Record<SipTransportName, SocketAddress>> {
    return Object.fromEntries([...this.#transports].map(([name, { address }]) => [name, address]));
  }

  /** The transport a URI asks for, or why it cannot be had. */
  transportFor(uri: SipUri, forced?: SipTransportName): SipTransportName {
    const asked = forced ?? uri.params.get('transport')?.toLowerCase();
    if (uri.scheme === 'sips' || asked === 'tls') throw new Error('TLS is not supported');
    const name = asked ?? (this.#transports.has('udp') ? 'udp' : 'tcp');
    if ((name !== 'udp' && name !== 'tcp') || !this.#transports.has(name))
      throw new Error(`no SIP transport for ${name}`);
    return name;
  }

  /**
   * The way to the host of a URI. A request of more than 1,300 bytes that would go by UDP goes by TCP when the peer
   * takes it, else by UDP after all (RFC 3261 section 18.1.1).
   * @throws Error when the host has no address, or no connection to it can be made
   */
  async flowFor(
    uri: SipUri,
    options: { bytes: number; forced?: SipTransportName | undefined },
  ): Promise<SipFlow> {
    const name = this.transportFor(uri, options.forced);
    const targets = await this.#resolve(uri);
    if (
      name === 'udp' &&
      options.forced === undefined &&
      options.bytes > UDP_REQUEST_BYTES_MAX &&
      this.#transports.has('tcp')
    ) {
      const [target] = targets;
      if (target !== undefined && !this.#failedLately(target)) {
        try {
          return await this.#open('tcp', [target]);
        } catch (error) {
          this.#rememberFailure(target);
          this.#options.logger.info(
            { err: error, target },
            'SIP request is too big for UDP, but the peer does not take TCP: sending by UDP',
          );
        }
      }
    }
    return this.#open(name, targets);
  }

  /**
   * The way back for responses (18.2.2, RFC 3581): the connection of the request while it stands, else a new one;
   * over UDP the address in `received`, or `maddr`, at the port in `rport` or sent-by.
   */
  async responseFlow(via: Via, source: SipFlow): Promise<SipFlow> {
    if (source.transport === 'tcp') {
      if (!source.closed) return source;
      const remote = { address: source.remote.address, port: via.port ?? DEFAULT_PORT };
      return this.#open('tcp', [remote]);
    }
    // rport: back to where it came from, whatever Via says.
    if (via.params.has('rport')) return source;
    const port = via.port ?? DEFAULT_PORT;
    const maddr = via.params.get('maddr');
    const address = maddr !== undefined && isIP(maddr) !== 0 ? maddr : source.remote.address;
    return this.#open('udp', [{ address, port }]);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#transports.values()].map((transport) => transport.close()));
  }

  async #open(name: SipTransportName, targets: readonly SocketAddress[]): Promise<SipFlow> {
    const transport = this.#transports.get(name);
    if (transport === undefined) throw new Error(`no SIP transport for ${name}`);
    if (targets.length === 0) throw new Error('the host has no address');
    let failure: unknown;
    for (const target of targets) {
      try {
        return await transport.flowTo(target);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /**
   * The addresses of a host, by name or as they stand. What was found last stands in when names cannot be looked up.
   * @throws Error when the host has no address
   */
  async addressesOf(host: string): Promise<readonly HostAddress[]> {
    const family = isIP(host);
    return family === 0 ? this.#names.addressesOf(host) : [{ address: host, family }];
  }

  /** Addresses we have a socket for: an IPv4 socket reaches IPv4 only, a dual-stack one both. */
  async #resolve(uri: SipUri): Promise<SocketAddress[]> {
    const host = uri.params.get('maddr') ?? uri.host;
    const port = uri.port ?? DEFAULT_PORT;
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    if (isIP(bare) !== 0) return [{ address: bare, port }];
    const found = await this.addressesOf(bare);
    const own = this.#options.host;
    return found
      .filter(({ family }) => own === '::' || (family === 6) === isIPv6(own))
      .map(({ address }) => ({ address, port }));
  }

  #failedLately(target: SocketAddress): boolean {
    const untilMs = this.#tcpFailures.get(addressKey(target));
    return untilMs !== undefined && untilMs > this.#options.clock.now();
  }

  #rememberFailure(target: SocketAddress): void {
    const key = addressKey(target);
    this.#tcpFailures.delete(key);
    if (this.#tcpFailures.size >= TCP_FAILURES_REMEMBERED) {
      const [oldest] = this.#tcpFailures.keys();
      if (oldest !== undefined) this.#tcpFailures.delete(oldest);
    }
    this.#tcpFailures.set(key, this.#options.clock.now() + this.#options.timers.tcpRetryAfterMs);
  }
}
