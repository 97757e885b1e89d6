import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';

/**
 * `recorder-down`, `recorder-up`: a recorder changed; the legs that it cost are named under it. `failover`: legs left a recorder
 * that is not down. `single-leg`: calls that should be recorded twice are recorded once. `leg-without-recorder`: nobody records
 * a call. `process-died`: a process of this Tandem, a recorder apart; it is started again. `no-media`: nothing comes of a party. `verdict`: a call ended and its ledger is not complete. `promotion`: a standby
 * recorder was put to work.
 */
export const alarmKinds = [
  'recorder-down',
  'recorder-up',
  'failover',
  'single-leg',
  'leg-without-recorder',
  'no-media',
  'verdict',
  'promotion',
  'process-died',
] as const;
export type AlarmKind = (typeof alarmKinds)[number];

type Details = Readonly<Record<string, unknown>>;

export interface Alarm {
  readonly id: number;
  readonly kind: AlarmKind;
  /** RFC 3339. */
  readonly at: string;
  /** RFC 3339: when more became known of the same matter. */
  readonly updatedAt?: string;
  /** Where several calls are concerned, the first. */
  readonly callId?: string;
  readonly leg?: 1 | 2;
  /** Plain JSON; what an operator needs to act. */
  readonly details: Details;
}

export interface AlarmsOptions {
  readonly kept: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Metric, webhooks. These must not throw or wait. */
  readonly onAlarm: (alarm: Alarm) => void;
  /** All is known of an alarm that was told before, and it is more than was told. */
  readonly onSettled: (alarm: Alarm) => void;
}

/** What an operator must know, newest last, bounded. */
export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #alarms: Alarm[] = [];
  #lastId = 0;

  constructor(options: AlarmsOptions) {
    this.#options = options;
  }

  /** Returns its id. */
  raise(kind: AlarmKind, about: { callId?: string; leg?: 1 | 2 }, details: Details): number {
    const { kept, logger, onAlarm } = this.#options;
    this.#lastId += 1;
    const alarm: Alarm = { id: this.#lastId, kind, at: this.#now(), ...about, details };
    this.#alarms.push(alarm);
    this.#alarms.splice(0, this.#alarms.length - kept);
    logger.warn({ alarm }, 'alarm');
    onAlarm(alarm);
    return alarm.id;
  }

  /** More is known of it. Nothing happens when it is not kept any more. */
  update(id: number, details: Details): void {
    const index = this.#indexOf(id);
    const alarm = this.#alarms[index];
    if (alarm !== undefined) this.#alarms[index] = { ...alarm, updatedAt: this.#now(), details };
  }

  /** No more will be known of it, but what became of its legs. */
  settle(id: number): void {
    const alarm = this.#alarms[this.#indexOf(id)];
    if (alarm !== undefined) this.#options.onSettled(alarm);
  }

  list(): readonly Alarm[] {
    return this.#alarms;
  }

  /** Ids follow one another. */
  #indexOf(id: number): number {
    return id - (this.#alarms[0]?.id ?? 0);
  }

  #now(): string {
    const { clock } = this.#options;
    return new Date(clock.wallOf(clock.now())).toISOString();
  }
}
