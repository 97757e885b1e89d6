import { isIP } from 'node:net';
import type { OpenedPort, PortRemote, SocketAddress } from '../edge/types.ts';
import type { Party } from '../recording/interfaces.ts';
import type { StoredPort } from './media-keeper.ts';
import { receives, type AudioDescription, type SessionDescription } from './sdp.ts';
import { sdpInvalid } from './sdp-lines.ts';
import { newOrigin, writeDescription, type SdpOrigin } from './sdp-writer.ts';

export const bothParties = ['a', 'b'] as const satisfies readonly Party[];

/** RFC 7866 has one m-line a stream: party a's is the first. */
export const streamIndex: Readonly<Record<Party, number>> = { a: 0, b: 1 };

export function otherParty(party: Party): Party {
  return party === 'a' ? 'b' : 'a';
}

/** One endpoint of a call: the port that is pinned for it, and what has been agreed with it. */
export class PartyPort {
  readonly opened: OpenedPort;
  #origin: SdpOrigin = newOrigin();
  #audio: AudioDescription | undefined;
  /** Kept through a hold without an address. */
  #remote: PortRemote | undefined;

  constructor(opened: OpenedPort) {
    this.opened = opened;
  }

  static ofStored({ opened, origin, audio, remote }: StoredPort): PartyPort {
    const port = new PartyPort(opened);
    port.#origin = origin;
    port.#audio = audio;
    port.#remote = remote;
    return port;
  }

  stored(): StoredPort {
    return {
      opened: this.opened,
      origin: this.#origin,
      ...(this.#audio && { audio: this.#audio }),
      ...(this.#remote && { remote: this.#remote }),
    };
  }

  /** The party's own description, as last agreed. */
  get audio(): AudioDescription | undefined {
    return this.#audio;
  }

  get remote(): SocketAddress | undefined {
    return this.#remote?.rtp;
  }

  /** The description to send to this party, with the address of its port in it. */
  write(description: SessionDescription, rtcpMux: boolean): string {
    const { rtp, rtcp } = this.opened;
    const { sdp, origin } = writeDescription(this.#origin, description, { rtp, rtcp, rtcpMux });
    this.#origin = origin;
    return sdp;
  }

  /** Errors: SDP_INVALID where this port cannot reach what the description says. */
  check({ rtp, rtcp }: AudioDescription): void {
    const family = isIP(this.opened.rtp.ip);
    for (const address of [rtp, rtcp]) {
      if (address && isIP(address.ip) !== family) {
        throw sdpInvalid('c', address.ip, `media is carried over IPv${family} here`);
      }
    }
  }

  /** Takes the party's description over. Undefined while it is not known where the party is. */
  agree(
    audio: AudioDescription,
    clockRates: Readonly<Record<number, number>>,
  ): PortRemote | undefined {
    this.#audio = audio;
    const { rtp = this.#remote?.rtp, rtcp = this.#remote?.rtcp, direction } = audio;
    if (!rtp || !rtcp) return undefined;
    const send = audio.active && audio.rtp !== undefined && receives(direction);
    this.#remote = { rtp, rtcp, send, clockRates };
    return this.#remote;
  }
}
