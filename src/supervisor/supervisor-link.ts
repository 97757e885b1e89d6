import { connect } from 'node:net';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { LineChannel } from './line-channel.ts';
import {
  fromSupervisor,
  protocolVersion,
  type FromProcess,
  type ProcessFacts,
  type ProcessTree,
  type SupervisedRole,
} from './messages.ts';

export interface SupervisorLinkOptions {
  /** Path of its socket. */
  readonly socket: string;
  readonly role: SupervisedRole;
  readonly id: string;
  /** Without a supervisor for this long, the process is nobody's. */
  readonly orphanMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Once: the process is to end. */
  readonly onEnd: (reason: string) => void;
}

/** Between two tries to reach a supervisor. */
const connectEveryMs = 250;

/** Of a process to its supervisor, and to the next one when that was replaced. */
export class SupervisorLink {
  readonly #options: SupervisorLinkOptions;
  #channel: LineChannel | undefined;
  #facts: ProcessFacts | undefined;
  #tree: ProcessTree | undefined;
  #onTree: ((tree: ProcessTree) => void) | undefined;
  #connectTimer: Timer | undefined;
  #orphanTimer: Timer | undefined;
  #supervisor: number | undefined;
  #ended = false;

  constructor(options: SupervisorLinkOptions) {
    this.#options = options;
  }

  start(): void {
    this.#awaitSupervisor();
    this.#connect();
  }

  /** Process id of the supervisor; undefined while there is none. */
  get supervisor(): number | undefined {
    return this.#supervisor;
  }

  /** Listens to what the supervisor says of all processes, beginning with what it said last. */
  listen(onTree: (tree: ProcessTree) => void): void {
    this.#onTree = onTree;
    if (this.#tree !== undefined) onTree(this.#tree);
  }

  /** This process is ready. Each supervisor is told. */
  ready(facts: ProcessFacts): void {
    this.#facts = facts;
    this.#send({ is: 'ready', facts });
  }

  /** Resolves with whether the supervisor was told why this process cannot start. */
  async failed(code: string, message: string): Promise<boolean> {
    const channel = this.#channel;
    if (channel === undefined) return false;
    this.#send({ is: 'failed', code, message: message.slice(0, 1_024) });
    await channel.flush();
    return true;
  }

  toldOfDeaths(ids: readonly string[]): void {
    this.#send({ is: 'deaths-told', ids: [...ids] });
  }

  /** Idempotent. */
  close(): void {
    const { clock } = this.#options;
    this.#ended = true;
    this.#onTree = undefined;
    for (const timer of [this.#connectTimer, this.#orphanTimer]) {
      if (timer !== undefined) clock.clearTimeout(timer);
    }
    this.#channel?.close();
  }

  #send(message: FromProcess): void {
    this.#channel?.send(message);
  }

  #connect(): void {
    const { clock, id, role, socket: path } = this.#options;
    const socket = connect(path);
    const channel = new LineChannel(socket, {
      onMessage: (message) => {
        this.#hear(message);
      },
      onClosed: () => {
        const had = this.#supervisor !== undefined;
        this.#channel = undefined;
        this.#supervisor = undefined;
        if (this.#ended) return;
        if (had) this.#awaitSupervisor();
        this.#connectTimer = clock.setTimeout(() => {
          this.#connect();
        }, connectEveryMs);
      },
    });
    socket.once('connect', () => {
      if (this.#ended) {
        // It would keep the process.
        channel.close();
        return;
      }
      this.#channel = channel;
      this.#send({ is: 'hello', version: protocolVersion, role, id });
      if (this.#facts !== undefined) this.#send({ is: 'ready', facts: this.#facts });
    });
  }

  #hear(input: unknown): void {
    const { clock, logger } = this.#options;
    const { data: message, error } = fromSupervisor.safeParse(input);
    if (message === undefined) {
      logger.warn(
        { reason: error.issues[0]?.message },
        'what the supervisor says is not understood',
      );
      return;
    }
    switch (message.is) {
      case 'welcome':
        this.#supervisor = message.pid;
        if (this.#orphanTimer !== undefined) clock.clearTimeout(this.#orphanTimer);
        this.#orphanTimer = undefined;
        logger.info({ supervisor: message.pid }, 'a supervisor is there');
        return;
      case 'leave':
        this.#end(`the supervisor has no place for it: ${message.reason}`);
        return;
      case 'tree':
        this.#tree = message;
        this.#onTree?.(message);
    }
  }

  #awaitSupervisor(): void {
    const { clock, logger, orphanMs } = this.#options;
    if (this.#orphanTimer !== undefined) return;
    logger.warn({ orphanMs }, 'no supervisor is there: waiting for one');
    this.#orphanTimer = clock.setTimeout(() => {
      this.#end(`no supervisor came in ${orphanMs} ms`);
    }, orphanMs);
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.close();
    this.#options.onEnd(reason);
  }
}
