import { lookup } from 'node:dns/promises';
import type { Clock } from '../clock.ts';

export interface HostAddress {
  readonly address: string;
  readonly family: number;
}

/** @throws when the name has no address, or nobody can be asked */
export type HostLookup = (host: string) => Promise<readonly HostAddress[]>;

export const systemLookup: HostLookup = (host) => lookup(host, { all: true });

const KNOWN_MAX = 1_000;
/** Resolvers that fail mostly do so by silence: who is known is not kept waiting for long. */
const KNOWN_PATIENCE_MS = 250;

export interface HostNamesOptions {
  readonly lookup: HostLookup;
  readonly clock: Clock;
  /** For a name that was never found before. */
  readonly timeoutMs: number;
}

/** Addresses of host names. The last that was found stands in while names cannot be looked up. */
export class HostNames {
  readonly #options: HostNamesOptions;
  readonly #known = new Map<string, readonly HostAddress[]>();
  readonly #asking = new Map<string, { since: number; found: Promise<readonly HostAddress[]> }>();

  constructor(options: HostNamesOptions) {
    this.#options = options;
  }

  /** @throws Error when the host has no address */
  async addressesOf(host: string): Promise<readonly HostAddress[]> {
    const { clock, timeoutMs } = this.#options;
    const name = host.toLowerCase();
    const known = this.#known.get(name);
    const { since, found } = this.#asking.get(name) ?? this.#ask(name);
    const patienceMs =
      (known === undefined ? timeoutMs : KNOWN_PATIENCE_MS) - (clock.now() - since);
    try {
      return await this.#within(Math.max(0, patienceMs), name, found);
    } catch (error) {
      if (known !== undefined) return known;
      throw error;
    }
  }

  #ask(name: string): { since: number; found: Promise<readonly HostAddress[]> } {
    const found = this.#options.lookup(name).then((addresses) => {
      if (addresses.length === 0) throw new Error(`${name} has no address`);
      this.#remember(name, addresses);
      return addresses;
    });
    const asked = { since: this.#options.clock.now(), found };
    this.#asking.set(name, asked);
    const done = (): void => {
      this.#asking.delete(name);
    };
    found.then(done, done);
    return asked;
  }

  #remember(name: string, addresses: readonly HostAddress[]): void {
    this.#known.delete(name);
    if (this.#known.size >= KNOWN_MAX) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(name, addresses);
  }

  #within<T>(delayMs: number, name: string, found: Promise<T>): Promise<T> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        reject(new Error(`no address of ${name} within ${String(delayMs)} ms`));
      }, delayMs);
      found
        .finally(() => {
          clock.clearTimeout(timer);
        })
        .then(resolve, reject);
    });
  }
}
