import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { processFacts, supervisedRoles } from './messages.ts';
import { bootId, isAlive } from './process-identity.ts';

const fileName = 'processes.json';
const layoutVersion = 1;

const entry = z.object({
  role: z.enum(['supervisor', ...supervisedRoles]),
  id: z.string().min(1).max(64),
  starts: z.int().min(0),
  /** That nobody asked for. */
  deaths: z.int().min(0),
  /** The process that was seen last in this role and with this id. */
  last: z
    .object({
      pid: z.int().min(1),
      startTicks: z.int().min(0),
      startedAt: z.string(),
      /** The facts are its own. */
      wasReady: z.boolean(),
    })
    .optional(),
  /** What the last one that was ready said; its ports are the next one's. */
  facts: processFacts.optional(),
});
export type RegistryEntry = z.infer<typeof entry>;

const file = z.object({
  version: z.literal(layoutVersion),
  bootId: z.string(),
  processes: z.array(entry).max(1_000),
});

/**
 * Which processes were started, in a file that the next supervisor reads: so it finds those that hang or have not said who they
 * are yet, and counts on. It is removed by an end that was asked for.
 */
export class ProcessRegistry {
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #entries: Map<string, RegistryEntry>;
  /** There was a file, and it cannot be used. */
  readonly isLost: boolean;

  private constructor(
    dir: string,
    logger: Logger,
    { entries, isLost }: { entries: readonly RegistryEntry[]; isLost: boolean },
  ) {
    this.#dir = dir;
    this.#logger = logger;
    this.#entries = new Map(entries.map((one) => [keyOf(one), one]));
    this.isLost = isLost;
  }

  static read(dir: string, logger: Logger): ProcessRegistry {
    const path = join(dir, fileName);
    const none = (isLost: boolean) => new ProcessRegistry(dir, logger, { entries: [], isLost });
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return none(false);
      logger.error({ path, error: messageOf(error) }, 'list of processes cannot be read');
      return none(true);
    }
    try {
      const { processes, bootId: bootedAs } = file.parse(JSON.parse(text));
      // Ids and start times of before the machine started mean nothing now.
      const entries = bootedAs === bootId() ? processes : [];
      return new ProcessRegistry(dir, logger, { entries, isLost: false });
    } catch (error) {
      logger.error({ path, error: messageOf(error) }, 'list of processes cannot be used');
      return none(true);
    }
  }

  list(): readonly RegistryEntry[] {
    return [...this.#entries.values()];
  }

  get(key: { readonly role: string; readonly id: string }): RegistryEntry | undefined {
    return this.#entries.get(keyOf(key));
  }

  put(...changed: readonly RegistryEntry[]): void {
    for (const one of changed) this.#entries.set(keyOf(one), one);
    this.#write();
  }

  delete(key: { readonly role: string; readonly id: string }): void {
    this.#entries.delete(keyOf(key));
    this.#write();
  }

  /** Nothing is left to be found. */
  remove(): void {
    rmSync(join(this.#dir, fileName), { force: true });
  }

  #write(): void {
    const path = join(this.#dir, fileName);
    const content = { version: layoutVersion, bootId: bootId(), processes: this.list() };
    try {
      writeFileSync(`${path}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      // Processes say who they are, too: the list is for those that do not.
      this.#logger.error({ path, error: messageOf(error) }, 'list of processes not written');
    }
  }
}

/** Whether the process that was seen last is there still. */
export function isStillThere({ last }: RegistryEntry): boolean {
  return last !== undefined && isAlive(last);
}

function keyOf({ role, id }: { readonly role: string; readonly id: string }): string {
  return `${role} ${id}`;
}
