/** What is done to a recorder, and until when. */
interface Trouble {
  readonly from: number;
  readonly until: number;
}

/**
 * As long as it may take to be trusted again by whoever put it aside: a relapse is held against it for 30 s, so is that it would not
 * take calls, and then two probes are to be answered.
 */
const convalescenceMs = 36_000;

/** Which recorders something was done to, and when: nothing is held against the code for what they do then. */
export class Troubles {
  readonly #of = new Map<string, Trouble[]>();
  readonly #liars = new Set<string>();

  add(recorder: string, from: number, until: number): void {
    const known = this.#of.get(recorder) ?? [];
    this.#of.set(recorder, known);
    known.push({ from, until });
  }

  /** What it reports proves nothing, from the beginning to the end. */
  lies(recorder: string): void {
    this.#liars.add(recorder);
  }

  isLiar(recorder: string): boolean {
    return this.#liars.has(recorder);
  }

  any(recorder: string): boolean {
    return this.#of.has(recorder);
  }

  /** Something was wrong with it once. */
  had(recorder: string, now: number): boolean {
    return this.#past(recorder, now).length > 0;
  }

  /** Since when nothing has been wrong with it; undefined: something is. What is still to come is not known to anybody. */
  wellSince(recorder: string, now: number): number | undefined {
    const over = this.#past(recorder, now).map(({ until }) => until);
    const last = Math.max(-Infinity, ...over);
    return last > now ? undefined : last;
  }

  /** Since when it has been trusted at the latest, or should have been. */
  trustedSince(recorder: string, now: number): number | undefined {
    const since = this.wellSince(recorder, now);
    return since === undefined || since + convalescenceMs > now
      ? undefined
      : since + convalescenceMs;
  }

  #past(recorder: string, now: number): Trouble[] {
    return (this.#of.get(recorder) ?? []).filter(({ from }) => from <= now);
  }
}
