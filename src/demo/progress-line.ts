import type { CallState, LegState } from '../recording/call-state.ts';
import type { Party } from '../recording/interfaces.ts';
import type { DemoParty } from './demo-party.ts';
import type { Display } from './display.ts';

const barWidth = 20;

/** What a person sees while the call is on: how far it is, who hears whom, where the legs are. */
export class ProgressLine {
  readonly #display: Display;
  readonly #durationMs: number;
  readonly #startAt: number;
  readonly #parties: Readonly<Record<Party, DemoParty>>;
  /** By leg, what was last told of it. */
  readonly #places = new Map<number, string>();
  #failovers = 0;

  constructor(
    display: Display,
    durationMs: number,
    startAt: number,
    parties: Readonly<Record<Party, DemoParty>>,
  ) {
    this.#display = display;
    this.#durationMs = durationMs;
    this.#startAt = startAt;
    this.#parties = parties;
  }

  /** A line that stays, with the time in the call before it. */
  event(text: string): void {
    this.#display.field(`${this.#seconds().toFixed(1).padStart(5)} s`, text);
  }

  update(call: CallState): void {
    for (const recording of call.recordings) this.#tellPlace(recording);
    for (const { leg, from, to, reason, detectionMs, failoverMs } of call.failovers.slice(
      this.#failovers,
    )) {
      if (to === null || failoverMs === null) break;
      this.#failovers += 1;
      this.event(
        `leg ${leg} moved from ${from} to ${to}: found out after ${detectionMs.toFixed(0)} ms (${reason}), ` +
          `recording again ${failoverMs.toFixed(0)} ms later`,
      );
    }
    const { a, b } = this.#parties;
    const seconds = Math.min(this.#seconds(), this.#durationMs / 1_000);
    const done = Math.round((seconds * 1_000 * barWidth) / this.#durationMs);
    const bar = '█'.repeat(done) + '░'.repeat(barWidth - done);
    const legs = call.recordings
      .map(({ leg, recorder, state }) => `leg ${leg} ${recorder ?? '-'} ${state}`)
      .join(' · ');
    this.#display.status(
      `  ${seconds.toFixed(1).padStart(5)} s     ${bar}  ${legs} · heard: a ${a.received.length}, b ${b.received.length}`,
    );
  }

  #tellPlace({ leg, recorder, state }: LegState): void {
    if (recorder === null || state !== 'recording' || this.#places.get(leg) === recorder) return;
    if (!this.#places.has(leg)) this.event(`leg ${leg} is recorded by ${recorder}`);
    this.#places.set(leg, recorder);
  }

  #seconds(): number {
    return (performance.now() - this.#startAt) / 1_000;
  }
}
