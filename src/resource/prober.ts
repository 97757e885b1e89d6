import type { Clock, Timer } from '../clock.ts';
import { isLookupFailure, outcomeOf, type ProbeAnswer, type ProbeOutcome } from './health.ts';

/** Sends one OPTIONS. Rejects when there is no answer or the transport refuses. */
export type Probe = (uri: string, timeoutMs: number) => Promise<ProbeAnswer>;

/** OPTIONS in one probe, at equal distances. Three make 5 % of loss each way a missed probe in a thousand. */
const attempts = 3;

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
  /** Ends each probe under way. */
  readonly #asking = new Set<() => void>();

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

  /**
   * One probe: OPTIONS, sent again while there is no answer, because over UDP either way may lose it. A refusal by the
   * transport ends it at once; silence does at the timeout.
   */
  async ask(uri: string): Promise<ProbeOutcome> {
    const { timeoutMs, clock } = this.#options;
    const timers: Timer[] = [];
    const after = (delayMs: number, callback: () => void): void => {
      timers.push(clock.setTimeout(callback, delayMs));
    };
    let giveUp: (() => void) | undefined;
    const outcome = await new Promise<ProbeOutcome>((resolve) => {
      const attempt = (leftMs: number): void => void this.#send(uri, leftMs).then(resolve);
      giveUp = () => {
        resolve('silent');
      };
      this.#asking.add(giveUp);
      for (let n = 1; n < attempts; n += 1) {
        const atMs = Math.round((timeoutMs * n) / attempts);
        after(atMs, () => {
          attempt(timeoutMs - atMs);
        });
      }
      after(timeoutMs, giveUp);
      attempt(timeoutMs);
    });
    for (const timer of timers) clock.clearTimeout(timer);
    if (giveUp !== undefined) this.#asking.delete(giveUp);
    return outcome;
  }

  async #send(uri: string, timeoutMs: number): Promise<ProbeOutcome> {
    try {
      return outcomeOf(await this.#options.probe(uri, timeoutMs));
    } catch (error) {
      return isLookupFailure(error) ? 'unresolved' : 'silent';
    }
  }

  /** Idempotent. */
  close(): void {
    for (const { timer } of this.#watched.values()) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
    this.#watched.clear();
    for (const giveUp of this.#asking) giveUp();
  }
}
