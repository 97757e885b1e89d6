import type { Logger } from '../src/logger.ts';
import { confirmedIsHeld } from './checkers/confirmed-is-held.ts';
import type { Checker } from './checkers/checker.ts';
import { legIsRecorded } from './checkers/leg-is-recorded.ts';
import { legsApart } from './checkers/legs-apart.ts';
import { missingIsNamed } from './checkers/missing-is-named.ts';
import { nothingLeft } from './checkers/nothing-left.ts';
import { ordersAreAnswered } from './checkers/orders-are-answered.ts';
import { pauseIsKept } from './checkers/pause-is-kept.ts';
import { sessionsGoOn } from './checkers/sessions-go-on.ts';
import { verdictIsTrue } from './checkers/verdict-is-true.ts';
import { ControlKiller } from './control-killer.ts';
import { FaultInjector } from './fault-injector.ts';
import { MarkWatch } from './mark-watch.ts';
import type { MarkName } from './marks.ts';
import type { Plan } from './plan.ts';
import { planOf } from './planner.ts';
import type { Sabotage } from './sabotage.ts';
import { World } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  /** What did not hold, the first of each kind. */
  readonly violations: readonly { readonly checker: string; readonly text: string }[];
  /** The same for every run of the seed. */
  readonly hash: string;
  readonly story: readonly string[];
  readonly marks: Readonly<Partial<Record<MarkName, number>>>;
  readonly simulatedMs: number;
}

export interface SeedOptions {
  readonly logger: Logger;
  readonly sabotage?: Sabotage;
  readonly plan?: Plan;
  /** Sees the world before anything happens in it. */
  readonly onWorld?: (world: World) => void;
}

const lookEveryMs = 1_000;
/** What is on its way when a call ends has arrived then. */
const restMsMin = 5_000;
/** SIP's longest timers are over then (64 T1, timer D). */
const restMs = 45_000;
const endMsMax = 120_000;
const violationsMax = 20;

/** One seed from its beginning to its end. */
export async function runSeed(seed: number, options: SeedOptions): Promise<SeedResult> {
  const plan = options.plan ?? planOf(seed);
  const world = await World.create(plan, options.logger, options.sabotage);
  options.onWorld?.(world);
  const run = new Run(world);
  const unhandled = (error: unknown): void => {
    run.violated('nothing is thrown', textOf(error));
  };
  process.on('unhandledRejection', unhandled);
  process.on('uncaughtException', unhandled);
  try {
    await run.toItsEnd();
  } catch (error) {
    run.violated('nothing is thrown', textOf(error));
  } finally {
    process.off('unhandledRejection', unhandled);
    process.off('uncaughtException', unhandled);
  }
  return {
    seed,
    violations: run.violations,
    hash: world.story.hash,
    story: world.story.lines,
    marks: world.marks.counts(),
    simulatedMs: world.clock.now() - world.startedAt,
  };
}

class Run {
  readonly violations: { checker: string; text: string }[] = [];
  readonly #world: World;
  readonly #marks: MarkWatch;
  readonly #checkers: readonly Checker[] = [
    confirmedIsHeld(),
    missingIsNamed,
    verdictIsTrue,
    legIsRecorded(),
    legsApart,
    nothingLeft,
    pauseIsKept,
    sessionsGoOn(),
    ordersAreAnswered(),
  ];

  constructor(world: World) {
    this.#world = world;
    this.#marks = new MarkWatch(world);
  }

  violated(checker: string, text: string): void {
    this.#world.story.tell(`VIOLATED ${checker}: ${text}`);
    if (this.violations.length >= violationsMax) return;
    if (this.violations.some((known) => known.checker === checker)) return;
    this.violations.push({ checker, text });
  }

  async toItsEnd(): Promise<void> {
    const { clock, drivers, plan, startedAt } = this.#world;
    for (const driver of drivers) driver.begin();
    new FaultInjector(this.#world).begin();
    new ControlKiller(this.#world).begin();
    await this.#lookUntil(startedAt + plan.durationMs, () => false);
    for (const driver of drivers) void driver.end();
    const isOver = (): boolean => drivers.every(({ truth }) => truth.deleted === 'done');
    await this.#lookUntil(clock.now() + endMsMax, isOver);
    if (!isOver()) this.violated('orders are answered', 'a call does not end');
    await this.#rest();
    this.#check('after');
    this.#marks.after();
    // Closing waits for what closes on simulated time.
    const closing = this.#world.close();
    await clock.runUntil(clock.now() + restMs);
    await closing;
    this.#check('closed');
  }

  /** Until nothing is left, which is soon if no recorder is dead. */
  async #rest(): Promise<void> {
    const { clock } = this.#world;
    const until = clock.now() + restMs;
    await clock.runUntil(clock.now() + restMsMin);
    while (this.#world.isWithoutControl && clock.now() < until) {
      await clock.runUntil(clock.now() + lookEveryMs);
    }
    while (clock.now() < until && nothingLeft.after(this.#world).length > 0) {
      await clock.runUntil(Math.min(until, clock.now() + lookEveryMs));
    }
  }

  async #lookUntil(until: number, isOver: () => boolean): Promise<void> {
    const { clock } = this.#world;
    while (clock.now() < until && !isOver()) {
      await clock.runUntil(Math.min(until, clock.now() + lookEveryMs));
      if (this.#world.isWithoutControl) continue;
      this.#check('during');
      this.#marks.look();
    }
  }

  #check(when: 'during' | 'after' | 'closed'): void {
    for (const checker of this.#checkers) {
      for (const text of checker[when]?.(this.#world) ?? []) this.violated(checker.name, text);
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
