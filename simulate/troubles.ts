/** Long enough to be trusted again by whoever put a recorder aside. */
const convalescenceMs = 60_000;

/** Which recorders something was done to, and when: nothing is held against the code for what they do then. */
export class Troubles {
  readonly #since = new Map<string, { from: number; until: number }[]>();
  readonly #liars = new Set<string>();

  add(recorder: string, from: number, until: number): void {
    const known = this.#since.get(recorder) ?? [];
    this.#since.set(recorder, known);
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
    return this.#since.has(recorder);
  }

  /** Nothing was wrong with it since then, and not for a good while before. */
  isWellSince(recorder: string, at: number): boolean {
    return (this.#since.get(recorder) ?? []).every(
      ({ from, until }) => from === Infinity || until + convalescenceMs < at,
    );
  }
}
