/** RFC 3261 section 17 and table 4, in milliseconds; A to K are derived from T1, T2 and T4. */
export interface SipTimers {
  /** Round-trip estimate. */
  t1Ms: number;
  /** Longest retransmit interval of non-INVITE requests and INVITE responses. */
  t2Ms: number;
  /** How long a message may stay in the network. */
  t4Ms: number;
  /** Timer D over UDP: how long retransmitted non-2xx finals of an INVITE are answered. */
  timerDMs: number;
  /** A server transaction sends 100 by itself when its user gave no response within this (17.2.1). */
  tryingDelayMs: number;
  /** How long the address of a host may take to be looked up. */
  lookupMs: number;
  /** How long a TCP connection may take to be set up. */
  tcpConnectMs: number;
  /** After TCP to a peer failed, big requests go to it by UDP at once for this long (18.1.1). */
  tcpRetryAfterMs: number;
  /** A TCP connection that carries no dialog or transaction is closed when silent for this long. */
  tcpIdleMs: number;
  /** How long `close()` waits for the answers to its BYEs. */
  closeMs: number;
}

export const DEFAULT_SIP_TIMERS: Readonly<SipTimers> = {
  t1Ms: 500,
  t2Ms: 4_000,
  t4Ms: 5_000,
  timerDMs: 32_000,
  tryingDelayMs: 200,
  lookupMs: 2_000,
  tcpConnectMs: 1_000,
  tcpRetryAfterMs: 60_000,
  tcpIdleMs: 120_000,
  closeMs: 2_000,
};
