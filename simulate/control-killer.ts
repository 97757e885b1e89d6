import type { World } from './world.ts';

/** Kills the process that decides when it is planned, whatever it is at. */
export class ControlKiller {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  begin(): void {
    const { clock, plan, startedAt } = this.#world;
    for (const { at, awayMs } of plan.deaths) {
      clock.quietly(startedAt + at - clock.now(), () => {
        clock.disturb();
        this.#world.killControl(awayMs);
      });
    }
  }
}
