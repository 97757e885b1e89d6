import type { SocketAddress } from '../../src/edge/types.ts';
import { keyOf } from '../packet.ts';
import type { SimNetwork } from './sim-network.ts';

export interface StreamListener {
  data(bytes: Buffer): void;
  /** Told once, and not to the side that closed it. */
  closed(error: Error): void;
}

/** What was lost is sent again after so long. */
const againMs = 200;

/** One end of a connection: bytes come whole, in order and once, however long that takes. */
export class SimStream {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly #network: SimNetwork;
  readonly #owner: SimStreams;
  peer: SimStream | undefined;
  listener: StreamListener | undefined;
  #closed = false;
  #waiting: (() => void)[] = [];
  #sending = false;

  constructor(owner: SimStreams, network: SimNetwork, local: SocketAddress, remote: SocketAddress) {
    this.#owner = owner;
    this.#network = network;
    this.local = local;
    this.remote = remote;
  }

  get closed(): boolean {
    return this.#closed;
  }

  send(bytes: Buffer): void {
    if (this.#closed) return;
    this.#queue(() => {
      const { peer } = this;
      if (peer === undefined) return;
      // Nobody is there any more: reset.
      if (peer.#closed) this.#tell(new Error('ECONNRESET'));
      else peer.listener?.data(bytes);
    });
  }

  /** Also what becomes of it when its process ends. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.forget(this);
    this.#queue(() => {
      const { peer } = this;
      if (peer !== undefined) peer.#tell(new Error('ECONNRESET'));
    });
  }

  #tell(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.forget(this);
    this.listener?.closed(error);
  }

  #queue(arrival: () => void): void {
    this.#waiting.push(arrival);
    this.#sendNext();
  }

  #sendNext(): void {
    if (this.#sending) return;
    const next = this.#waiting[0];
    if (next === undefined) return;
    this.#sending = true;
    const { clock } = this.#network;
    const delayMs = this.#network.isUp(this.remote.ip)
      ? this.#network.delayOf(this.local.ip, this.remote.ip, 'sip')
      : undefined;
    clock.quietly(delayMs ?? againMs, () => {
      this.#sending = false;
      if (delayMs !== undefined) {
        this.#waiting.shift();
        clock.disturb();
        next();
      }
      this.#sendNext();
    });
  }
}

/** Connections of all hosts. */
export class SimStreams {
  readonly #network: SimNetwork;
  readonly #listeners = new Map<string, (stream: SimStream) => void>();
  readonly #open = new Set<SimStream>();
  #ports = 40_000;

  constructor(network: SimNetwork) {
    this.#network = network;
  }

  listen(address: SocketAddress, onStream: (stream: SimStream) => void): void {
    this.#listeners.set(keyOf(address), onStream);
  }

  unlisten(address: SocketAddress): void {
    this.#listeners.delete(keyOf(address));
  }

  /** `onDone` is not called while nothing answers. */
  connect(fromIp: string, to: SocketAddress, onDone: (outcome: SimStream | Error) => void): void {
    const { clock } = this.#network;
    const attempt = (): void => {
      const there = this.#network.delayOf(fromIp, to.ip, 'sip');
      const back = this.#network.delayOf(to.ip, fromIp, 'sip');
      if (there === undefined || back === undefined || !this.#network.isUp(to.ip)) {
        clock.quietly(1_000, attempt);
        return;
      }
      clock.quietly(there + back, () => {
        clock.disturb();
        const listener = this.#listeners.get(keyOf(to));
        if (listener === undefined) {
          onDone(new Error('ECONNREFUSED'));
          return;
        }
        const local = { ip: fromIp, port: this.#ports++ };
        const ours = new SimStream(this, this.#network, local, to);
        const theirs = new SimStream(this, this.#network, to, local);
        ours.peer = theirs;
        theirs.peer = ours;
        this.#open.add(ours).add(theirs);
        listener(theirs);
        onDone(ours);
      });
    };
    attempt();
  }

  /** The process on this host ends: its kernel closes what it had. */
  closeOf(ip: string): void {
    for (const stream of this.#open) if (stream.local.ip === ip) stream.close();
  }

  forget(stream: SimStream): void {
    this.#open.delete(stream);
  }
}
