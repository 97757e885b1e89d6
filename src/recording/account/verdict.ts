/**
 * `complete`: reports prove that every packet that was to be recorded was received. `complete-by-merge`, of a call: each packet
 * that one leg lacks, or that nothing proves there, is proven on the other. `missing`: so much is known to be missing.
 * `unproven`: nothing is known to be missing, and not all of it is proven. `no-media`: a party that was to send never did.
 */
export type Verdict =
  'complete' | 'complete-by-merge' | 'unproven' | 'no-media' | `missing ${number} ms`;

/** Of both streams, on a leg or on all legs together. */
export interface Findings {
  readonly missingMs: number;
  readonly unproven: boolean;
}

export function legVerdict({ missingMs, unproven }: Findings, noMedia: boolean): Verdict {
  // What came and is lost says more than what never came.
  if (missingMs > 0) return `missing ${Math.max(1, Math.round(missingMs))} ms`;
  if (noMedia) return 'no-media';
  return unproven ? 'unproven' : 'complete';
}

/** @param union what is known of all legs together */
export function callVerdict(legs: readonly Verdict[], union: Findings, noMedia: boolean): Verdict {
  const verdict = legVerdict(union, noMedia);
  if (verdict !== 'complete') return verdict;
  return legs.every((leg) => leg === 'complete') ? 'complete' : 'complete-by-merge';
}
