/** A recorder that could take the session, as the policies see it: a snapshot, plain data. */
export interface Candidate {
  readonly id: string;
  readonly zone: string;
  readonly capacity: number;
  readonly weight: number;
  readonly sessions: number;
  /** Number of the choice that last fell on it, 0 if none did. */
  readonly lastChosen: number;
  /** It would not have the last few that it was asked to take. */
  readonly reluctant: boolean;
}

/** Picks one of at least one candidate. `random` gives [0, 1). */
export type Policy = (candidates: readonly Candidate[], random: () => number) => Candidate;
