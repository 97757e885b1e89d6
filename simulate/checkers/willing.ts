import type { World } from '../world.ts';

/**
 * Since when a recorder would take a session if it was asked: nothing is wrong with it, and either the resource manager says itself that
 * it may be asked, or it had time enough to find out.
 */
export class Willing {
  /** Well, and shown as such, without a break. */
  readonly #shownSince = new Map<string, number>();

  look(world: World): void {
    const now = world.clock.now();
    for (const { id, state, busyUntil } of world.resources.list()) {
      const isWell = world.troubles.wellSince(id, now) !== undefined;
      if (!isWell || state !== 'up' || busyUntil !== undefined) this.#shownSince.delete(id);
      else if (!this.#shownSince.has(id)) this.#shownSince.set(id, now);
    }
  }

  /** Undefined: it would not. */
  since(world: World, id: string): number | undefined {
    const shown = this.#shownSince.get(id);
    const trusted = world.troubles.trustedSince(id, world.clock.now());
    if (shown === undefined || trusted === undefined) return shown ?? trusted;
    return Math.min(shown, trusted);
  }
}
