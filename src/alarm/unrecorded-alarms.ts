import type { Clock, Timer } from '../clock.ts';
import type { Alarms } from './alarms.ts';
import { keyOf, LegGroup, type GroupedLeg } from './leg-group.ts';

export interface UnrecordedAlarmsOptions {
  readonly alarms: Alarms;
  readonly clock: Clock;
  /** A leg that has a recorder again by then was on its way. */
  readonly graceMs: number;
  readonly gatherMs: number;
}

interface Unrecorded extends GroupedLeg {
  /** The call's other leg is recorded. */
  otherRecords: boolean;
  timer: Timer | undefined;
  /** Where it is named. */
  group: LegGroup | undefined;
}

/** `single-leg` and `leg-without-recorder`: legs that have been without a recorder for longer than it takes to find one. */
export class UnrecordedAlarms {
  readonly #options: UnrecordedAlarmsOptions;
  readonly #unrecorded = new Map<string, Unrecorded>();
  readonly #groups = new Map<'single-leg' | 'leg-without-recorder', LegGroup>();

  constructor(options: UnrecordedAlarmsOptions) {
    this.#options = options;
  }

  unrecorded(leg: GroupedLeg, otherRecords: boolean): void {
    const key = keyOf(leg);
    if (this.#unrecorded.has(key)) return;
    const { clock, graceMs } = this.#options;
    const entry: Unrecorded = { ...leg, otherRecords, timer: undefined, group: undefined };
    this.#unrecorded.set(key, entry);
    const other = this.#otherOf(leg);
    if (other !== undefined) {
      entry.otherRecords = false;
      other.otherRecords = false;
    }
    entry.timer = clock.setTimeout(() => {
      entry.timer = undefined;
      this.#raise(entry);
    }, graceMs);
  }

  recorded(leg: GroupedLeg): void {
    const entry = this.#unrecorded.get(keyOf(leg));
    const other = this.#otherOf(leg);
    if (other !== undefined) other.otherRecords = true;
    const { clock } = this.#options;
    const { callId, leg: number } = leg;
    const recordedAt = new Date(clock.wallOf(clock.now())).toISOString();
    entry?.group?.change({ callId, leg: number }, { recordedAt });
    this.ended(leg);
  }

  /** It is not to be recorded any more. */
  ended(leg: GroupedLeg): void {
    const key = keyOf(leg);
    this.#stopWaiting(this.#unrecorded.get(key));
    this.#unrecorded.delete(key);
  }

  /** Idempotent. */
  close(): void {
    for (const entry of this.#unrecorded.values()) this.#stopWaiting(entry);
    for (const group of this.#groups.values()) group.close();
    this.#unrecorded.clear();
    this.#groups.clear();
  }

  #raise(entry: Unrecorded): void {
    const { callId, leg } = entry;
    const kind = entry.otherRecords ? 'single-leg' : 'leg-without-recorder';
    const open = this.#groups.get(kind);
    entry.group = open ?? this.#group(kind);
    entry.group.add({ callId, leg });
    if (open === undefined) entry.group.raise(kind, { callId, leg }, {});
  }

  #group(kind: 'single-leg' | 'leg-without-recorder'): LegGroup {
    const { alarms, clock, gatherMs } = this.#options;
    const onWhole = (): void => {
      this.#groups.delete(kind);
    };
    const group = new LegGroup({ alarms, clock, gatherMs, onWhole });
    this.#groups.set(kind, group);
    return group;
  }

  #otherOf({ callId, leg }: GroupedLeg): Unrecorded | undefined {
    return this.#unrecorded.get(keyOf({ callId, leg: leg === 1 ? 2 : 1 }));
  }

  #stopWaiting(entry: Unrecorded | undefined): void {
    if (entry?.timer !== undefined) this.#options.clock.clearTimeout(entry.timer);
  }
}
