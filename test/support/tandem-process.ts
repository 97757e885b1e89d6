import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { CallState } from '../../src/recording/call-state.ts';
import type { ProcessState } from '../../src/control/schemas/process.ts';
import type { ServeReady } from '../../src/serve-ready.ts';
import { killTree } from '../../src/supervisor/kill-tree.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface RecorderInfo {
  readonly id: string;
  readonly uri: string;
  readonly zone: string;
  readonly state: string;
  readonly sessions: number;
  readonly capacity: number;
  readonly pid?: number;
}

/** A real `tandem serve` with all its processes, with its own folder, spoken to over HTTP. */
export class TandemProcess {
  readonly url: string;
  readonly dir: string;
  readonly child: ChildProcess;

  private constructor(url: string, dir: string, child: ChildProcess) {
    this.url = url;
    this.dir = dir;
    this.child = child;
  }

  /** @param config as in the YAML file; ports default to free ones, recordings to `<dir>/recordings/<recorder>/` */
  static async start(
    config: Record<string, unknown> = {},
    dir = mkdtempSync(join(tmpdir(), 'tandem-')),
  ): Promise<TandemProcess> {
    const file = join(dir, 'tandem.yaml');
    const recorders = { embedded: { count: 3, dir: join(dir, 'recordings') } };
    writeFileSync(
      file,
      stringify({
        state: { dir: join(dir, 'state') },
        http: { port: 0 },
        sip: { port: 0 },
        recorders,
        ...config,
        recording: { ledgerDir: join(dir, 'ledgers'), ...(config['recording'] as object) },
      }),
    );
    const child = fork(main, ['serve', '--config', file], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.pipe(createWriteStream(join(dir, 'tandem.log'), { flags: 'a' }));
    const ready = once(child, 'message').then(([message]) => message as ServeReady);
    const died = once(child, 'exit').then(() => {
      throw new Error(`tandem did not start:\n${readFileSync(join(dir, 'tandem.log'), 'utf8')}`);
    });
    const { http } = await Promise.race([ready, died]);
    died.catch(() => undefined);
    return new TandemProcess(http, dir, child);
  }

  get log(): string {
    return readFileSync(join(this.dir, 'tandem.log'), 'utf8');
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: never }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? undefined : parse(text)) as never };
  }

  /** @throws when the answer is not a success */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.request(method, path, body);
    if (answer.status >= 300) {
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  call(callId: string): Promise<CallState> {
    return this.api('GET', `/v1/calls/${callId}`);
  }

  /** DELETE is answered while a call goes on ending: resolves with its last state, when it has ended. */
  async endCall(callId: string): Promise<CallState> {
    await this.api('DELETE', `/v1/calls/${callId}`);
    return this.until(
      () => this.call(callId),
      ({ state }) => state === 'ended',
    );
  }

  async recorders(): Promise<readonly RecorderInfo[]> {
    const { recorders } = await this.api<{ recorders: RecorderInfo[] }>('GET', '/v1/recorders');
    return recorders;
  }

  /** Asks again until the answer satisfies; the test's own timeout bounds it. */
  async until<T>(ask: () => Promise<T>, satisfied: (answer: T) => boolean): Promise<T> {
    for (;;) {
      const answer = await ask();
      if (satisfied(answer)) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async processes(): Promise<readonly ProcessState[]> {
    const { processes } = await this.api<{ processes: ProcessState[] }>('GET', '/v1/processes');
    return processes;
  }

  /** SIGKILL to every process of it, at once. */
  killAll(): void {
    killTree(join(this.dir, 'state'));
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const [code] = (await exited) as [number | null];
    return code;
  }

  /** Stops it, whatever is left of it, and removes its folder. */
  async dispose(): Promise<void> {
    await this.stop();
    this.killAll();
    // Who was killed may have been writing.
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
