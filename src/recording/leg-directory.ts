import type { Leg } from './leg.ts';

/** Which leg a record id belongs to while its recorder is asked or records: events name nothing else. */
export class LegDirectory {
  readonly #legs = new Map<string, Leg>();

  add(recordId: string, leg: Leg): void {
    this.#legs.set(recordId, leg);
  }

  /** Idempotent. */
  remove(recordId: string): void {
    this.#legs.delete(recordId);
  }

  find(recordId: string): Leg | undefined {
    return this.#legs.get(recordId);
  }

  get size(): number {
    return this.#legs.size;
  }
}
