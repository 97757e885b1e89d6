/** A complaint that is older says nothing of now. */
const windowMs = 60_000;

/**
 * What calls say against a recorder that lives. The reason may be the call itself, and one that is tried again says the same again:
 * it takes two of them, with nothing that speaks for the recorder in between.
 */
export class Complaints {
  #callId: string | undefined;
  #at = 0;

  /** Whether it is evidence. */
  add(callId: string, now: number): boolean {
    const isOfAnother = this.#callId !== undefined && this.#callId !== callId;
    const isEvidence = isOfAnother && now - this.#at <= windowMs;
    this.#callId = isEvidence ? undefined : callId;
    this.#at = now;
    return isEvidence;
  }

  clear(): void {
    this.#callId = undefined;
  }
}
