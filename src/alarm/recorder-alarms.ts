import type { Clock, Timer } from '../clock.ts';
import type { Alarms } from './alarms.ts';
import { keyOf, LegGroup, type GroupedLeg } from './leg-group.ts';

export interface RecorderAlarmsOptions {
  readonly alarms: Alarms;
  readonly clock: Clock;
  /** A recorder that a leg has left is found to be down within this time, or is not. */
  readonly verdictMs: number;
  /** Legs that leave a recorder at shorter distances leave it for one reason. */
  readonly gatherMs: number;
}

/** A leg that leaves its recorder, or has. */
export interface Departure extends GroupedLeg {
  readonly from: string;
  readonly to: string | null;
  readonly reason: string;
}

interface Departures {
  readonly group: LegGroup;
  /** Until it is clear whether the recorder is down; undefined: the alarm was raised. */
  verdict: Timer | undefined;
}

/**
 * One alarm for a recorder that goes down, one when it is back, and one for legs that leave a recorder which is not down:
 * however many legs that are. Legs leave before their recorder is known to be dead, so they wait for that verdict.
 */
export class RecorderAlarms {
  readonly #options: RecorderAlarmsOptions;
  readonly #departures = new Map<string, Departures>();
  /** Since when, by recorder. */
  readonly #down = new Map<string, number>();
  /** Where legs that have no other recorder yet are named. */
  readonly #moving = new Map<string, LegGroup>();

  constructor(options: RecorderAlarmsOptions) {
    this.#options = options;
  }

  recorderDown(recorder: string, reason: string): void {
    if (this.#down.has(recorder)) return;
    this.#down.set(recorder, this.#options.clock.now());
    const left = this.#departures.get(recorder) ?? this.#departuresFrom(recorder);
    this.#stopWaiting(left);
    left.group.raise('recorder-down', {}, { recorder, reason });
  }

  recorderUp(recorder: string): void {
    const since = this.#down.get(recorder);
    if (since === undefined) return;
    this.#down.delete(recorder);
    this.#departures.get(recorder)?.group.finish();
    this.#departures.delete(recorder);
    const downMs = Math.round(this.#options.clock.now() - since);
    this.#options.alarms.raise('recorder-up', {}, { recorder, downMs });
  }

  legLeft(departure: Departure): void {
    const { callId, leg, ...known } = departure;
    const { from } = known;
    let left = this.#departures.get(from);
    if (left === undefined) {
      left = this.#departuresFrom(from);
      this.#await(left, departure);
    }
    left.group.add({ callId, leg }, known);
    this.#moving.set(keyOf({ callId, leg }), left.group);
  }

  legMoved(departure: Departure): void {
    const { callId, leg, ...known } = departure;
    const key = keyOf(departure);
    this.#moving.get(key)?.change({ callId, leg }, known);
    this.#moving.delete(key);
  }

  legEnded(leg: GroupedLeg): void {
    this.#moving.delete(keyOf(leg));
  }

  /** Idempotent. */
  close(): void {
    for (const left of this.#departures.values()) {
      this.#stopWaiting(left);
      left.group.close();
    }
    this.#departures.clear();
    this.#moving.clear();
  }

  #departuresFrom(recorder: string): Departures {
    const { alarms, clock, gatherMs } = this.#options;
    const onWhole = (): void => {
      // Of one that is down they are named until it is back.
      if (!this.#down.has(recorder)) this.#departures.delete(recorder);
    };
    const group = new LegGroup({ alarms, clock, gatherMs, onWhole });
    const left: Departures = { group, verdict: undefined };
    this.#departures.set(recorder, left);
    return left;
  }

  #await(left: Departures, { callId, leg, from, reason }: Departure): void {
    const { clock, verdictMs } = this.#options;
    left.verdict = clock.setTimeout(() => {
      left.verdict = undefined;
      left.group.raise('failover', { callId, leg }, { from, reason });
    }, verdictMs);
  }

  #stopWaiting(left: Departures): void {
    if (left.verdict !== undefined) this.#options.clock.clearTimeout(left.verdict);
    left.verdict = undefined;
  }
}
