import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EdgeClient } from '../../src/edge/edge-client.ts';
import { startOrFindEdge, type FoundEdge } from '../../src/edge/edge-process.ts';
import type { EdgeProcessOptions } from '../../src/edge/edge-process-types.ts';
import type { EdgeOptions } from '../../src/edge/types.ts';

export function testEdgeOptions(options: Partial<EdgeOptions> = {}): EdgeOptions {
  const min = 41_000 + 2 * Math.floor(Math.random() * 8_000);
  return {
    threads: 1,
    legHosts: ['127.0.0.1', '::1'],
    ports: { min, max: min + 999 },
    ring: { seconds: 10, bytes: 1_048_576 },
    catchUpRate: 4,
    rtcpIntervalMs: 60_000,
    cname: 'edge@test.invalid',
    ...options,
  };
}

/** A state directory and the edges that were started in it. None of them outlives it. */
export class EdgeState {
  readonly dir = mkdtempSync(join(tmpdir(), 'tandem-edge-'));
  readonly socketPath = join(this.dir, 'edge.sock');
  readonly #clients: EdgeClient[] = [];
  /** Of processes: all of an edge are in one. */
  readonly #groups = new Set<number>();
  readonly #memories = new Set<string>();

  async start(options: Partial<EdgeProcessOptions> = {}): Promise<FoundEdge> {
    const found = await startOrFindEdge({
      edge: testEdgeOptions(),
      stateDir: this.dir,
      orphanMs: 60_000,
      ...options,
    });
    this.#keep(found.client);
    return found;
  }

  /** Another control for the edge that runs. */
  async connect(): Promise<EdgeClient> {
    const client = await EdgeClient.connect(this.socketPath);
    this.#keep(client);
    return client;
  }

  /** One that somebody else started. */
  own(pid: number): void {
    this.#groups.add(groupOf(pid));
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const group of this.#groups) killGroup(group);
    // One that was killed leaves it.
    await Promise.all([...this.#memories].map((path) => rm(path, { force: true })));
    await rm(this.dir, { recursive: true });
  }

  #keep(client: EdgeClient): void {
    this.#clients.push(client);
    this.own(client.hello.pid);
    this.#memories.add(client.hello.memory);
  }
}

/** The first process of the edge that this one is of. */
export function groupOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return Number(fields[2]);
}

/** All of them that live, in no order. */
export function processesOf(group: number): { readonly pid: number; readonly name: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [, title, state] = /\((.*)\) (\S)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))!;
        const isOf = groupOf(Number(name)) === group && state !== 'Z';
        return isOf ? [{ pid: Number(name), name: title! }] : [];
      } catch {
        // It is gone by now.
        return [];
      }
    });
}

export function killGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // None of them lives.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Nobody's child is waited for: it is looked for. */
export async function untilGone(pid: number): Promise<void> {
  await until(`the end of process ${pid}`, () => !isAlive(pid));
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > endsAt) throw new Error(`waited for ${what}`);
    await delay(5);
  }
}
