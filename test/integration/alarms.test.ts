import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { z } from 'zod';
import { alarmList } from '../../src/control/schemas/alarm.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { RecorderProcess } from '../support/recorder-process.ts';
import { TandemProcess } from '../support/tandem-process.ts';

type Alarm = z.infer<typeof alarmList>['alarms'][number];

const secret = 'what only the two of us know';
const open: (() => unknown)[] = [];

afterEach(async () => {
  delete process.env['TANDEM_WEBHOOK_SECRET'];
  for (const close of open.splice(0).reverse()) await close();
});

interface Posted {
  readonly body: string;
  readonly signature: string | undefined;
}

/** Takes alarms; refuses the first, so that it comes again. */
async function webhook(posted: Posted[]): Promise<Server> {
  let requests = 0;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      requests += 1;
      if (requests > 1) {
        posted.push({ body, signature: request.headers['tandem-signature'] as string | undefined });
      }
      response.writeHead(requests > 1 ? 204 : 500).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => server.close());
  return server;
}

async function recorder(flags: string[] = []): Promise<RecorderProcess> {
  const started = await RecorderProcess.start(flags);
  open.push(() => started.dispose());
  return started;
}

it('are raised for all that an operator must know, once each, and reach the webhook signed', async () => {
  const posted: Posted[] = [];
  const server = await webhook(posted);
  process.env['TANDEM_WEBHOOK_SECRET'] = secret;
  const hot = await recorder();
  const standby = await recorder();
  const dir = mkdtempSync(join(tmpdir(), 'tandem-alarms-'));
  const tandem = await TandemProcess.start(
    {
      recording: { ledgerDir: join(dir, 'ledgers'), replay: false },
      resource: { promotion: 'auto' },
      recorders: {
        list: [
          { id: 'hot', uri: hot.uriOver('tcp'), zone: 'east' },
          { id: 'standby', uri: standby.uriOver('tcp'), zone: 'west', state: 'standby' },
        ],
      },
      alarms: {
        webhook: {
          url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
          retryInitialMs: 20,
        },
      },
    },
    dir,
  );
  open.push(() => tandem.dispose());
  const alarms = async (): Promise<readonly Alarm[]> =>
    alarmList.parse(await tandem.api('GET', '/v1/alarms')).alarms;
  const kinds = async (): Promise<string[]> =>
    (await alarms()).map(({ kind, leg }) => `${kind} ${leg ?? ''}`);
  const raised = (kind: string): Promise<string[]> =>
    tandem.until(kinds, (all) => all.includes(kind));

  const call = await PlacedCall.place(tandem, { id: 'c1' });
  expect(await kinds()).toEqual(['promotion 2']);
  await call.recording();
  const talk = new AbortController();
  const { signal } = talk;
  const talking = Promise.all([
    call.a.stream(call.ports.a, { signal }),
    call.b.stream(call.ports.b, { signal }),
  ]);
  const hears = async (count: number): Promise<void> => {
    const before = call.b.received.length;
    await tandem.until(
      () => Promise.resolve(call.b.received.length),
      (heard) => heard > before + count,
    );
  };
  await hears(20);
  standby.child.kill('SIGKILL');
  await raised('single-leg 2');
  await tandem.until(
    () => tandem.recorders(),
    (recorders) => recorders.some(({ id, state }) => id === 'standby' && state === 'down'),
  );
  await hears(20);
  hot.child.kill('SIGKILL');
  await raised('leg-without-recorder 1');
  // The next one comes up where the dead one was.
  await recorder(['--sip-port', String(standby.port)]);
  await tandem.until(kinds, (all) => all.some((kind) => kind.startsWith('failover')));
  await hears(20);
  talk.abort();
  await talking;
  await call.hangUp();
  const all = await tandem.until(kinds, (now) => now.filter((k) => /verdict/.test(k)).length === 2);
  const moved = all.find((kind) => kind.startsWith('failover'));
  expect([...all].sort()).toEqual(
    [
      ...['promotion 2', 'single-leg 2', 'leg-without-recorder 1', moved],
      ...['verdict 1', 'verdict 2'],
    ].sort(),
  );
  const list = await alarms();
  expect(list.find(({ kind }) => kind === 'promotion')).toMatchObject({
    callId: 'c1',
    details: { recorder: 'standby' },
  });
  expect(list.find(({ kind }) => kind === 'failover')).toMatchObject({
    details: { from: expect.any(String) as string, to: 'standby' },
  });
  expect(tandem.log).toContain('standby recorder was promoted');

  await tandem.until(
    () => Promise.resolve(posted.length),
    (count) => count === list.length,
  );
  expect(posted.map(({ body }) => JSON.parse(body) as Alarm)).toEqual(list);
  for (const { body, signature } of posted) {
    const digest = createHmac('sha256', secret).update(body).digest('hex');
    expect(signature).toBe(`sha256=${digest}`);
  }
  call.a.close();
  call.b.close();
});
