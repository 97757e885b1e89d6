import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterEach, expect, it } from 'vitest';
import type { z } from 'zod';
import { alarmList } from '../../src/control/schemas/alarm.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { RecorderProcess } from '../support/recorder-process.ts';
import { TandemProcess } from '../support/tandem-process.ts';

type Alarm = z.infer<typeof alarmList>['alarms'][number];

const secret = `whsec_${Buffer.from('what only the two of us know').toString('base64')}`;
const open: (() => unknown)[] = [];

afterEach(async () => {
  delete process.env['TANDEM_WEBHOOK_SECRET'];
  for (const close of open.splice(0).reverse()) await close();
});

interface Posted {
  readonly body: string;
  readonly headers: Record<string, string>;
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
        posted.push({ body, headers: request.headers as Record<string, string> });
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
        singleLegMs: 50,
        gatherMs: 100,
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
  await tandem.until(kinds, (all) => all.includes('recorder-up '));
  await tandem.until(
    () => call.state(),
    ({ recordings }) => recordings.some(({ state }) => state === 'recording'),
  );
  await hears(20);
  talk.abort();
  await talking;
  await call.hangUp();
  const all = await tandem.until(kinds, (now) => now.filter((k) => /verdict/.test(k)).length === 2);
  expect([...all].sort()).toEqual([
    'leg-without-recorder 1',
    'promotion 2',
    'recorder-down ',
    'recorder-down ',
    'recorder-up ',
    'single-leg 2',
    'verdict 1',
    'verdict 2',
  ]);
  const list = await alarms();
  expect(list.find(({ kind }) => kind === 'promotion')).toMatchObject({
    callId: 'c1',
    details: { recorder: 'standby' },
  });
  const down = list
    .filter(({ kind }) => kind === 'recorder-down')
    .map(({ details }) => details as { legs: { to: string | null }[] });
  expect(down).toMatchObject([
    { recorder: 'standby', legCount: 1, legs: [{ callId: 'c1', leg: 2, reason: 'icmp' }] },
    { recorder: 'hot', legCount: 1, legs: [{ callId: 'c1', leg: 1, reason: 'icmp' }] },
  ]);
  // The one that came up could take one of them.
  const found = down.flatMap(({ legs }) => legs.map(({ to }) => to));
  expect(found.filter((to) => to !== null)).toEqual(['standby']);
  expect(tandem.log).toContain('standby recorder was promoted');

  // Each as it was raised; those that named more legs since come again.
  const ids = (): Set<number> => new Set(posted.map(({ body }) => (JSON.parse(body) as Alarm).id));
  await tandem.until(
    () => Promise.resolve(ids().size),
    (count) => count === list.length,
  );
  for (const { body, headers } of posted) new Verifier(secret).verify(body, headers);
  call.a.close();
  call.b.close();
});
