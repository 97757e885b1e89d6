import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import type { Alarm } from '../../../src/alarm/alarms.ts';
import { webhookKeysOf } from '../../../src/alarm/webhook-secrets.ts';
import { Webhook, type WebhookOptions } from '../../../src/alarm/webhook.ts';
import { systemClock } from '../../../src/clock.ts';
import type { Clock } from '../../../src/clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const alarm: Alarm = {
  id: 1,
  kind: 'failover',
  at: '2026-01-01T00:00:00Z',
  callId: 'c1',
  details: { text: 'ümlaut' },
};
const [older, newer] = [
  'the older key of the two, 32 byte',
  'the newer key of the two, 32 byte',
].map((key) => `whsec_${Buffer.from(key).toString('base64')}`) as [string, string];

const servers: Server[] = [];
const webhooks: Webhook[] = [];

afterEach(() => {
  for (const webhook of webhooks.splice(0)) webhook.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function receiver(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

interface Taken {
  readonly body: string;
  readonly headers: Record<string, string>;
}

/** Takes what is posted after having refused `refusals` times. */
async function taking(taken: Taken[], refusals = 0): Promise<string> {
  let requests = 0;
  return receiver((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      requests += 1;
      taken.push({ body, headers: request.headers as Record<string, string> });
      response.writeHead(requests > refusals ? 204 : 500).end();
    });
  });
}

function started(url: string, change: Partial<WebhookOptions> = {}) {
  const ends: string[] = [];
  const waiting: (() => void)[] = [];
  const add = (end: string): void => {
    ends.push(end);
    for (const told of waiting.splice(0)) told();
  };
  let lastId = 0;
  const webhook = new Webhook({
    url,
    keys: webhookKeysOf(older),
    timeoutMs: 100,
    attempts: 3,
    retryInitialMs: 1,
    retryMaxMs: 4,
    queueMax: 2,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    newId: () => `msg_${(lastId += 1)}`,
    onSent: () => {
      add('sent');
    },
    onDropped: add,
    ...change,
  });
  webhooks.push(webhook);
  /** How the alarms ended, once so many have. */
  const ended = async (count: number): Promise<string[]> => {
    while (ends.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return ends;
  };
  return { webhook, ended };
}

describe('a webhook', () => {
  it('is taken by a receiver of Standard Webhooks that has either key, and by no other', async () => {
    const taken: Taken[] = [];
    const url = await taking(taken);
    const { webhook, ended } = started(url, { keys: webhookKeysOf(`${older}, ${newer}`) });
    webhook.send(alarm);
    expect(await ended(1)).toEqual(['sent']);
    const [{ body, headers }] = taken as [Taken];
    for (const secret of [older, newer]) {
      expect(new Verifier(secret).verify(body, headers)).toEqual(alarm);
    }
    const foreign = new Verifier(`whsec_${Buffer.from('another').toString('base64')}`);
    expect(() => foreign.verify(body, headers)).toThrow();
    const replayed = { ...headers, 'webhook-timestamp': '1700000000' };
    expect(() => new Verifier(older).verify(body, replayed)).toThrow();
    const renamed = { ...headers, 'webhook-id': 'msg_2' };
    expect(() => new Verifier(older).verify(body, renamed)).toThrow();
  });

  it('carries no signature without a key', async () => {
    const taken: Taken[] = [];
    const { webhook, ended } = started(await taking(taken), { keys: [] });
    webhook.send(alarm);
    await ended(1);
    expect(taken[0]?.headers).toMatchObject({ 'webhook-id': 'msg_1' });
    expect(taken[0]?.headers).not.toHaveProperty('webhook-signature');
  });

  it('keeps its id when it is sent again, and is signed anew with the time of the attempt', async () => {
    const taken: Taken[] = [];
    const url = await taking(taken, 1);
    let now = Date.now() - 400_000;
    const clock: Clock = {
      ...systemClock,
      wallOf: () => (now += 200_000),
    };
    const { webhook, ended } = started(url, { clock });
    webhook.send(alarm);
    expect(await ended(1)).toEqual(['sent']);
    const [first, second] = taken as [Taken, Taken];
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(second.headers['webhook-timestamp']).not.toBe(first.headers['webhook-timestamp']);
    expect(new Verifier(older).verify(second.body, second.headers)).toEqual(alarm);
  });

  it('goes on with the next when one was taken after an error', async () => {
    const taken: Taken[] = [];
    const { webhook, ended } = started(await taking(taken, 1));
    webhook.send(alarm);
    webhook.send({ ...alarm, id: 2 });
    expect(await ended(2)).toEqual(['sent', 'sent']);
    expect(taken.map(({ headers }) => headers['webhook-id'])).toEqual(['msg_1', 'msg_1', 'msg_2']);
  });

  it('waits twice as long before each attempt, up to the most', async () => {
    const url = await receiver((_request, response) => {
      response.writeHead(500).end();
    });
    const waits: number[] = [];
    // What is waited for has gone by at once; an answer takes its time.
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, delayMs) => {
        if (delayMs === 10_000) return systemClock.setTimeout(callback, delayMs);
        waits.push(delayMs);
        return systemClock.setTimeout(callback, 0);
      },
    };
    const { webhook, ended } = started(url, { attempts: 6, timeoutMs: 10_000, clock });
    webhook.send(alarm);
    expect(await ended(1)).toEqual(['attempts']);
    expect(waits).toEqual([1, 2, 4, 4, 4]);
  });

  it('gives up on a receiver that hangs, after its attempts', async () => {
    let requests = 0;
    const url = await receiver(() => {
      requests += 1;
    });
    const { webhook, ended } = started(url);
    webhook.send(alarm);
    expect(await ended(1)).toEqual(['attempts']);
    expect(requests).toBe(3);
  });

  it('is not held up by another receiver that hangs', async () => {
    const hung = started(await receiver(() => undefined), { timeoutMs: 60_000 });
    const taken: Taken[] = [];
    const well = started(await taking(taken), { queueMax: 10 });
    for (let id = 1; id <= 3; id += 1) {
      for (const { webhook } of [hung, well]) webhook.send({ ...alarm, id });
    }
    expect(await well.ended(3)).toEqual(['sent', 'sent', 'sent']);
    // Its queue takes two.
    expect(await hung.ended(1)).toEqual(['queue-full']);
  });

  it('is not sent where a receiver redirects it to', async () => {
    const elsewhere: Taken[] = [];
    const location = await taking(elsewhere);
    const url = await receiver((_request, response) => {
      response.writeHead(307, { location }).end();
    });
    const { webhook, ended } = started(url);
    webhook.send(alarm);
    expect(await ended(1)).toEqual(['attempts']);
    expect(elsewhere).toEqual([]);
  });

  it.each(['an answer', 'the next attempt'])(
    'leaves no timer behind when it is closed while it waits for %s',
    async (what) => {
      const clock = new ManualClock();
      const url = await receiver((_request, response) => {
        if (what === 'an answer') webhook.close();
        else response.writeHead(500).end();
      });
      const closing = (): void => {
        webhook.close();
      };
      const waits: number[] = [];
      const watched: Clock = {
        now: () => clock.now(),
        wallOf: (at) => clock.wallOf(at),
        setTimeout: (callback, delayMs) => {
          waits.push(delayMs);
          if (delayMs === 7) setImmediate(closing);
          return clock.setTimeout(callback, delayMs);
        },
        clearTimeout: (timer) => {
          clock.clearTimeout(timer);
          if (clock.pending === 0 && waits.length === expected) resolve(undefined);
        },
      };
      const expected = what === 'an answer' ? 1 : 2;
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const { webhook } = started(url, { clock: watched, retryInitialMs: 7, retryMaxMs: 7 });
      webhook.send(alarm);
      await promise;
      // A turn of the event loop for whoever would still begin something.
      await new Promise((resolve) => setImmediate(resolve));
      expect([clock.pending, waits.length]).toEqual([0, expected]);
    },
  );

  it('tells the log the host of its receiver and no more', async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => lines.push(line) });
    const url = await receiver((_request, response) => {
      response.writeHead(500).end();
    });
    const { webhook, ended } = started(`${url}/T0P/s3cret?key=s3cret`, { logger });
    webhook.send(alarm);
    await ended(1);
    expect(lines.join()).toContain(`"receiver":"${new URL(url).host}"`);
    expect(lines.join()).not.toContain('s3cret');
    expect(lines.join()).not.toContain(older.slice(6));
  });

  it('drops, and says so, what does not fit its queue', async () => {
    const { webhook, ended } = started(await receiver(() => undefined), { attempts: 1 });
    for (let round = 0; round < 3; round += 1) webhook.send(alarm);
    expect(await ended(3)).toEqual(['queue-full', 'attempts', 'attempts']);
  });
});

describe('the secrets of webhooks', () => {
  it('may be several, with spaces or commas between, or none', () => {
    expect(webhookKeysOf(` ${older} ,${newer}\n`)).toHaveLength(2);
    expect(webhookKeysOf(undefined)).toEqual([]);
    expect(webhookKeysOf('')).toEqual([]);
  });

  it.each([
    'not-a-secret',
    'whsec_',
    'whsec_!?',
    `${older} bm90IHByZWZpeGVk`,
    `${older} `.repeat(11),
  ])('are refused without being shown when they are not whsec_ and base64: %s', (secrets) => {
    let message = '';
    try {
      webhookKeysOf(secrets);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^TANDEM_WEBHOOK_SECRET: /);
    expect(message).not.toMatch(/not-a-secret|!\?|bm90/);
  });
});
