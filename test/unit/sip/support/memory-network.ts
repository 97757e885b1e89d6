import { parseDatagram } from '../../../../src/sip/message/parse.ts';
import { DEFAULT_SIP_LIMITS } from '../../../../src/sip/limits.ts';
import type {
  MessageListener,
  OpenTransport,
  SipFlow,
  SipTransport,
  SipTransportName,
  SocketAddress,
} from '../../../../src/sip/transport/flow.ts';
import { addressKey } from '../../../../src/sip/transport/flow.ts';

type Receive = (bytes: Buffer, from: SocketAddress) => void;

/** Hosts that reach each other over UDP within the process, a message at a time, each in a turn of its own. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, Receive>();
  /** First lines of all that was sent, in order. */
  readonly sent: string[] = [];

  /** For `SipUserAgentOptions.openTransport`. */
  readonly open: OpenTransport = (name, { host, port, onMessage }) =>
    Promise.resolve(new MemoryTransport(this, name, { address: host, port }, onMessage));

  listen(at: SocketAddress, receive: Receive): () => void {
    this.#listeners.set(addressKey(at), receive);
    return () => this.#listeners.delete(addressKey(at));
  }

  send(bytes: Buffer, from: SocketAddress, to: SocketAddress): void {
    this.sent.push(bytes.toString('latin1').split('\r\n', 1)[0] ?? '');
    queueMicrotask(() => this.#listeners.get(addressKey(to))?.(bytes, from));
  }
}

class MemoryTransport implements SipTransport {
  readonly name: SipTransportName;
  readonly address: SocketAddress;
  readonly #network: MemoryNetwork;
  readonly #stop: () => void;
  closed = false;

  constructor(
    network: MemoryNetwork,
    name: SipTransportName,
    address: SocketAddress,
    onMessage: MessageListener,
  ) {
    this.#network = network;
    this.name = name;
    this.address = address;
    this.#stop = network.listen(address, (bytes, from) => {
      const outcome = parseDatagram(bytes, DEFAULT_SIP_LIMITS);
      if (outcome !== undefined) onMessage(outcome, this.#flow(from));
    });
  }

  flowTo(remote: SocketAddress): Promise<SipFlow> {
    return Promise.resolve(this.#flow(remote));
  }

  close(): Promise<void> {
    this.closed = true;
    this.#stop();
    return Promise.resolve();
  }

  #flow(remote: SocketAddress): SipFlow {
    const isClosed = (): boolean => this.closed;
    return {
      transport: this.name,
      remote,
      get closed() {
        return isClosed();
      },
      local: () => Promise.resolve(this.address),
      send: (bytes) => {
        this.#network.send(bytes, this.address, remote);
      },
      retain: () => () => undefined,
    };
  }
}
