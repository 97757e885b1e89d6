import type { Change, RecordKind, Store, StoredRecord } from '../../src/store/store.ts';

/** A store in memory whose writes can be held and made to fail. */
export class MemoryStore implements Store {
  /** What was applied, batch by batch. */
  readonly batches: (readonly Change[])[] = [];
  failure: Error | undefined;
  /** Awaited before a batch is applied. */
  hold: Promise<unknown> | undefined;
  readonly #records = new Map<string, StoredRecord>();

  async apply(batch: readonly Change[]): Promise<void> {
    await this.hold;
    if (this.failure !== undefined) throw this.failure;
    this.batches.push(batch);
    for (const { kind, id, data } of batch) {
      if (data === undefined) this.#records.delete(`${kind} ${id}`);
      else this.#records.set(`${kind} ${id}`, { kind, id, version: 1, data });
    }
  }

  records(kind: RecordKind): Promise<readonly StoredRecord[]> {
    return Promise.resolve([...this.#records.values()].filter((record) => record.kind === kind));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
