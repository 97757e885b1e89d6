import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SessionSnapshot } from '../../src/siprec/client.ts';
import type { SourceNews, SourceOrder } from './source-program.ts';

const program = fileURLToPath(new URL('./source-program.ts', import.meta.url));

/** A session recording client in a process of its own, that tells what is to outlive it. */
export class SourceProcess {
  readonly port: number;
  /** What it kept, by recordId. */
  readonly kept = new Map<string, SessionSnapshot>();
  readonly #child: ChildProcess;
  #done = 0;
  #failure: string | undefined;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    child.on('message', (news: SourceNews) => {
      if (news.what === 'kept') this.kept.set(news.recordId, news.snapshot);
      else if (news.what === 'forgotten') this.kept.delete(news.recordId);
      else if (news.what === 'done') this.#done++;
      else if (news.what === 'failed') this.#failure = news.reason;
    });
  }

  static async start(): Promise<SourceProcess> {
    const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const [news] = (await once(child, 'message')) as [SourceNews];
    if (news.what !== 'ready') throw new Error(`unexpected: ${news.what}`);
    return new SourceProcess(child, news.port);
  }

  /** Resolves when it is done. */
  async do(order: SourceOrder): Promise<void> {
    const before = this.#done;
    this.#child.send(order);
    while (this.#done === before) await this.#news();
  }

  /** Resolves when it has kept that; what it was asked to do is not done then. */
  async keeps(
    order: SourceOrder,
    recordId: string,
    stage: SessionSnapshot['stage'],
  ): Promise<void> {
    this.#child.send(order);
    while (this.kept.get(recordId)?.stage !== stage) await this.#news();
  }

  /** Without goodbye. @returns what it left of that session */
  async leaves(recordId: string): Promise<SessionSnapshot> {
    await this.kill();
    const snapshot = this.kept.get(recordId);
    if (snapshot === undefined) throw new Error(`nothing is left of ${recordId}`);
    return snapshot;
  }

  async #news(): Promise<void> {
    if (this.#failure !== undefined) throw new Error(this.#failure);
    await once(this.#child, 'message');
  }

  /** Idempotent. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}
