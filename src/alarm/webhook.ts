import { createHmac } from 'node:crypto';
import type { Clock, Timer } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Alarm } from './alarms.ts';

export interface WebhookOptions {
  readonly url: string;
  /** Key of the signature; undefined: not signed. */
  readonly secret: string | undefined;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  readonly queueMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onSent: () => void;
  /** `reason`: the queue was full, or every attempt failed. */
  readonly onDropped: (reason: 'queue-full' | 'attempts') => void;
}

/**
 * Posts alarms one after the other, each until it is taken (2xx) or its attempts are used up. The body is the alarm as JSON;
 * `Tandem-Signature: sha256=<hex>` is HMAC-SHA256 over exactly these bytes. Nothing waits for it.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #queue: Alarm[] = [];
  #busy = false;
  #timer: { timer: Timer; resolve: () => void } | undefined;
  readonly #abort = new AbortController();

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  send(alarm: Alarm): void {
    if (this.#abort.signal.aborted) return;
    if (this.#queue.length >= this.#options.queueMax) {
      this.#options.onDropped('queue-full');
      return;
    }
    this.#queue.push(alarm);
    if (!this.#busy) void this.#drain();
  }

  /** What is still queued is dropped. Idempotent. */
  close(): void {
    this.#abort.abort();
    this.#queue.length = 0;
    if (this.#timer === undefined) return;
    this.#options.clock.clearTimeout(this.#timer.timer);
    this.#timer.resolve();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    for (let alarm = this.#queue[0]; alarm !== undefined; alarm = this.#queue[0]) {
      await this.#deliver(alarm);
      this.#queue.shift();
    }
    this.#busy = false;
  }

  async #deliver(alarm: Alarm): Promise<void> {
    const { attempts, logger, onDropped, onSent, retryInitialMs, retryMaxMs } = this.#options;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (this.#abort.signal.aborted) return;
      try {
        await this.#post(alarm);
        onSent();
        return;
      } catch (error) {
        // The URL may carry a secret: only what went wrong is told.
        logger.warn({ alarm: alarm.id, attempt, error: messageOf(error) }, 'webhook failed');
      }
      if (attempt + 1 < attempts)
        await this.#wait(Math.min(retryInitialMs * 2 ** attempt, retryMaxMs));
    }
    if (!this.#abort.signal.aborted) onDropped('attempts');
  }

  async #post(alarm: Alarm): Promise<void> {
    const { secret, timeoutMs, url } = this.#options;
    const body = JSON.stringify(alarm);
    const signature =
      secret === undefined
        ? {}
        : {
            'tandem-signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
          };
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...signature },
      body,
      redirect: 'error',
      signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(timeoutMs)]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`status ${response.status}`);
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimeout(resolve, delayMs);
      this.#timer = { timer, resolve };
    });
  }
}
