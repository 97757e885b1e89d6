import { parseDatagram } from '../../src/sip/message/parse.ts';
import { StreamFramer } from '../../src/sip/message/stream-framer.ts';
import { addressKey } from '../../src/sip/transport/flow.ts';
import type {
  OpenTransport,
  SipFlow,
  SipTransport,
  SocketAddress,
  TransportOptions,
} from '../../src/sip/transport/flow.ts';
import type { SimNetwork } from './sim-network.ts';
import type { SimStream, SimStreams } from './streams.ts';

/**
 * SIP's transports on the simulated network.
 * @param isAlive whether the process that has them is: nothing leaves one that is not
 */
export function simulatedTransports(
  network: SimNetwork,
  streams: SimStreams,
  isAlive: () => boolean = () => true,
): OpenTransport {
  return (name, options) =>
    Promise.resolve(
      name === 'udp'
        ? new SimUdpTransport(network, options, isAlive)
        : new SimTcpTransport(network, streams, options, isAlive),
    );
}

class SimUdpTransport implements SipTransport {
  readonly name = 'udp';
  readonly address: SocketAddress;
  readonly #network: SimNetwork;
  readonly #isAlive: () => boolean;
  #closed = false;

  constructor(network: SimNetwork, options: TransportOptions, isAlive: () => boolean) {
    this.#network = network;
    this.#isAlive = isAlive;
    this.address = { address: options.host, port: options.port };
    network.bindDatagrams(
      { ip: options.host, port: options.port },
      {
        receive: (bytes, { ip, port }) => {
          const outcome = parseDatagram(bytes, options.limits);
          if (outcome !== undefined) {
            options.onMessage(outcome, this.#flow({ address: ip, port }));
          }
        },
      },
    );
  }

  flowTo(remote: SocketAddress): Promise<SipFlow> {
    return Promise.resolve(this.#flow(remote));
  }

  close(): Promise<void> {
    this.#closed = true;
    const { address, port } = this.address;
    this.#network.unbindDatagrams({ ip: address, port });
    return Promise.resolve();
  }

  #flow(remote: SocketAddress): SipFlow {
    const isClosed = (): boolean => this.#closed;
    return {
      transport: 'udp',
      remote,
      get closed() {
        return isClosed();
      },
      local: () => Promise.resolve(this.address),
      send: (bytes) => {
        if (isClosed() || !this.#isAlive()) return;
        const from = { ip: this.address.address, port: this.address.port };
        this.#network.sendDatagram(from, { ip: remote.address, port: remote.port }, bytes);
      },
      retain: () => () => undefined,
    };
  }
}

class SimTcpTransport implements SipTransport {
  readonly name = 'tcp';
  readonly address: SocketAddress;
  readonly #network: SimNetwork;
  readonly #streams: SimStreams;
  readonly #options: TransportOptions;
  readonly #isAlive: () => boolean;
  readonly #flows = new Set<SimTcpFlow>();
  readonly #byRemote = new Map<string, SimTcpFlow>();
  readonly #connecting = new Map<string, Promise<SimTcpFlow>>();

  constructor(
    network: SimNetwork,
    streams: SimStreams,
    options: TransportOptions,
    isAlive: () => boolean,
  ) {
    this.#network = network;
    this.#streams = streams;
    this.#options = options;
    this.#isAlive = isAlive;
    this.address = { address: options.host, port: options.port };
    streams.listen({ ip: options.host, port: options.port }, (stream) => {
      this.#adopt(stream);
    });
  }

  flowTo(remote: SocketAddress): Promise<SipFlow> {
    const key = addressKey(remote);
    const known = this.#byRemote.get(key);
    if (known?.closed === false) return Promise.resolve(known);
    const running = this.#connecting.get(key);
    if (running !== undefined) return running;
    const attempt = this.#connect(remote).finally(() => this.#connecting.delete(key));
    this.#connecting.set(key, attempt);
    return attempt;
  }

  close(): Promise<void> {
    const { address, port } = this.address;
    this.#streams.unlisten({ ip: address, port });
    for (const flow of this.#flows) flow.close();
    return Promise.resolve();
  }

  #connect(remote: SocketAddress): Promise<SimTcpFlow> {
    if (!this.#isAlive()) return new Promise(() => undefined);
    const { clock, timers } = this.#options;
    return new Promise((resolve, reject) => {
      let over = false;
      const timer = clock.setTimeout(() => {
        over = true;
        reject(new Error(`no TCP connection within ${String(timers.tcpConnectMs)} ms`));
      }, timers.tcpConnectMs);
      const to = { ip: remote.address, port: remote.port };
      this.#streams.connect(this.address.address, to, (outcome) => {
        if (over || !this.#isAlive()) {
          if (!(outcome instanceof Error)) outcome.close();
          return;
        }
        clock.clearTimeout(timer);
        this.#network.clock.disturb();
        if (outcome instanceof Error) reject(outcome);
        else resolve(this.#adopt(outcome));
      });
    });
  }

  #adopt(stream: SimStream): SimTcpFlow {
    const flow = new SimTcpFlow(stream, this.#options, this.address, () => {
      this.#flows.delete(flow);
      if (this.#byRemote.get(key) === flow) this.#byRemote.delete(key);
    });
    const key = addressKey(flow.remote);
    this.#flows.add(flow);
    this.#byRemote.set(key, flow);
    return flow;
  }
}

class SimTcpFlow implements SipFlow {
  readonly transport = 'tcp';
  readonly remote: SocketAddress;
  readonly #stream: SimStream;
  readonly #local: SocketAddress;
  readonly #holders = new Set<(error: Error) => void>();
  readonly #onClosed: () => void;

  constructor(
    stream: SimStream,
    options: TransportOptions,
    local: SocketAddress,
    onClosed: () => void,
  ) {
    this.#stream = stream;
    this.#local = local;
    this.#onClosed = onClosed;
    this.remote = { address: stream.remote.ip, port: stream.remote.port };
    const framer = new StreamFramer(options.limits);
    stream.listener = {
      data: (bytes) => {
        for (const outcome of framer.push(bytes).outcomes) options.onMessage(outcome, this);
      },
      closed: (error) => {
        this.#end(error);
      },
    };
  }

  get closed(): boolean {
    return this.#stream.closed;
  }

  local(): Promise<SocketAddress> {
    return Promise.resolve(this.#local);
  }

  send(bytes: Buffer, onError: (error: Error) => void): void {
    if (!this.closed) this.#stream.send(bytes);
    else {
      queueMicrotask(() => {
        onError(new Error('the TCP connection was closed'));
      });
    }
  }

  retain(onClose: (error: Error) => void): () => void {
    const holder = (error: Error): void => {
      onClose(error);
    };
    if (this.closed) {
      queueMicrotask(() => {
        onClose(new Error('the TCP connection was closed'));
      });
    } else this.#holders.add(holder);
    return () => {
      this.#holders.delete(holder);
    };
  }

  close(): void {
    if (this.closed) return;
    this.#stream.close();
    this.#end(new Error('the TCP connection was closed'));
  }

  #end(error: Error): void {
    const holders = [...this.#holders];
    this.#holders.clear();
    this.#onClosed();
    for (const holder of holders) holder(error);
  }
}
