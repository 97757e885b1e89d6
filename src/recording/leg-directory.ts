import type { LegEvent } from './leg/leg-events.ts';

/** What an event of the world reaches. */
export interface LegInbox {
  /** As in `Allocation`, of the recorder that it is on. */
  readonly reportsEveryMs: number | undefined;
  post(event: LegEvent): void;
}

/** Which leg a record id belongs to while its recorder is asked or records: events name nothing else. */
export class LegDirectory {
  readonly #legs = new Map<string, LegInbox>();

  add(recordId: string, leg: LegInbox): void {
    this.#legs.set(recordId, leg);
  }

  /** Idempotent. */
  remove(recordId: string): void {
    this.#legs.delete(recordId);
  }

  find(recordId: string): LegInbox | undefined {
    return this.#legs.get(recordId);
  }

  get size(): number {
    return this.#legs.size;
  }
}
