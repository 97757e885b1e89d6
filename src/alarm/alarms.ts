import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';

/**
 * `failover`: a leg left its recorder. `single-leg`: a call that should be recorded twice is recorded once.
 * `leg-without-recorder`: nobody could take a leg. `verdict`: a call ended and its ledger is not complete. `promotion`: a
 * standby recorder was put to work.
 */
export type AlarmKind =
  'failover' | 'single-leg' | 'leg-without-recorder' | 'verdict' | 'promotion';

export interface Alarm {
  readonly id: number;
  readonly kind: AlarmKind;
  /** RFC 3339. */
  readonly at: string;
  readonly callId: string;
  readonly leg?: 1 | 2;
  /** Plain JSON; what an operator needs to act. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AlarmsOptions {
  readonly kept: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where every alarm also goes: metric, webhook. Must not throw or wait. */
  readonly onAlarm: (alarm: Alarm) => void;
}

/** What an operator must know, newest last, bounded. */
export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #alarms: Alarm[] = [];
  #lastId = 0;

  constructor(options: AlarmsOptions) {
    this.#options = options;
  }

  raise(
    kind: AlarmKind,
    callId: string,
    leg: 1 | 2 | undefined,
    details: Readonly<Record<string, unknown>>,
  ): void {
    const { clock, kept, logger, onAlarm } = this.#options;
    this.#lastId += 1;
    const alarm: Alarm = {
      id: this.#lastId,
      kind,
      at: new Date(clock.now()).toISOString(),
      callId,
      ...(leg === undefined ? {} : { leg }),
      details,
    };
    this.#alarms.push(alarm);
    this.#alarms.splice(0, this.#alarms.length - kept);
    logger.warn({ alarm }, 'alarm');
    onAlarm(alarm);
  }

  list(): readonly Alarm[] {
    return this.#alarms;
  }
}
