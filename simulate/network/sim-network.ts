import type { SocketAddress } from '../../src/edge/types.ts';
import type { SimClock } from '../clock.ts';
import type { MediaMessage } from '../packet.ts';
import type { Random } from '../random.ts';

export type Traffic = 'media' | 'reports' | 'sip';

/** What the way from one host to another does to what goes along it. */
export interface Path {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** 0..1 */
  readonly loss: Readonly<Record<Traffic, number>>;
  readonly cut: Readonly<Record<Traffic, boolean>>;
  /** Routers on it quote too little in their ICMP messages. */
  readonly quotesLittle: boolean;
}

const goodPath: Path = {
  delayMs: 1,
  jitterMs: 0,
  loss: { media: 0, reports: 0, sip: 0 },
  cut: { media: false, reports: false, sip: false },
  quotesLittle: false,
};

export interface MediaEndpoint {
  receive(message: MediaMessage, from: SocketAddress): void;
  /** ICMP: nobody is at `to`. `quotes`: it names the packet that was refused. */
  unreachable?(to: SocketAddress, message: MediaMessage, quotes: boolean): void;
}

export interface DatagramEndpoint {
  receive(bytes: Buffer, from: SocketAddress): void;
}

/** Asked for every packet: no text is made of an address. */
class AddressMap<T> {
  readonly #byIp = new Map<string, Map<number, T>>();

  get({ ip, port }: SocketAddress): T | undefined {
    return this.#byIp.get(ip)?.get(port);
  }

  set({ ip, port }: SocketAddress, value: T): void {
    const byPort = this.#byIp.get(ip) ?? new Map<number, T>();
    this.#byIp.set(ip, byPort);
    byPort.set(port, value);
  }

  delete({ ip, port }: SocketAddress): void {
    this.#byIp.get(ip)?.delete(port);
  }
}

/** Hosts, and the ways between them. Media moves without disturbing anybody; datagrams and connections wake shipped code. */
export class SimNetwork {
  readonly clock: SimClock;
  readonly #random: Random;
  readonly #media = new AddressMap<MediaEndpoint>();
  readonly #datagrams = new AddressMap<DatagramEndpoint>();
  /** By where they begin, and where they end. */
  readonly #paths = new Map<string, Map<string, Path>>();
  readonly #hostsDown = new Set<string>();

  constructor(clock: SimClock, random: Random) {
    this.clock = clock;
    this.#random = random;
  }

  path(from: string, to: string): Path {
    return this.#paths.get(from)?.get(to) ?? goodPath;
  }

  setPath(from: string, to: string, change: Partial<Path>): void {
    const paths = this.#paths.get(from) ?? new Map<string, Path>();
    this.#paths.set(from, paths);
    paths.set(to, { ...this.path(from, to), ...change });
  }

  /** A host that is down says nothing at all. */
  setHost(ip: string, up: boolean): void {
    if (up) this.#hostsDown.delete(ip);
    else this.#hostsDown.add(ip);
  }

  isUp(ip: string): boolean {
    return !this.#hostsDown.has(ip);
  }

  bind(address: SocketAddress, endpoint: MediaEndpoint): void {
    this.#media.set(address, endpoint);
  }

  unbind(address: SocketAddress): void {
    this.#media.delete(address);
  }

  bindDatagrams(address: SocketAddress, endpoint: DatagramEndpoint): void {
    this.#datagrams.set(address, endpoint);
  }

  unbindDatagrams(address: SocketAddress): void {
    this.#datagrams.delete(address);
  }

  /** False: it is lost. */
  send(from: SocketAddress, to: SocketAddress, message: MediaMessage): boolean {
    const traffic = message.kind === 'rtp' ? 'media' : 'reports';
    const delayMs = this.delayOf(from.ip, to.ip, traffic);
    if (delayMs === undefined) return false;
    this.clock.quietly(delayMs, () => {
      if (!this.isUp(to.ip)) return;
      const endpoint = this.#media.get(to);
      if (endpoint === undefined) this.#refuse(from, to, message);
      else endpoint.receive(message, from);
    });
    return true;
  }

  sendDatagram(from: SocketAddress, to: SocketAddress, bytes: Buffer): void {
    const delayMs = this.delayOf(from.ip, to.ip, 'sip');
    if (delayMs === undefined) return;
    this.clock.quietly(delayMs, () => {
      if (!this.isUp(to.ip)) return;
      this.clock.disturb();
      this.#datagrams.get(to)?.receive(bytes, from);
    });
  }

  /** Undefined: it is lost. */
  delayOf(from: string, to: string, traffic: Traffic): number | undefined {
    if (!this.isUp(from)) return undefined;
    const { delayMs, jitterMs, loss, cut } = this.path(from, to);
    if (cut[traffic] || (loss[traffic] > 0 && this.#random.chance(loss[traffic]))) return undefined;
    return jitterMs === 0 ? delayMs : delayMs + jitterMs * this.#random.next();
  }

  #refuse(from: SocketAddress, to: SocketAddress, message: MediaMessage): void {
    const delayMs = this.delayOf(to.ip, from.ip, 'reports');
    if (delayMs === undefined) return;
    const { quotesLittle } = this.path(to.ip, from.ip);
    this.clock.quietly(delayMs, () => {
      this.#media.get(from)?.unreachable?.(to, message, !quotesLittle);
    });
  }
}
