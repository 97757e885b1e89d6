/** What happens in one short call. */
export type CallKind =
  | 'plain'
  /** Paused and resumed. */
  | 'paused'
  /** A party moves to another address by re-offer. */
  | 'reoffered'
  /** Recording is stopped and begins anew. */
  | 'restarted'
  /** Answered, but nobody speaks. */
  | 'silent'
  /** Deleted as soon as it is answered: the recorders are still being invited. */
  | 'hasty'
  /** Deleted while party b is still being called. */
  | 'unanswered';

export interface CallPlan {
  readonly id: string;
  readonly kind: CallKind;
  readonly path: 'mediasoup' | 'direct';
  readonly mode: 'duplicate' | 'single';
  /** Of each party, in each of the call's stretches of talk; one every 20 ms. */
  readonly packets: number;
}

const shares: readonly (readonly [CallKind, number])[] = [
  ['plain', 0.4],
  ['paused', 0.14],
  ['reoffered', 0.12],
  ['restarted', 0.06],
  ['silent', 0.06],
  ['hasty', 0.12],
  ['unanswered', 0.1],
];
const singleShare = 0.1;
const packetsMin = 4;
const packetsMax = 12;

/** @param random [0, 1) */
export function planCall(index: number, random: () => number): CallPlan {
  return {
    id: `soak-${index}`,
    kind: kindAt(random()),
    path: random() < 0.5 ? 'mediasoup' : 'direct',
    mode: random() < singleShare ? 'single' : 'duplicate',
    packets: packetsMin + Math.floor(random() * (packetsMax - packetsMin + 1)),
  };
}

function kindAt(point: number): CallKind {
  let sum = 0;
  for (const [kind, share] of shares) {
    sum += share;
    if (point < sum) return kind;
  }
  return 'plain';
}
