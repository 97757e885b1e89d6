import type { Clock, Timer } from '../clock.ts';
import { outcomeOf, type ProbeOutcome } from './health.ts';

/** Sends one OPTIONS. Rejects when there was no answer. */
export type Probe = (uri: string, timeoutMs: number) => Promise<{ status: number }>;

export interface ProberOptions {
  readonly probe: Probe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** [0, 1): spreads the probes of many recorders. */
  readonly random: () => number;
  readonly onOutcome: (id: string, outcome: ProbeOutcome) => void;
}

interface Watched {
  uri: string;
  /** Number of the probe that counts; answers to older ones say nothing of now. */
  round: number;
  timer: Timer | undefined;
}

/** Asks every watched recorder again and again, at most one probe that counts per recorder at a time. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Watches from now on, or the same recorder at another address. Asks at once. */
  watch(id: string, uri: string): void {
    const known = this.#watched.get(id);
    if (known === undefined) this.#watched.set(id, { uri, round: 0, timer: undefined });
    else known.uri = uri;
    this.check(id);
  }

  /** Asks now; a probe under way no longer counts. */
  check(id: string): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    const { clock, intervalMs, random } = this.#options;
    if (watched.timer !== undefined) clock.clearTimeout(watched.timer);
    watched.round += 1;
    const { round } = watched;
    const startedAt = clock.now();
    void this.ask(watched.uri).then((outcome) => {
      if (watched.round !== round || this.#watched.get(id) !== watched) return;
      const periodMs = intervalMs * (0.95 + 0.1 * random());
      const delayMs = Math.max(0, startedAt + periodMs - clock.now());
      watched.timer = clock.setTimeout(() => {
        this.check(id);
      }, delayMs);
      this.#options.onOutcome(id, outcome);
    });
  }

  /** One probe, bounded here too, whatever the injected one does with its timeout. */
  async ask(uri: string): Promise<ProbeOutcome> {
    const { probe, timeoutMs, clock } = this.#options;
    let timer: Timer | undefined;
    const late = new Promise<ProbeOutcome>((resolve) => {
      timer = clock.setTimeout(() => {
        resolve('silent');
      }, timeoutMs);
    });
    const answer = Promise.resolve()
      .then(() => probe(uri, timeoutMs))
      .then(
        ({ status }) => outcomeOf(status),
        (): ProbeOutcome => 'silent',
      );
    const outcome = await Promise.race([answer, late]);
    if (timer !== undefined) clock.clearTimeout(timer);
    return outcome;
  }

  /** Idempotent. */
  close(): void {
    for (const { timer } of this.#watched.values()) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
    this.#watched.clear();
  }
}
