/** What is done to recorders while calls are recorded, and what must come of it. */

export const faultNames = [
  'none',
  'kill',
  'kill-host',
  'refuse',
  'refuse-host',
  'stop',
  'partition',
  'term',
  'drain',
  'sip-only',
  'slow',
  'loss',
  'disk-full',
  'both',
  'none-left',
  'rm-restart',
] as const;
export type FaultName = (typeof faultNames)[number];

export interface Fault {
  readonly name: FaultName;
  /** For people: what happens. */
  readonly what: string;
  /**
   * Recorders on hosts of their own (network namespaces on a bridge), or all on loopback addresses. Between hosts Linux limits
   * ICMP errors (net.ipv4.icmp_ratelimit): a burst of about six, then one a second to a destination; loopback has no limit.
   */
  readonly network: 'loopback' | 'hosts';
  readonly needsRoot: boolean;
  /** Whether the legs on the recorders concerned must leave them; if not, every failover is a false alarm. */
  readonly mustMove: boolean;
  /** How many recorders it concerns. */
  readonly recorders: 0 | 1 | 2 | 4;
  /** Media goes on for this long after the fault. */
  readonly afterMs: number;
  /** The network itself keeps packets from one recorder: that leg cannot have them. */
  readonly legLosesByFault: boolean;
}

const base = {
  network: 'loopback',
  needsRoot: false,
  mustMove: true,
  recorders: 1,
  afterMs: 2_000,
  legLosesByFault: false,
} as const;

const betweenHosts = { ...base, network: 'hosts', needsRoot: true } as const;
const killed = 'SIGKILL to a recorder';
const refusing = 'a recorder goes on, but its RTP ports are closed';
const onHostOfItsOwn = 'on a host of its own: few ICMP errors come back';

export const faults: Readonly<Record<FaultName, Fault>> = {
  none: {
    ...base,
    name: 'none',
    what: 'nothing happens: the control',
    mustMove: false,
    recorders: 0,
  },
  kill: { ...base, name: 'kill', what: killed },
  'kill-host': { ...betweenHosts, name: 'kill-host', what: `${killed}, ${onHostOfItsOwn}` },
  refuse: { ...base, name: 'refuse', what: refusing },
  'refuse-host': {
    ...betweenHosts,
    name: 'refuse-host',
    what: `${refusing}, ${onHostOfItsOwn}`,
    // Most legs learn it by ten reports that tell of nothing new.
    afterMs: 8_000,
  },
  stop: { ...base, name: 'stop', what: 'SIGSTOP to a recorder: it hangs', afterMs: 3_500 },
  partition: {
    ...betweenHosts,
    name: 'partition',
    what: "the link of a recorder's host goes down",
    afterMs: 3_500,
  },
  term: { ...base, name: 'term', what: 'SIGTERM to a recorder', afterMs: 2_500 },
  drain: { ...base, name: 'drain', what: 'a recorder is set to draining over the API' },
  'sip-only': {
    ...base,
    name: 'sip-only',
    what: "a recorder's signalling dies (odd trials: sockets closed, even ones: it hangs), its media lives",
    mustMove: false,
    afterMs: 3_500,
  },
  slow: {
    ...base,
    name: 'slow',
    what: 'a recorder is stopped for 300 ms, then goes on',
    mustMove: false,
    afterMs: 2_500,
  },
  loss: {
    ...betweenHosts,
    name: 'loss',
    what: '5 % of the packets to a recorder are lost on the way',
    mustMove: false,
    afterMs: 4_000,
    legLosesByFault: true,
  },
  'disk-full': {
    ...base,
    name: 'disk-full',
    what: "a recorder's disk is full",
    needsRoot: true,
    afterMs: 3_000,
  },
  both: { ...base, name: 'both', what: 'SIGKILL to both recorders of a call', recorders: 2 },
  'none-left': {
    ...base,
    name: 'none-left',
    what: 'SIGKILL to all recorders; one is started again after 3 s, one of the other zone half a second later',
    recorders: 4,
    afterMs: 7_000,
  },
  'rm-restart': {
    ...base,
    name: 'rm-restart',
    what: 'SIGKILL to tandem serve, the resource manager in it, and a new start on the same files',
    mustMove: false,
    recorders: 0,
  },
};

/** Media before the fault: receiver reports have come often enough to be missed. */
export const BEFORE_MS = 2_500;
/** How long recorders stay away in `none-left`. */
export const RETURN_MS = [3_000, 3_500] as const;
export const SLOW_MS = 300;
export const LOSS_SHARE = 0.05;
