import { shiftSystemClock } from './clock.ts';
import type { Config } from './config.ts';
import type { ProcessState } from './control/schemas/process.ts';
import { clockOffset } from './edge/clock-offset.ts';
import type { EdgeClient } from './edge/edge-client.ts';
import { startOrFindEdge } from './edge/edge-process.ts';
import type { EdgeEvent } from './edge/types.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import { identityOf, startedAtOf } from './supervisor/process-identity.ts';

export interface EdgePartOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly onEvent: (event: EdgeEvent) => void;
  /** It is gone, or has another control: this one can do nothing any more. */
  readonly onLost: (reason: string) => void;
}

/** The edge's process as the composition has it: found or started, ended with the program, not with a death of control. */
export class EdgePart {
  readonly client: EdgeClient;
  #view: ProcessState | undefined;

  private constructor(client: EdgeClient) {
    this.client = client;
  }

  /** Errors: EDGE_FAILED, EDGE_VERSION. */
  static async create(options: EdgePartOptions): Promise<EdgePart> {
    const { config, logger, onEvent, onLost } = options;
    const { media, state } = config;
    const { client, isNew } = await startOrFindEdge({
      stateDir: state.dir,
      edge: {
        threads: media.threads,
        legHosts: [media.host, ...(media.legHost === undefined ? [] : [media.legHost])],
        ports: media.ports,
        ring: media.ring,
        catchUpRate: media.catchUpRate,
        rtcpIntervalMs: media.rtcpIntervalMs,
        cname: `tandem@${media.host}`,
      },
      orphanMs: state.orphanMs,
      hangMs: media.edgeHangMs,
      ...(media.nice < 0 && { nice: media.nice }),
    });
    // Times that it has told of, and those in the store, are of its clock.
    shiftSystemClock(client.hello.clockOffsetMs - clockOffset());
    client.on('event', onEvent);
    client.on('closed', (error) => {
      logger.error({ err: error }, 'the edge is gone');
      onLost(messageOf(error));
    });
    const { pid } = client.hello;
    logger.info({ process: pid }, isNew ? 'edge was started' : 'edge lives: found');
    return new EdgePart(client);
  }

  view(): ProcessState {
    const { pid, starts } = this.client.hello;
    if (this.#view?.pid !== pid) {
      const startedAt = startedAtOf(identityOf(pid) ?? { pid, startTicks: 0 });
      this.#view = { role: 'edge', id: 'edge', pid, startedAt, starts };
    }
    return this.#view;
  }

  /** Its calls end, and it does. */
  async close(): Promise<void> {
    await this.client.shutdown();
    this.client.close();
  }
}
