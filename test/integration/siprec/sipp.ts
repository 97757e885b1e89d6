import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export type SippTransport = 'udp' | 'tcp';

/** sipp with one of the scenarios beside this file, for one call. */
export class Sipp {
  readonly port: number;
  readonly #child: ChildProcess;
  /** 0 when the call went as the scenario says. */
  readonly exit: Promise<number>;
  #output = '';

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
    const collect = (chunk: Buffer): void => {
      this.#output = `${this.#output}${chunk.toString()}`.slice(-16_384);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.exit = once(child, 'close').then(([code]) => Number(code ?? -1));
  }

  /** @param dir where sipp may leave files @param args beyond scenario, address and transport */
  static async start(
    scenario: string,
    options: { transport: SippTransport; dir: string; args?: readonly string[]; remote?: string },
  ): Promise<Sipp> {
    const port = await freePort();
    const child = spawn(
      'sipp',
      [
        ...(options.remote === undefined ? [] : [options.remote]),
        ...['-sf', fileURLToPath(new URL(`./${scenario}.xml`, import.meta.url))],
        ...['-i', '127.0.0.1', '-p', String(port), '-t', options.transport === 'udp' ? 'u1' : 't1'],
        ...['-m', '1', '-nostdin', '-timeout', '30s', '-timeout_error', '-trace_err'],
        ...['-error_file', '/dev/stderr'],
        ...(options.args ?? []),
      ],
      { cwd: options.dir, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const sipp = new Sipp(port, child);
    if (options.transport === 'tcp' && options.remote === undefined) await sipp.#listening();
    return sipp;
  }

  /** The end of what it printed, for whoever reads a failed test. */
  get output(): string {
    return this.#output;
  }

  uri(transport: SippTransport): string {
    return `sip:127.0.0.1:${this.port};transport=${transport}`;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** TCP is refused until sipp listens, while UDP repeats its request by itself. */
  async #listening(): Promise<void> {
    while (this.#child.exitCode === null) {
      const socket = connect(this.port, '127.0.0.1');
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => {
          resolve(true);
        });
        socket.once('error', () => {
          resolve(false);
        });
      });
      socket.destroy();
      if (isOpen) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
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
