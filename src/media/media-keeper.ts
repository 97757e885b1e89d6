import type { OpenedPort, PortRemote } from '../edge/types.ts';
import type { MediaAddress, MediaPath, Party, Payload } from '../recording/interfaces.ts';
import type { Range } from '../rtp/ranges.ts';
import type { AudioDescription, SessionDescription } from './sdp.ts';
import type { SdpOrigin } from './sdp-writer.ts';

type ByParty<T> = Partial<Readonly<Record<Party, T>>>;

/** Keeps what another process needs to go on with calls' media. */
export interface MediaKeeper {
  /** @param data plain data that nobody changes any more */
  put(kind: 'media' | 'forks', id: string, data: object): void;
  /** Idempotent. */
  remove(kind: 'media' | 'forks', id: string): void;
}

export const nobody: MediaKeeper = { put: () => undefined, remove: () => undefined };

/** One endpoint of a call, and what has been agreed with it: plain data. */
export interface StoredPort {
  readonly opened: OpenedPort;
  readonly origin: SdpOrigin;
  readonly audio?: AudioDescription;
  readonly remote?: PortRemote;
}

/** Under the call's id. */
export interface StoredMedia {
  readonly callId: string;
  readonly shard: number;
  readonly wanted: MediaPath;
  /** Not what it goes for a while because a worker died. */
  readonly path: MediaPath;
  /** The parties have heard mediasoup's stream. */
  readonly relayed: boolean;
  readonly ports: Readonly<Record<Party, StoredPort>>;
  readonly pending?: { readonly from: Party; readonly offer: SessionDescription };
  readonly answered: boolean;
  readonly payloads: readonly Payload[];
}

/** The copies of one recording session, under its recordId. */
export interface StoredForks {
  readonly recordId: string;
  readonly callId: string;
  /** Where each goes, or is to go. */
  readonly to: ByParty<MediaAddress>;
  /** As far as the edge has named them. */
  readonly forkIds: ByParty<number>;
  /** Forks that the recorder does not want now. */
  readonly held: readonly number[];
  readonly paused: boolean;
  readonly pausedFrom: ByParty<number>;
  readonly keptOut: ByParty<readonly Range[]>;
}

/** All that there is. */
export interface StoredBridge {
  readonly media: readonly StoredMedia[];
  readonly forks: readonly StoredForks[];
}

/** What became of it, for logs and metrics. */
export interface MediaAdoption {
  readonly calls: number;
  /** Calls whose ports the edge does not have. */
  readonly callsLost: number;
  /** Ports of the edge that no call has: they are closed. */
  readonly portsClosed: number;
  /** Copies that no session has: they are stopped. */
  readonly forksRemoved: number;
}
