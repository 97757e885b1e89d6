import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Alarm } from '../../../src/alarm/alarms.ts';
import { Webhook } from '../../../src/alarm/webhook.ts';
import { systemClock } from '../../../src/clock.ts';
import type { Clock } from '../../../src/clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const alarm: Alarm = {
  id: 1,
  kind: 'failover',
  at: '2026-01-01T00:00:00Z',
  callId: 'c1',
  details: {},
};

let server: Server;
let webhook: Webhook;

afterEach(() => {
  webhook.close();
  server.closeAllConnections();
  server.close();
});

async function receiver(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

/** Resolves with how the alarm ended. */
function outcome(
  url: string,
  change: { attempts?: number; queueMax?: number; clock?: Clock } = {},
) {
  const ends: string[] = [];
  let told: (() => void) | undefined;
  const add = (end: string): void => {
    ends.push(end);
    told?.();
  };
  webhook = new Webhook({
    url,
    secret: 'a key of ours',
    timeoutMs: 100,
    attempts: 3,
    retryInitialMs: 1,
    retryMaxMs: 4,
    queueMax: 2,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    onSent: () => {
      add('sent');
    },
    onDropped: add,
    ...change,
  });
  return async (count: number): Promise<string[]> => {
    while (ends.length < count) await new Promise<void>((resolve) => (told = resolve));
    return ends;
  };
}

describe('the webhook', () => {
  it('posts the alarm, signed over the very bytes', async () => {
    const url = await receiver((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        const signature = createHmac('sha256', 'a key of ours').update(body).digest('hex');
        const right = request.headers['tandem-signature'] === `sha256=${signature}`;
        response.statusCode = right && (JSON.parse(body.toString()) as Alarm).id === 1 ? 204 : 400;
        response.end();
      });
    });
    const ends = outcome(url);
    webhook.send(alarm);
    expect(await ends(1)).toEqual(['sent']);
  });

  it('tries again after an error, and then goes on', async () => {
    let requests = 0;
    const url = await receiver((_request, response) => {
      requests += 1;
      response.statusCode = requests === 1 ? 500 : 200;
      response.end();
    });
    const ends = outcome(url);
    webhook.send(alarm);
    expect(await ends(1)).toEqual(['sent']);
    expect(requests).toBe(2);
  });

  it('waits twice as long before each attempt, up to the most', async () => {
    const url = await receiver((_request, response) => {
      response.statusCode = 500;
      response.end();
    });
    const clock = new ManualClock();
    const waits: number[] = [];
    // Time goes by as soon as it is waited for.
    const hurried: Clock = {
      now: () => clock.now(),
      setTimeout: (callback, delayMs) => {
        waits.push(delayMs);
        const timer = clock.setTimeout(callback, delayMs);
        void clock.advance(delayMs);
        return timer;
      },
      clearTimeout: (timer) => {
        clock.clearTimeout(timer);
      },
    };
    const ends = outcome(url, { attempts: 6, clock: hurried });
    webhook.send(alarm);
    expect(await ends(1)).toEqual(['attempts']);
    expect(waits).toEqual([1, 2, 4, 4, 4]);
    expect(clock.pending).toBe(0);
  });

  it('gives up on a receiver that hangs, after its attempts', async () => {
    let requests = 0;
    const url = await receiver(() => {
      requests += 1;
    });
    const ends = outcome(url);
    webhook.send(alarm);
    expect(await ends(1)).toEqual(['attempts']);
    expect(requests).toBe(3);
  });

  it('drops, and says so, what does not fit its queue', async () => {
    const url = await receiver(() => undefined);
    const ends = outcome(url, { attempts: 1 });
    for (let round = 0; round < 3; round += 1) webhook.send(alarm);
    expect(await ends(3)).toEqual(['queue-full', 'attempts', 'attempts']);
  });
});
