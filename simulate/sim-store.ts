import type { Change, RecordKind, Store, StoredRecord } from '../src/store/store.ts';

/** What outlives the processes, as a store has it: text. */
export class SimStore implements Store {
  readonly #records = new Map<RecordKind, Map<string, string>>();

  apply(batch: readonly Change[]): Promise<void> {
    for (const { kind, id, data } of batch) {
      const records = this.#records.get(kind) ?? new Map<string, string>();
      this.#records.set(kind, records);
      if (data === undefined) records.delete(id);
      else records.set(id, JSON.stringify(data));
    }
    return Promise.resolve();
  }

  records(kind: RecordKind): Promise<readonly StoredRecord[]> {
    const records = [...(this.#records.get(kind) ?? [])];
    return Promise.resolve(
      records.map(([id, text]) => ({ kind, id, version: 1, data: JSON.parse(text) as unknown })),
    );
  }

  /** Records of what is not over. */
  get left(): Readonly<Record<string, number>> {
    const kinds: readonly RecordKind[] = ['call', 'leg', 'media', 'forks', 'session'];
    return Object.fromEntries(
      kinds.map((kind) => [`records of kind ${kind}`, this.#records.get(kind)?.size ?? 0]),
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
