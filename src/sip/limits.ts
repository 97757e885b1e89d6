/** Everything a peer could otherwise make grow. */
export interface SipLimits {
  /** Start line and header fields of one message. */
  headerBytes: number;
  /** Header fields of one message. */
  headerCount: number;
  bodyBytes: number;
  /** Open TCP connections, both directions. */
  connections: number;
  /** Bytes that wait to be written to one TCP connection before it is given up. */
  connectionBacklogBytes: number;
  /** Transactions alive at once, client and server each. Beyond it a new request is answered 503. */
  transactions: number;
  /** Dialogs alive at once. */
  dialogs: number;
}

export const DEFAULT_SIP_LIMITS: Readonly<SipLimits> = {
  headerBytes: 32_768,
  headerCount: 256,
  bodyBytes: 262_144,
  connections: 2_000,
  connectionBacklogBytes: 4_194_304,
  transactions: 50_000,
  dialogs: 50_000,
};
