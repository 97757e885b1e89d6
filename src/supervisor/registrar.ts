import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { peerCredentials } from '../edge/processes.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { LineChannel } from './line-channel.ts';
import { fromProcess, type FromProcess } from './messages.ts';
import type { ProcessLine } from './managed-process.ts';

/** A connection whose process has said who it is. */
export interface Registration {
  readonly role: 'control' | 'edge' | 'recorder';
  readonly id: string;
  /** As the kernel has it. */
  readonly pid: number;
  readonly line: ProcessLine;
}

export interface RegistrarOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** False: there is no place for it. */
  readonly onHello: (registration: Registration) => boolean;
  readonly onMessage: (registration: Registration, message: FromProcess) => void;
  readonly onClosed: (registration: Registration) => void;
}

const connectionsMax = 256;
/** From the connection to the first word. */
const helloMs = 5_000;

/** The socket at which processes tell the supervisor who they are and how they are. */
export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#take(socket);
    });
    this.#server.maxConnections = connectionsMax;
  }

  /** What an earlier one left at the path goes: the state directory is held. Errors: STATE_UNUSABLE. */
  static async create(options: RegistrarOptions): Promise<Registrar> {
    const registrar = new Registrar(options);
    const { path } = options;
    try {
      rmSync(path, { force: true });
      await registrar.#listen();
      chmodSync(path, 0o600);
    } catch (cause) {
      throw new TandemError('STATE_UNUSABLE', `${path}: ${messageOf(cause)}`, {
        cause,
        details: { field: 'state.dir', value: path },
      });
    }
    return registrar;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.path, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  #take(socket: Socket): void {
    const pid = this.#peerOf(socket);
    if (pid === undefined) {
      socket.destroy();
      return;
    }
    const { clock, logger, onHello, onMessage, onClosed } = this.#options;
    this.#sockets.add(socket);
    let registration: Registration | undefined;
    const patience = clock.setTimeout(() => socket.destroy(), helloMs);
    const refuse = (reason: string): void => {
      logger.warn({ process: pid, reason }, 'what a process says is not understood: cut off');
      socket.destroy();
    };
    const channel = new LineChannel(socket, {
      onMessage: (input) => {
        const { data: message, error } = fromProcess.safeParse(input);
        if (message === undefined) refuse(error.issues[0]?.message ?? 'not a message');
        else if (registration !== undefined) onMessage(registration, message);
        else if (message.is !== 'hello') refuse('hello comes first');
        else {
          clock.clearTimeout(patience);
          const { role, id } = message;
          registration = { role, id, pid, line: channel };
          if (!onHello(registration)) registration = undefined;
        }
      },
      onClosed: () => {
        clock.clearTimeout(patience);
        this.#sockets.delete(socket);
        if (registration !== undefined) onClosed(registration);
      },
    });
  }

  /** Undefined for a process of another user: permissions keep those out already. */
  #peerOf(socket: Socket): number | undefined {
    const { logger } = this.#options;
    try {
      const { pid, uid } = peerCredentials(fdOf(socket));
      if (uid === process.getuid?.()) return pid;
      logger.warn({ process: pid, uid }, 'a process of another user connected: cut off');
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'a process connected that cannot be told: cut off');
    }
    return undefined;
  }
}

/** Node has no public name for it. */
function fdOf(socket: Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1;
}
