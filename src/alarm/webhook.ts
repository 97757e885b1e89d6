import type { Clock, Timer } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Alarm } from './alarms.ts';
import { signatureOf } from './webhook-secrets.ts';

export interface WebhookOptions {
  readonly url: string;
  /** Each signs; none: not signed. */
  readonly keys: readonly Buffer[];
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly retryInitialMs: number;
  readonly retryMaxMs: number;
  readonly queueMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unlike any other, in this run and in others. */
  readonly newId: () => string;
  readonly onSent: () => void;
  /** `reason`: the queue was full, or every attempt failed. */
  readonly onDropped: (reason: 'queue-full' | 'attempts') => void;
}

interface Message {
  readonly id: string;
  readonly alarm: Alarm;
}

/**
 * Posts alarms to one receiver one after the other, each until it is taken (2xx) or its attempts are used up. By Standard
 * Webhooks: `webhook-id` stays the same for all attempts, `webhook-timestamp` is that of the attempt, and both are signed with
 * the body, so that what was taken once or long ago can be refused. The body is the alarm as JSON. Nothing waits for it.
 */
export class Webhook {
  readonly #options: WebhookOptions;
  readonly #queue: Message[] = [];
  #busy = false;
  /** Ends what is being waited for now. */
  #hurry: (() => void) | undefined;
  #closed = false;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  send(alarm: Alarm): void {
    if (this.#closed) return;
    if (this.#queue.length >= this.#options.queueMax) {
      this.#options.onDropped('queue-full');
      return;
    }
    this.#queue.push({ id: this.#options.newId(), alarm });
    if (!this.#busy) void this.#drain();
  }

  /** What is still queued is dropped. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#queue.length = 0;
    this.#hurry?.();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    for (let message = this.#queue[0]; message !== undefined; message = this.#queue[0]) {
      await this.#deliver(message);
      this.#queue.shift();
    }
    this.#busy = false;
  }

  async #deliver(message: Message): Promise<void> {
    const { attempts, logger, onDropped, onSent, retryInitialMs, retryMaxMs, url } = this.#options;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (attempt > 0) await this.#wait(Math.min(retryInitialMs * 2 ** (attempt - 1), retryMaxMs));
      if (this.#isClosed()) return;
      try {
        await this.#post(message);
        onSent();
        return;
      } catch (error) {
        if (this.#isClosed()) return;
        const alarm = message.alarm.id;
        // Path and query may be a secret: only the host and what went wrong are told.
        const receiver = new URL(url).host;
        logger.warn({ alarm, attempt, receiver, error: messageOf(error) }, 'webhook failed');
      }
    }
    onDropped('attempts');
  }

  async #post({ id, alarm }: Message): Promise<void> {
    const { clock, keys, timeoutMs, url } = this.#options;
    const body = JSON.stringify(alarm);
    const timestamp = String(Math.floor(clock.wallOf(clock.now()) / 1_000));
    const signature =
      keys.length === 0
        ? {}
        : { 'webhook-signature': signatureOf(keys, `${id}.${timestamp}.${body}`) };
    const patience = new AbortController();
    const timer = clock.setTimeout(() => {
      patience.abort(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    this.#hurry = () => {
      patience.abort();
    };
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          ...signature,
        },
        body,
        // Who it was meant for was configured; elsewhere it may be read by others.
        redirect: 'manual',
        signal: patience.signal,
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`status ${response.status}`);
    } finally {
      this.#hurry = undefined;
      clock.clearTimeout(timer);
    }
  }

  async #wait(delayMs: number): Promise<void> {
    const { clock } = this.#options;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, delayMs);
      this.#hurry = resolve;
    });
    this.#hurry = undefined;
    if (timer !== undefined) clock.clearTimeout(timer);
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
