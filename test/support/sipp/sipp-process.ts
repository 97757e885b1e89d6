import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../recorder-process.ts';

export type SippTransport = 'udp' | 'tcp';

const flags = { udp: 'u1', tcp: 't1' } as const;

export interface SippOptions {
  /** A file of this folder, without `.xml`. */
  readonly scenario: string;
  readonly transport: SippTransport;
  /** Scratch folder. */
  readonly dir: string;
  /** What stands in brackets in the scenario. */
  readonly keys?: Readonly<Record<string, string | number>>;
}

/** sipp with one of our scenarios. */
export class SippProcess {
  readonly port: number;
  readonly transport: SippTransport;
  readonly child: ChildProcess;
  readonly #logFile: string;
  readonly #errorFile: string;

  private constructor(
    port: number,
    transport: SippTransport,
    child: ChildProcess,
    files: { log: string; error: string },
  ) {
    this.port = port;
    this.transport = transport;
    this.child = child;
    this.#logFile = files.log;
    this.#errorFile = files.error;
  }

  /** Called: listens when this resolves, and goes on until `stop`. */
  static async listen(options: SippOptions): Promise<SippProcess> {
    const sipp = await SippProcess.#start(options, []);
    const tables = { udp: '/proc/net/udp', tcp: '/proc/net/tcp' };
    const local = `:${sipp.port.toString(16).toUpperCase().padStart(4, '0')} `;
    await until(
      () => readFileSync(tables[options.transport], 'utf8').includes(local),
      'sipp listens',
    );
    return sipp;
  }

  /** Calls `user` at a local port, once. */
  static call(options: SippOptions & { user: string; to: number }): Promise<SippProcess> {
    const { user, to } = options;
    return SippProcess.#start(options, ['-s', user, '-m', '1', `127.0.0.1:${to}`]);
  }

  static async #start(options: SippOptions, more: readonly string[]): Promise<SippProcess> {
    const { scenario, transport, dir, keys = {} } = options;
    const port = await freePort();
    // Keywords are replaced here: sipp does not take its own ones everywhere.
    const source = readFileSync(
      fileURLToPath(new URL(`./${scenario}.xml`, import.meta.url)),
      'utf8',
    );
    const filled = Object.entries(keys).reduce(
      (text, [key, value]) => text.replaceAll(`[${key}]`, String(value)),
      source,
    );
    const base = join(dir, `${scenario}-${port}`);
    writeFileSync(`${base}.xml`, filled);
    const files = { log: `${base}.log`, error: `${base}.err` };
    const args = [
      ...['-sf', `${base}.xml`, '-i', '127.0.0.1', '-p', String(port), '-t', flags[transport]],
      ...['-nostdin', '-trace_logs', '-log_file', files.log, '-trace_err'],
      ...['-error_file', files.error, ...more],
    ];
    const child = spawn('sipp', args, { cwd: dir, stdio: 'ignore' });
    return new SippProcess(port, transport, child, files);
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.port};transport=${this.transport}`;
  }

  /** What the scenario has logged, line by line. */
  get log(): string[] {
    if (!existsSync(this.#logFile)) return [];
    const text = readFileSync(this.#logFile, 'utf8');
    return text.split('\n').filter((line) => line !== '');
  }

  /** What it wrote of errors: a call that did not go as its scenario says is `Aborting call`, a repeated message is only noted. */
  get errors(): string {
    return existsSync(this.#errorFile) ? readFileSync(this.#errorFile, 'utf8') : '';
  }

  async logs(line: string): Promise<void> {
    await until(() => this.log.includes(line), `sipp logs ${line}; ${this.errors}`);
  }

  /** Exit code of a caller: 0 when the call went as the scenario says. */
  async exited(): Promise<number | null> {
    await until(() => this.child.exitCode !== null || this.child.signalCode !== null, 'sipp exits');
    return this.child.exitCode;
  }

  /** At once: whoever it talks with is told nothing. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
