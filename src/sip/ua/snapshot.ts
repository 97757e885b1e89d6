import type { SipTransportName, SocketAddress } from '../transport/flow.ts';
import type { LocalContact } from './contact.ts';

/**
 * How far the CSeq of an adopted dialog jumps: further than a dialog sends requests between two times that it is stored. A peer
 * takes numbers that are left out (RFC 3261 section 12.2.2), one that comes again it refuses.
 */
export const cseqMargin = 1_000;

/** A dialog as plain data: all that another user agent, at the same address, needs to go on with it. */
export interface DialogSnapshot {
  readonly side: 'caller' | 'called';
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly localUri: string;
  readonly remoteUri: string;
  /** CSeq of the last request of ours. */
  readonly localSeq: number;
  /** CSeq of the last request of the peer; absent before its first. */
  readonly remoteSeq?: number;
  /** Values of Route, in the order they are written. */
  readonly routeSet: readonly string[];
  /** URI of the peer's Contact, as last refreshed, and its header parameters. */
  readonly remoteTarget: string;
  readonly remoteParams: Readonly<Record<string, string>>;
  /** The way that made the dialog. */
  readonly transport: SipTransportName;
  readonly remoteAddress: string;
  /** What the peer knows of us, and the header parameters of our Contact as text. */
  readonly contact: LocalContact;
  readonly contactParams?: string;
}

/** An INVITE that is out, without a final response: all that another user agent, at the same address, needs to undo it. */
export interface InviteSnapshot {
  /** The Request-URI. */
  readonly uri: string;
  /** As they stand in the request. */
  readonly via: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly seq: number;
  readonly transport: SipTransportName;
  /** Where it was sent. */
  readonly remote: SocketAddress;
  readonly contact: LocalContact;
  readonly contactParams?: string;
}
