const jobsPerTurn = 4;

/**
 * Heavy work, a little in each turn of the event loop. When a recorder dies under hundreds of legs, the signs of all of them
 * are taken in before the first INVITEs hold anything up.
 */
export class Pacer {
  readonly #jobs: (() => void)[] = [];
  #scheduled = false;

  run(job: () => void): void {
    this.#jobs.push(job);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#jobs.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const job of this.#jobs.splice(0, jobsPerTurn)) job();
      this.#schedule();
    });
  }
}
