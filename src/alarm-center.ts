import { randomUUID } from 'node:crypto';
import { Alarms, type Alarm } from './alarm/alarms.ts';
import { MediaAlarms } from './alarm/media-alarms.ts';
import { RecorderAlarms } from './alarm/recorder-alarms.ts';
import { UnrecordedAlarms } from './alarm/unrecorded-alarms.ts';
import { Webhook } from './alarm/webhook.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import type { AllocatorEvents } from './recording/interfaces.ts';
import type { ResourceManager } from './resource/resource-manager.ts';

export interface AlarmCenterOptions {
  readonly config: Config;
  /** Each signs what webhooks are sent. */
  readonly webhookKeys: readonly Buffer[];
  readonly resources: ResourceManager;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** All that makes alarms, and all that they go to. */
export class AlarmCenter {
  readonly alarms: Alarms;
  readonly recorderAlarms: RecorderAlarms;
  readonly unrecordedAlarms: UnrecordedAlarms;
  readonly mediaAlarms: MediaAlarms;
  readonly #webhooks: readonly Webhook[];
  readonly #unlisten: (() => void)[] = [];

  constructor(options: AlarmCenterOptions) {
    const { config, clock, logger, metrics, resources } = options;
    const { kept, singleLegMs, gatherMs } = config.alarms;
    const { intervalMs, timeoutMs, failures } = config.resource.health;
    this.#webhooks = webhooksOf(options);
    const send = (alarm: Alarm): void => {
      for (const webhook of this.#webhooks) webhook.send(alarm);
    };
    const alarms = new Alarms({
      ...{ kept, clock, logger },
      onAlarm: (alarm) => {
        metrics.alarms.inc({ kind: alarm.kind });
        send(alarm);
      },
      onSettled: send,
    });
    this.alarms = alarms;
    // As long as it takes the resource manager to hold a recorder for dead.
    const verdictMs = intervalMs * failures + timeoutMs;
    this.recorderAlarms = new RecorderAlarms({ alarms, clock, verdictMs, gatherMs });
    this.unrecordedAlarms = new UnrecordedAlarms({ alarms, clock, graceMs: singleLegMs, gatherMs });
    this.mediaAlarms = new MediaAlarms(alarms);
    this.#listen(resources);
  }

  /** Idempotent. */
  close(): void {
    // Recorders that end with the program are no news.
    for (const stop of this.#unlisten.splice(0)) stop();
    this.recorderAlarms.close();
    this.unrecordedAlarms.close();
    for (const webhook of this.#webhooks) webhook.close();
  }

  #listen(resources: ResourceManager): void {
    const { alarms, recorderAlarms } = this;
    for (const { id, state } of resources.list()) {
      if (state === 'down') recorderAlarms.recorderDown(id, 'options_timeout');
    }
    const listen = <E extends keyof AllocatorEvents>(
      event: E,
      listener: (...args: AllocatorEvents[E]) => void,
    ): void => {
      resources.on(event, listener as never);
      this.#unlisten.push(() => resources.off(event, listener as never));
    };
    listen('recorderDown', ({ recorder, reason }) => {
      recorderAlarms.recorderDown(recorder, reason);
    });
    listen('recorderUp', ({ recorder }) => {
      recorderAlarms.recorderUp(recorder);
    });
    listen('recorderPromoted', ({ recorder, recordId, callId, leg }) => {
      alarms.raise('promotion', { callId, leg }, { recorder, recordId });
    });
  }
}

/** One for each receiver, with a queue of its own: who is slow holds up nobody else. */
function webhooksOf(options: AlarmCenterOptions): Webhook[] {
  const { config, webhookKeys: keys, clock, logger, metrics } = options;
  const { webhook, webhooks } = config.alarms;
  return [...(webhook === undefined ? [] : [webhook]), ...webhooks].map(
    (receiver) =>
      new Webhook({
        ...receiver,
        keys,
        clock,
        logger: logger.child({ part: 'webhook' }),
        newId: () => `msg_${randomUUID()}`,
        onSent: () => {
          metrics.webhooksSent.inc();
        },
        onDropped: (reason) => {
          metrics.webhooksDropped.inc({ reason });
        },
      }),
  );
}
