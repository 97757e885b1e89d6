import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Clock } from '../clock.ts';
import { plainAddress } from './flow.ts';

const CACHE_ENTRIES = 1_000;
const CACHE_MS = 60_000;

/**
 * Which of our addresses the kernel would send from. Connecting a UDP socket asks its routing table and sends
 * nothing.
 * @throws the error of `connect` (ENETUNREACH ...)
 */
function routedAddress(remote: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(remote) ? 'udp6' : 'udp4');
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.connect(9, remote, () => {
      const { address } = socket.address();
      socket.close();
      resolve(plainAddress(address));
    });
  });
}

/** Remembers the answers for a minute. */
export class LocalAddresses {
  readonly #clock: Clock;
  readonly #known = new Map<string, { address: string; untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async towards(remote: string): Promise<string> {
    const known = this.#known.get(remote);
    if (known !== undefined && known.untilMs > this.#clock.now()) return known.address;
    const address = await routedAddress(remote);
    this.#known.delete(remote);
    if (this.#known.size >= CACHE_ENTRIES) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(remote, { address, untilMs: this.#clock.now() + CACHE_MS });
    return address;
  }
}
