import type { Clock, Timer } from '../clock.ts';
import type { AlarmKind, Alarms } from './alarms.ts';

export interface GroupedLeg {
  readonly callId: string;
  readonly leg: 1 | 2;
}

/** Legs that one alarm names; the others are counted. */
const legsNamedMax = 50;
/** An alarm takes in what follows for so long; then the next one begins. */
const openMsMax = 60_000;

export interface LegGroupOptions {
  readonly alarms: Alarms;
  readonly clock: Clock;
  /** The group is whole when no leg came for so long. */
  readonly gatherMs: number;
  /** Who adds more begins another round. */
  readonly onWhole?: () => void;
}

/** What befell several legs for one reason, as one alarm: raised once, kept up to date, and told again when it is whole. */
export class LegGroup {
  readonly #options: LegGroupOptions;
  readonly #legs = new Map<string, GroupedLeg & Readonly<Record<string, unknown>>>();
  #count = 0;
  #alarm: { id: number; details: Readonly<Record<string, unknown>>; toldLegs: number } | undefined;
  #timer: Timer | undefined;
  #openUntil = 0;

  constructor(options: LegGroupOptions) {
    this.#options = options;
  }

  add(leg: GroupedLeg, known: Readonly<Record<string, unknown>> = {}): void {
    const key = keyOf(leg);
    if (this.#legs.has(key) || this.#legs.size < legsNamedMax) {
      this.#legs.set(key, { ...leg, ...known });
    }
    this.#count += 1;
    if (this.#alarm !== undefined) this.#gather();
    this.#update();
  }

  /** What became of a leg that is in the group. */
  change(leg: GroupedLeg, known: Readonly<Record<string, unknown>>): void {
    const key = keyOf(leg);
    const before = this.#legs.get(key);
    if (before === undefined) return;
    this.#legs.set(key, { ...before, ...known });
    this.#update();
  }

  /** Raised anew when it turns out to be of another kind. */
  raise(
    kind: AlarmKind,
    about: Partial<GroupedLeg>,
    details: Readonly<Record<string, unknown>>,
  ): void {
    const { alarms } = this.#options;
    const id = alarms.raise(kind, about, { ...details, ...this.#listed() });
    this.#alarm = { id, details, toldLegs: this.#count };
    this.close();
    this.#gather();
  }

  /** No leg comes any more. */
  finish(): void {
    this.close();
    this.#tellAgain();
  }

  /** Idempotent. */
  close(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #gather(): void {
    const { clock, gatherMs } = this.#options;
    if (this.#timer === undefined) this.#openUntil = clock.now() + openMsMax;
    this.close();
    const waitMs = Math.max(0, Math.min(gatherMs, this.#openUntil - clock.now()));
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#tellAgain();
      this.#options.onWhole?.();
    }, waitMs);
  }

  #tellAgain(): void {
    const alarm = this.#alarm;
    if (alarm !== undefined && alarm.toldLegs !== this.#count) {
      alarm.toldLegs = this.#count;
      this.#options.alarms.settle(alarm.id);
    }
  }

  #update(): void {
    if (this.#alarm === undefined) return;
    const { id, details } = this.#alarm;
    this.#options.alarms.update(id, { ...details, ...this.#listed() });
  }

  #listed(): { legs: readonly unknown[]; legCount: number } {
    return { legs: [...this.#legs.values()], legCount: this.#count };
  }
}

export function keyOf({ callId, leg }: GroupedLeg): string {
  return `${leg} ${callId}`;
}
