import type { Clock, Timer } from '../clock.ts';
import { notifyService } from '../edge/processes.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';

export interface ServiceManagerOptions {
  /** Undefined: none listens. */
  readonly socket: string | undefined;
  /** How often it must hear of this process, in microseconds; undefined: it need not. */
  readonly watchdogUs: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the service manager (systemd) is told: sd_notify(3). Nothing where none listens. */
export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  #timer: Timer | undefined;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
  }

  /** From now on it hears that the event loop runs. */
  ready(status: string): void {
    this.#tell(`READY=1\nSTATUS=${status}`);
    this.#watch();
  }

  stopping(): void {
    this.#tell('STOPPING=1');
  }

  /** Idempotent. */
  close(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watch(): void {
    const { clock, socket, watchdogUs } = this.#options;
    if (socket === undefined || watchdogUs === undefined) return;
    this.#timer = clock.setTimeout(() => {
      this.#tell('WATCHDOG=1');
      this.#watch();
    }, watchdogUs / 2_000);
  }

  #tell(state: string): void {
    const { socket, logger } = this.#options;
    if (socket === undefined) return;
    try {
      notifyService(socket, state);
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'the service manager was not told');
    }
  }
}
