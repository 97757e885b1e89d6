import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RecorderReady } from '../../src/recorder/command.ts';
import type { RecorderOrder } from './recorder-program.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const program = fileURLToPath(new URL('recorder-program.ts', import.meta.url));

export interface RecorderPlan {
  readonly id: string;
  readonly host: string;
  /** Its recordings are in `<dir>/<id>`, its log is `<dir>/<id>.log`. */
  readonly dir: string;
  /** A network namespace to run in. */
  readonly namespace?: string;
  /** Whether it must be able to take orders. */
  readonly takesOrders: boolean;
}

export const recorderPorts = { min: 40_000, max: 59_998 } as const;

/** A standalone `tandem recorder`. */
export class RecorderProcess {
  readonly id: string;
  readonly recordingsDir: string;
  readonly #plan: RecorderPlan;
  #child: ChildProcess | undefined;
  #uri = '';

  private constructor(plan: RecorderPlan) {
    this.id = plan.id;
    this.#plan = plan;
    this.recordingsDir = join(plan.dir, plan.id);
  }

  /**
   * Resolves when it takes sessions. Its SIP port is outside of the range for media and of what the system gives out: faults
   * tell sockets by their ports.
   */
  static async start(plan: RecorderPlan): Promise<RecorderProcess> {
    const recorder = new RecorderProcess(plan);
    mkdirSync(recorder.recordingsDir, { recursive: true });
    await recorder.#start(String(10_000 + Math.floor(Math.random() * 20_000)));
    return recorder;
  }

  get uri(): string {
    return this.#uri;
  }

  /** On the same address, with the same folder. */
  async startAgain(): Promise<void> {
    const port = /:(\d+);/.exec(this.#uri)?.[1];
    if (port === undefined) throw new Error(`no port in ${this.#uri}`);
    await this.#start(port);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  order(order: RecorderOrder): void {
    this.#child?.send(order);
  }

  /** Idempotent, and works on one that is stopped. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async #start(sipPort: string): Promise<void> {
    const { id, host, dir, namespace, takesOrders } = this.#plan;
    const command = [
      process.execPath,
      ...(takesOrders ? [program] : [main, 'recorder']),
      ...['--id', id, '--host', host, '--sip-port', sipPort, '--dir', this.recordingsDir],
      ...['--ports', `${recorderPorts.min}-${recorderPorts.max}`, '--capacity', '100000'],
    ];
    // It replaces itself with the command: the process, and its channel to us, stay the same.
    const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [file = '', ...args] = [...inside, ...command];
    const log = openSync(join(dir, `${id}.log`), 'a');
    const child = spawn(file, args, { stdio: ['ignore', log, log, 'ipc'] });
    this.#child = child;
    child.on('error', () => undefined);
    process.once('exit', () => child.kill('SIGKILL'));
    const ready = once(child, 'message').then(([message]) => message as RecorderReady);
    const died = once(child, 'exit').then(() => {
      throw new Error(`recorder ${id} did not start: see ${dir}/${id}.log`);
    });
    this.#uri = (await Promise.race([ready, died])).uri;
    died.catch(() => undefined);
  }
}
