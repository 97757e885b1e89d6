import { isIP } from 'node:net';
import type { SipUri } from '../message/uri.ts';
import { parseSipUri } from '../message/uri.ts';
import { plainAddress } from '../transport/flow.ts';
import type { SipFlow, SipTransportName } from '../transport/flow.ts';
import type { HostAddress } from '../transport/host-names.ts';
import type { DialogState } from './dialog-state.ts';

export interface DialogPeerOptions {
  state: DialogState;
  /** The way that made the dialog. */
  origin: { transport: SipTransportName; address: string };
  addressesOf: (host: string) => Promise<readonly HostAddress[]>;
  /** Addresses that are the peers' beside what their messages show. */
  trusts: (address: string) => boolean;
}

/**
 * Who may speak in a dialog: tags and Call-ID are readable for whoever sees one message, so a request must also come from where
 * the dialog leads. That is the host at the other end of the way that made it, the host of the peer's Contact, or the first hop
 * of the route set. In a dialog over TCP a single datagram is not believed even then, as anybody can write its source address.
 */
export class DialogPeer {
  readonly #options: DialogPeerOptions;

  constructor(options: DialogPeerOptions) {
    this.#options = options;
  }

  /** @returns a promise where the name of a host must be looked up first */
  owns({ transport, remote }: SipFlow): boolean | Promise<boolean> {
    const { state, origin, trusts } = this.#options;
    const hosts = [parseSipUri(state.remoteTarget), state.nextHop()].filter(
      (uri) => uri !== undefined,
    );
    if (transport === 'udp' && origin.transport !== 'udp' && !hosts.some(asksForUdp)) return false;
    if (remote.address === origin.address || trusts(remote.address)) return true;
    const names = hosts.map(hostOf);
    if (names.some((name) => plainAddress(name) === remote.address)) return true;
    const unknown = names.filter((name) => isIP(name) === 0);
    return unknown.length === 0 ? false : this.#oneLeadsTo(unknown, remote.address);
  }

  async #oneLeadsTo(names: readonly string[], address: string): Promise<boolean> {
    const { addressesOf } = this.#options;
    const found = await Promise.all(
      [...new Set(names)].map((name) => addressesOf(name).catch(() => [])),
    );
    return found.flat().some((one) => one.address === address);
  }
}

function hostOf({ host, params }: SipUri): string {
  return params.get('maddr') ?? host;
}

function asksForUdp({ params }: SipUri): boolean {
  return params.get('transport')?.toLowerCase() === 'udp';
}
