/** Where a call and its legs write down what another process needs to go on with them. Plain data, named by kind and id. */
export interface Journal {
  /** @param data as JSON can hold it, that nobody changes any more */
  put(kind: JournalKind, id: string, data: object): void;
  /** Idempotent. */
  remove(kind: JournalKind, id: string): void;
  /** Resolves when what was put outlives the process. */
  flush(): Promise<void>;
}

/** `ended`: what a call that is over still shows. */
export type JournalKind = 'call' | 'leg' | 'ended';

/** Where calls end with their process. */
export const noJournal: Journal = {
  put: () => undefined,
  remove: () => undefined,
  flush: () => Promise.resolve(),
};
