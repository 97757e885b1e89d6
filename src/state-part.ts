import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Logger } from './logger.ts';
import type { StoredBridge } from './media/media-keeper.ts';
import type { StoredCalls } from './recording/adoption/stored.ts';
import { SqliteStore } from './store/sqlite-store.ts';
import { StoreWriter } from './store/store-writer.ts';
import type { RecordKind } from './store/store.ts';

export interface StatePartOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From now on a death of this process may lose calls; undefined: not any more. */
  readonly onFailing: (error: Error | undefined) => void;
}

/** What another process left: nothing, where it ended as it was asked to. */
export interface Past {
  readonly bridge: StoredBridge;
  readonly calls: StoredCalls;
}

/** The store as the composition has it. */
export class StatePart {
  readonly past: Past;
  readonly writer: StoreWriter;
  readonly #store: SqliteStore;

  private constructor(store: SqliteStore, writer: StoreWriter, past: Past) {
    this.#store = store;
    this.writer = writer;
    this.past = past;
  }

  /** Errors: STORE_HELD, STORE_CORRUPT, STORE_NEWER, STORE_FULL, STORE_UNWRITABLE. */
  static async create({ config, clock, logger, onFailing }: StatePartOptions): Promise<StatePart> {
    const kept = { ended: config.calls.endedKept };
    const store = await SqliteStore.create({ dir: config.state.dir, logger, kept });
    const writer = new StoreWriter({
      ...{ store, clock, logger },
      onFailing: (error) => {
        onFailing(error instanceof Error ? error : new Error(String(error)));
      },
      onWell: () => {
        onFailing(undefined);
      },
    });
    try {
      return new StatePart(store, writer, await readPast(store));
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.writer.close();
    await this.#store.close();
  }
}

/** Puts what is stored aside, so that the next control begins without a past. Resolves to where it went, if there was something. */
export async function forgetPast(dir: string, logger: Logger): Promise<string | undefined> {
  const forgetAs = `forgotten-${new Date().toISOString().replaceAll(':', '')}`;
  const store = await SqliteStore.create({ dir, logger, forgetAs });
  await store.close();
  return store.forgotten;
}

/** This program wrote it, and its version was looked at: it is what it was. */
async function readPast(store: SqliteStore): Promise<Past> {
  const of = async <T>(kind: RecordKind): Promise<readonly T[]> =>
    (await store.records(kind)).map(({ data }) => data as T);
  const sessions = await store.records('session');
  return {
    bridge: { media: await of('media'), forks: await of('forks') },
    calls: {
      calls: await of('call'),
      legs: await of('leg'),
      ended: await of('ended'),
      sessions: new Map(sessions.map(({ id, data }) => [id, data as object])),
    },
  };
}
