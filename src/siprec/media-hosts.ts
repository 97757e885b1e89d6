import { isIPv6, SocketAddress } from 'node:net';
import { plainAddress } from '../sip/transport/flow.ts';
import type { MediaLine } from './sdp.ts';

/** All of it as plain data. */
export interface MediaHostsSnapshot {
  readonly hosts: readonly string[];
  readonly hasMedia: boolean;
}

/**
 * Which hosts a recorder may have its media on. What it says first, on our own INVITE as a rule, may name any: media servers often
 * stand apart from the signalling. Later it may only move between those, the hosts of its signalling, and what the operator allows;
 * who has stolen the ids of a session cannot have the call sent elsewhere.
 */
export class MediaHosts {
  readonly #allows: (address: string) => boolean;
  readonly #hosts: Set<string>;
  #hasMedia = false;

  /** @param signalling addresses of the recorder's SIP */
  constructor(signalling: readonly string[], allows: (address: string) => boolean) {
    this.#hosts = new Set(signalling.map(canonical));
    this.#allows = allows;
  }

  static ofSnapshot(
    { hosts, hasMedia }: MediaHostsSnapshot,
    allows: (address: string) => boolean,
  ): MediaHosts {
    const media = new MediaHosts(hosts, allows);
    media.#hasMedia = hasMedia;
    return media;
  }

  snapshot(): MediaHostsSnapshot {
    return { hosts: [...this.#hosts], hasMedia: this.#hasMedia };
  }

  /**
   * Learns from the first lines that name an address, judges those that follow.
   * @returns the address that is refused, if there is one
   */
  refuses(lines: readonly MediaLine[]): string | undefined {
    const named = lines.flatMap(({ address }) =>
      address === undefined ? [] : [address.rtp.ip, address.rtcp.ip],
    );
    if (!this.#hasMedia && named.length > 0) {
      this.#hasMedia = true;
      for (const ip of named) this.#hosts.add(canonical(ip));
    }
    return named.find((ip) => !this.#hosts.has(canonical(ip)) && !this.#allows(ip));
  }
}

function canonical(ip: string): string {
  const plain = plainAddress(ip);
  return isIPv6(plain) ? new SocketAddress({ address: plain, family: 'ipv6' }).address : plain;
}
