import type { RecordKind } from './store.ts';

/** From one layout of the records to the next. */
export interface Migration {
  /** Of the records that it makes; it is given those of the version before. */
  readonly to: number;
  /** @returns the new data; undefined: the record is not needed any more */
  readonly migrate: (record: { kind: RecordKind; id: string; data: unknown }) => object | undefined;
}

/** What a program writes and can read. */
export interface Layout {
  /** One more with each change to the data of any kind of record. Older ones are brought to it, newer ones are refused. */
  readonly version: number;
  /** One for each version after the first, in order. */
  readonly migrations: readonly Migration[];
}

export const layout: Layout = { version: 1, migrations: [] };
