/**
 * What a new process must know of the one before it to go on with its calls. Plain data, named by kind and id; everything here
 * could be a network call, and so everything may take its time and may fail.
 */

/**
 * - `call`, `leg`: the data of their steps. - `media`: a call's ports and what was negotiated. - `forks`: the copies of a recording
 * session. - `session`: a recording session of the SRC with its SIP dialog, or its INVITE that is
 * out, or its BYE that is not answered. - `recorder`: what is to be remembered of a recorder; its health is learnt anew.
 * - `failover`, `ended`: what is shown of failovers and of calls that have ended; the oldest go. - `alarm`: those that are open.
 */
export const recordKinds = [
  'call',
  'leg',
  'media',
  'forks',
  'session',
  'recorder',
  'failover',
  'alarm',
  'ended',
] as const;
export type RecordKind = (typeof recordKinds)[number];

/** Of one record: its whole new content, or that it goes. */
export interface Change {
  readonly kind: RecordKind;
  readonly id: string;
  /** Plain data as JSON can hold it, that nobody changes any more; undefined: the record goes. */
  readonly data: object | undefined;
}

export interface StoredRecord {
  readonly kind: RecordKind;
  readonly id: string;
  /** Of the layout of `data`: what `layoutVersion` was when it was written. */
  readonly version: number;
  readonly data: unknown;
}

/**
 * Errors: STORE_CORRUPT, STORE_NEWER, STORE_HELD, STORE_FULL, STORE_UNWRITABLE, each with `details.path` and `details.reason`.
 */
export interface Store {
  /**
   * All of them, in order, or none. Resolves when they outlive this process; a record that goes and is not there is no error, so that
   * a batch may be applied again.
   */
  apply(batch: readonly Change[]): Promise<void>;
  /** In the order in which they were put first. */
  records(kind: RecordKind): Promise<readonly StoredRecord[]>;
  /** Idempotent. */
  close(): Promise<void>;
}
