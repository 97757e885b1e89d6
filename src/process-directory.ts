import type { ProcessState } from './control/schemas/process.ts';
import type {
  Death,
  ProcessCounts,
  ProcessTree,
  SupervisedRecorder,
} from './supervisor/messages.ts';

export interface ProcessDirectoryOptions {
  /** This process, where no supervisor says so. */
  readonly self: ProcessState;
  /** Processes that control started itself. */
  readonly workers: () => readonly ProcessState[];
  readonly onUp: (recorder: SupervisedRecorder) => void;
  readonly onDown: (id: string) => void;
  /** Each once. */
  readonly onDeaths: (deaths: readonly Death[]) => void;
}

/** Deaths that were told of and might be named again. */
const toldMax = 1_000;

/** What control knows of all processes: what the supervisor says, if there is one, and its own workers. */
export class ProcessDirectory {
  readonly #options: ProcessDirectoryOptions;
  #tree: ProcessTree | undefined;
  /** As they were told of last, by id. */
  readonly #recorders = new Map<string, SupervisedRecorder>();
  readonly #told = new Set<string>();
  readonly #heard = Promise.withResolvers<undefined>();
  readonly #settled = Promise.withResolvers<undefined>();

  constructor(options: ProcessDirectoryOptions) {
    this.#options = options;
  }

  /** Resolves when those that live are known. */
  get heard(): Promise<void> {
    return this.#heard.promise;
  }

  /** Resolves when every recorder is up, or has failed to come up. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** The whole as it is now: what differs from before is acted upon. */
  take(tree: ProcessTree): void {
    this.#tree = tree;
    this.#compareRecorders(tree);
    const deaths = tree.deaths.filter(({ id }) => !this.#told.has(id));
    for (const { id } of deaths) this.#told.add(id);
    for (const id of [...this.#told].slice(0, Math.max(0, this.#told.size - toldMax))) {
      this.#told.delete(id);
    }
    if (deaths.length > 0) this.#options.onDeaths(deaths);
    this.#heard.resolve(undefined);
    if (tree.settled) this.#settled.resolve(undefined);
  }

  list(): readonly ProcessState[] {
    const { self, workers } = this.#options;
    return [...(this.#tree?.processes ?? [self]), ...workers()];
  }

  /** Of those that the supervisor keeps alive, whether they live or not. */
  counts(): readonly ProcessCounts[] {
    return this.#tree?.counts ?? [];
  }

  #compareRecorders({ recorders, settled }: ProcessTree): void {
    const { onUp, onDown } = this.#options;
    const now = new Map(recorders.map((recorder) => [recorder.id, recorder]));
    for (const [id, before] of this.#recorders) {
      const pid = now.get(id)?.pid;
      // A supervisor that is new may not have heard of it yet.
      if (pid === before.pid || (pid === undefined && !settled)) continue;
      this.#recorders.delete(id);
      onDown(id);
    }
    for (const [id, recorder] of now) {
      if (this.#recorders.has(id)) continue;
      this.#recorders.set(id, recorder);
      onUp(recorder);
    }
  }
}
