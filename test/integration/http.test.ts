import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpServer, type HttpServerOptions } from '../../src/control/http.ts';
import type { RecorderState } from '../../src/control/recorder-directory.ts';
import { callList, callState, failoverList } from '../../src/control/schemas/call.ts';
import { ledgerBody } from '../../src/control/schemas/ledger.ts';
import { recorderList } from '../../src/control/schemas/recorder.ts';
import { TandemError, type ErrorCode } from '../../src/errors.ts';
import type { ProcessState } from '../../src/control/schemas/process.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Ledger } from '../../src/recording/account/ledger.ts';
import type { CallRequest, CallState, FailoverState } from '../../src/recording/call-state.ts';

const token = 'a-token-of-the-test';
const open: HttpServer[] = [];
let log = '';

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
  log = '';
});

const party = {
  local: { ip: '127.0.0.1', port: 20_000 },
  latched: null,
  packets: 0,
  upstreamLostPackets: 0,
  refusedPackets: 0,
  ssrcChanges: 0,
};
const stream = { sentPackets: 10, lostPackets: 1, lostMs: 20 };
const failover: FailoverState = {
  leg: 1,
  from: 'r1',
  to: null,
  reason: 'icmp',
  at: '2026-11-21T01:00:00.000Z',
  detectionMs: 20.5,
  failoverMs: null,
  lostPackets: 1,
  lostMs: 20,
  replayedPackets: 0,
};

function call(id: string): CallState {
  return {
    id,
    state: 'answered',
    path: 'mediasoup',
    tenant: 't1',
    parties: { a: party, b: { ...party, latched: { ip: '::1', port: 4_000 } } },
    recordings: [
      {
        leg: 1,
        recordId: 'rec-1',
        recorder: null,
        state: 'failing-over',
        sessions: [
          {
            recordId: 'rec-1',
            recorder: 'r1',
            startedAt: failover.at,
            endedAt: failover.at,
            endReason: 'icmp',
          },
        ],
        streams: { a: stream, b: stream },
      },
    ],
    failovers: [failover],
  };
}

function ledger(callId: string): Ledger {
  const range = { first: 1_000, last: 1_009, firstAt: failover.at, lastAt: failover.at };
  return {
    callId,
    streams: [
      {
        party: 'a',
        ssrc: 0xaaaa0001,
        packetMs: 20,
        received: [range],
        receivedPackets: 10,
        lostBeforeUs: [],
        lostBeforeUsPackets: 0,
        lostInUs: { ranges: [], kernelDrops: 0 },
        noMedia: false,
        ssrcChanges: [{ at: 1_795_228_200_000, from: 1, to: 2, sequence: 1_005 }],
        legs: [
          {
            leg: 1,
            confirmed: [range],
            unconfirmed: [],
            replayed: [],
            missing: [range],
            missingMs: 200,
            reportedLostPackets: 0,
            reportedLostPacketsAtMost: 0,
            unprovenPackets: 0,
          },
        ],
        missingFromUnion: [],
        missingFromUnionMs: 0,
      },
    ],
    legs: [{ leg: 1, verdict: 'missing 200 ms' }],
    verdict: 'complete-by-merge',
  };
}

const recorder: RecorderState = {
  id: 'r1',
  uri: 'sip:127.0.0.1:5080',
  zone: 'z1',
  state: 'up',
  sessions: 1,
  capacity: 500,
  weight: 1,
  tenants: [],
  sites: [],
  reports: 'auto',
  pid: 4_711,
};

interface Asked {
  created: CallRequest[];
  other: unknown[];
}

async function start(options: { token?: string; fail?: ErrorCode; port?: number } = {}) {
  const asked: Asked = { created: [], other: [] };
  const known = ['c1', 'c2', 'c3', 'c4', 'c5'];
  const get = (id: string): CallState => {
    if (!known.includes(id)) throw new TandemError('CALL_NOT_FOUND', `no call ${id}`);
    return call(id);
  };
  const processes: ProcessState[] = [
    { role: 'control', id: 'control', pid: 7, startedAt: '2026-11-30T12:00:00.000Z', starts: 2 },
  ];
  const serverOptions: HttpServerOptions = {
    http: { host: '127.0.0.1', port: options.port ?? 0, bodyBytesMax: 4_096 },
    token: options.token,
    calls: {
      create: (request) => {
        asked.created.push(request);
        if (options.fail !== undefined) {
          throw new TandemError(options.fail, 'it failed', { details: { why: 'test' } });
        }
        return Promise.resolve({ id: request.id ?? 'made-up', offer: 'v=0 offer for b' });
      },
      answer: (...args) => {
        asked.other.push(args);
        return Promise.resolve({ answer: 'v=0 answer for a' });
      },
      rejectReoffer: (id) => {
        asked.other.push(['reject', id]);
        return Promise.resolve();
      },
      reoffer: (...args) => {
        asked.other.push(args);
        return Promise.resolve({ offer: 'v=0 offer for the other' });
      },
      recording: (id, action) => {
        asked.other.push([id, action]);
        return Promise.resolve(get(id));
      },
      delete: (id) => {
        asked.other.push(['delete', id]);
        return Promise.resolve();
      },
      get,
      list: ({ limit, after = '' }) => {
        const calls = known.filter((id) => id > after).map(call);
        const page = calls.slice(0, limit);
        const next = calls.length > limit ? (page.at(-1)?.id ?? null) : null;
        return Promise.resolve({ calls: page, next });
      },
      ledger: (id) => ledger(id),
      failovers: () => [{ callId: 'c1', ...failover }],
    },
    recorders: {
      list: () => [recorder],
      put: (change) => {
        asked.other.push(change);
        return recorder;
      },
      patch: (id, change) => {
        if (id !== 'r1') throw new TandemError('RECORDER_NOT_FOUND', `no recorder ${id}`);
        asked.other.push(change);
        return { ...recorder, state: change.state };
      },
    },
    metrics: createMetrics(new Registry(), {
      calls: () => [],
      recordingSessions: () => [],
      recorders: () => [],
      processes: () => [],
      processDeaths: () => [],
      edge: () => undefined,
    }),
    logger: pino({ level: 'trace' }, { write: (line: string) => (log += line) }),
    health: () => ({ status: 'degraded', problems: ['recorder r3 is down'], processes }),
    alarms: () => [],
    processes: () => processes,
  };
  const server = await HttpServer.create(serverOptions);
  open.push(server);
  const base = `http://127.0.0.1:${server.address.port}`;

  async function send(method: string, path: string, init: RequestInit = {}) {
    const response = await fetch(`${base}${path}`, { method, ...init });
    const text = await response.text();
    const body: unknown =
      response.headers.get('content-type')?.startsWith('application/json') === true
        ? JSON.parse(text)
        : text;
    return { status: response.status, body, headers: response.headers };
  }
  const json = (method: string, path: string, body: unknown) =>
    send(method, path, {
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
  return { server, base, asked, send, json };
}

describe('the call routes', () => {
  it('create a call', async () => {
    const { json, asked } = await start();
    const request = {
      id: 'c1',
      offer: 'v=0',
      recording: { mode: 'duplicate' },
      media: { path: 'direct', latch: 'any' },
      tenant: 't',
      site: 's',
      parties: { a: { aor: 'sip:a@test', name: 'Änne' }, b: { aor: 'tel:+491' } },
    };
    const { status, body, headers } = await json('POST', '/v1/calls', request);
    expect({ status, body }).toEqual({ status: 201, body: { id: 'c1', offer: 'v=0 offer for b' } });
    expect(headers.get('location')).toBe('/v1/calls/c1');
    expect(asked.created).toEqual([request]);
  });

  it('pass answers, re-offers and recording actions on', async () => {
    const { json, send, asked } = await start();
    expect(await json('POST', '/v1/calls/c1/answer', { answer: 'v=0' })).toMatchObject({
      status: 200,
      body: { answer: 'v=0 answer for a' },
    });
    expect(await json('POST', '/v1/calls/c1/answer', { rejected: true })).toMatchObject({
      status: 200,
      body: { rejected: true },
    });
    expect(await json('POST', '/v1/calls/c1/offer', { party: 'b', offer: 'v=0' })).toMatchObject({
      status: 200,
      body: { offer: 'v=0 offer for the other' },
    });
    expect(await json('POST', '/v1/calls/c1/recording', { action: 'pause' })).toMatchObject({
      status: 200,
      body: { id: 'c1' },
    });
    expect(await send('DELETE', '/v1/calls/c1')).toMatchObject({ status: 204, body: '' });
    expect(asked.other).toEqual([
      ['c1', 'v=0'],
      ['reject', 'c1'],
      ['c1', 'b', 'v=0'],
      ['c1', 'pause'],
      ['delete', 'c1'],
    ]);
  });

  it('take a DELETE that announces JSON and sends none', async () => {
    const { json } = await start();
    expect(await json('DELETE', '/v1/calls/c1', '')).toMatchObject({ status: 204 });
  });

  it('show calls and failovers as the OpenAPI document says', async () => {
    const { send } = await start();
    expect(callState.parse((await send('GET', '/v1/calls/c1')).body)).toEqual(call('c1'));
    expect(callList.parse((await send('GET', '/v1/calls')).body).next).toBeNull();
    const { failovers } = failoverList.parse((await send('GET', '/v1/failovers')).body);
    expect(failovers).toEqual([{ callId: 'c1', ...failover }]);
    const shown = ledgerBody.parse((await send('GET', '/v1/calls/c1/ledger')).body);
    expect(shown).toEqual(ledger('c1'));
  });

  it('list calls in pages that leave none out', async () => {
    const { send } = await start();
    const ids: string[] = [];
    let after: string | null = '';
    while (after !== null) {
      const query: string = after === '' ? '' : `&after=${after}`;
      const page = callList.parse((await send('GET', `/v1/calls?limit=2${query}`)).body);
      ids.push(...page.calls.map(({ id }) => id));
      after = page.next;
    }
    expect(ids).toEqual(['c1', 'c2', 'c3', 'c4', 'c5']);
  });
});

describe('the recorder routes', () => {
  it('list, put and patch', async () => {
    const { send, json, asked } = await start();
    const list = recorderList.parse((await send('GET', '/v1/recorders')).body);
    expect(list.recorders).toEqual([recorder]);
    const uri = 'sip:10.0.0.5:5060;transport=tcp';
    expect(await json('PUT', '/v1/recorders/r9', { uri })).toMatchObject({ status: 200 });
    expect(await json('PATCH', '/v1/recorders/r1', { state: 'draining' })).toMatchObject({
      status: 200,
      body: { state: 'draining' },
    });
    expect(asked.other).toEqual([
      {
        id: 'r9',
        uri,
        zone: 'default',
        capacity: 500,
        weight: 1,
        tenants: [],
        sites: [],
        reports: 'auto',
      },
      { state: 'draining' },
    ]);
  });
});

describe('a bad request', () => {
  const offer = 'v=0';
  const cases: [string, string, string, unknown, number, ErrorCode, string?][] = [
    ['an unknown key', 'POST', '/v1/calls', { offer, x: 1 }, 400, 'INVALID_REQUEST', 'x'],
    [
      'a bad value',
      'POST',
      '/v1/calls',
      { offer, recording: { mode: 'triple' } },
      400,
      'INVALID_REQUEST',
      'recording.mode',
    ],
    ['a missing key', 'POST', '/v1/calls', {}, 400, 'INVALID_REQUEST', 'offer'],
    [
      'neither answer nor rejection',
      'POST',
      '/v1/calls/c1/answer',
      {},
      400,
      'INVALID_REQUEST',
      'answer',
    ],
    [
      'both answer and rejection',
      'POST',
      '/v1/calls/c1/answer',
      { answer: 'v=0', rejected: true },
      400,
      'INVALID_REQUEST',
      'answer',
    ],
    [
      'a rejection that is none',
      'POST',
      '/v1/calls/c1/answer',
      { rejected: false },
      400,
      'INVALID_REQUEST',
      'rejected',
    ],
    ['an empty body', 'POST', '/v1/calls', '', 400, 'INVALID_REQUEST', 'body'],
    ['an array', 'POST', '/v1/calls', [], 400, 'INVALID_REQUEST', 'body'],
    ['JSON that is cut off', 'POST', '/v1/calls', '{"offer"', 400, 'INVALID_REQUEST', 'body'],
    [
      'a poisoned prototype',
      'POST',
      '/v1/calls',
      '{"offer":"v=0","__proto__":{"x":1}}',
      400,
      'INVALID_REQUEST',
    ],
    [
      'a poisoned constructor',
      'POST',
      '/v1/calls',
      '{"offer":"v=0","constructor":{"prototype":{"x":1}}}',
      400,
      'INVALID_REQUEST',
    ],
    [
      'an id with a slash',
      'POST',
      '/v1/calls',
      { id: '../x', offer },
      400,
      'INVALID_REQUEST',
      'id',
    ],
    [
      'an id that is too long',
      'GET',
      `/v1/calls/${'x'.repeat(129)}`,
      undefined,
      400,
      'INVALID_REQUEST',
      'id',
    ],
    [
      'a line end in a name',
      'POST',
      '/v1/calls',
      { offer, parties: { a: { aor: 'sip:a\r\nVia: x' } } },
      400,
      'INVALID_REQUEST',
      'parties.a.aor',
    ],
    [
      'a line end in a recorder',
      'PUT',
      '/v1/recorders/r1',
      { uri: 'sip:a\r\nVia: x' },
      400,
      'INVALID_REQUEST',
      'uri',
    ],
    ['an endless page', 'GET', '/v1/calls?limit=1e9', undefined, 400, 'INVALID_REQUEST', 'limit'],
    ['an unknown query', 'GET', '/v1/calls?x=1', undefined, 400, 'INVALID_REQUEST', 'x'],
    ['a broken escape', 'GET', '/v1/calls/%', undefined, 400, 'INVALID_REQUEST'],
    ['a body too large', 'POST', '/v1/calls', { offer: 'x'.repeat(5_000) }, 413, 'BODY_TOO_LARGE'],
    ['an unknown call', 'GET', '/v1/calls/c9', undefined, 404, 'CALL_NOT_FOUND'],
    [
      'an unknown recorder',
      'PATCH',
      '/v1/recorders/r9',
      { state: 'up' },
      404,
      'RECORDER_NOT_FOUND',
    ],
    ['an unknown route', 'GET', '/v2/calls', undefined, 404, 'NOT_FOUND'],
    ['a wrong method', 'PUT', '/v1/calls', { offer }, 404, 'NOT_FOUND'],
  ];
  it.each(cases)('with %s', async (_title, method, path, body, status, code, field) => {
    const { json, send, asked } = await start();
    const answer = await (body === undefined ? send(method, path) : json(method, path, body));
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    if (field !== undefined) expect(answer.body).toMatchObject({ error: { details: { field } } });
    expect(asked.created).toEqual([]);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'nonsense'])(
    'with a body of type %s',
    async (type) => {
      const { send } = await start();
      const init = { body: '{"offer":"v=0"}', headers: { 'content-type': type } };
      expect(await send('POST', '/v1/calls', init)).toMatchObject({
        status: 415,
        body: { error: { code: 'UNSUPPORTED_MEDIA_TYPE' } },
      });
    },
  );

  it('that is no HTTP at all gets the same shape', async () => {
    const { server } = await start();
    const socket = connect(server.address.port, '127.0.0.1');
    socket.end('INVITE sip:x SIP/2.0\r\n\r\n');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*\{"error":\{"code":"INVALID_REQUEST"/);
  });
});

describe('a failure inside', () => {
  it.each(['NO_PORT', 'NO_RECORDER', 'WORKER_LOST'] as const)(
    '%s is 503 and says when to try again',
    async (fail) => {
      const { json } = await start({ fail });
      const { status, body, headers } = await json('POST', '/v1/calls', { offer: 'v=0' });
      expect(status).toBe(503);
      expect(body).toEqual({
        error: { code: fail, message: 'it failed', details: { why: 'test' } },
      });
      expect(headers.get('retry-after')).toBe('1');
    },
  );

  it('is logged in full and told in two words', async () => {
    const { json } = await start({ fail: 'INTERNAL' });
    const { status, body } = await json('POST', '/v1/calls', { offer: 'v=0' });
    expect(status).toBe(500);
    expect(body).toEqual({ error: { code: 'INTERNAL', message: 'internal error' } });
    expect(log).toContain('it failed');
  });

  it('to listen names the key of the configuration', async () => {
    const { server } = await start();
    await expect(start({ port: server.address.port })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      details: { issues: [{ path: 'http.port' }] },
    });
  });
});

describe('with a token', () => {
  it('everything but /healthz asks for it', async () => {
    const { send } = await start({ token });
    for (const path of ['/v1/calls', '/v1/recorders', '/metrics', '/openapi.json', '/nope']) {
      const { status, body, headers } = await send('GET', path);
      expect({ status, body }).toMatchObject({
        status: 401,
        body: { error: { code: 'UNAUTHORIZED' } },
      });
      expect(headers.get('www-authenticate')).toMatch(/^Bearer/);
      const authorized = await send('GET', path, { headers: { authorization: `Bearer ${token}` } });
      expect(authorized.status).toBe(path === '/nope' ? 404 : 200);
    }
    expect(await send('GET', '/healthz')).toMatchObject({ status: 200 });
  });

  it('never writes the token to the log', async () => {
    const { send } = await start({ token, fail: 'INTERNAL' });
    await send('POST', '/v1/calls', {
      body: '{"offer":"v=0"}',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
    await send('GET', '/v1/calls', { headers: { authorization: `Bearer ${token}x` } });
    expect(log).toContain('it failed');
    expect(log).not.toContain(token);
  });
});

describe('operations', () => {
  it('tell health, and what is wrong', async () => {
    const { send } = await start();
    expect(await send('GET', '/healthz')).toMatchObject({
      status: 200,
      body: {
        status: 'degraded',
        problems: ['recorder r3 is down'],
        processes: [{ role: 'control', pid: 7, starts: 2 }],
      },
    });
  });

  it('count requests by route, not by path', async () => {
    const { send } = await start();
    for (const id of ['c1', 'c2', 'c9']) await send('GET', `/v1/calls/${id}`);
    await send('GET', '/who/knows');
    const { body } = await send('GET', '/metrics');
    const lines = String(body).split('\n');
    const series = (route: string, status: number) =>
      `tandem_http_requests_total{route="${route}",method="GET",status="${status}"}`;
    expect(lines).toContain(`${series('/v1/calls/:id', 200)} 2`);
    expect(lines).toContain(`${series('/v1/calls/:id', 404)} 1`);
    expect(lines).toContain(`${series('unknown', 404)} 1`);
  });

  it('describe every route in the OpenAPI document, with what it takes and gives', async () => {
    const { send } = await start({ token });
    const init = { headers: { authorization: `Bearer ${token}` } };
    const document = (await send('GET', '/openapi.json', init)).body as {
      openapi: string;
      paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.sort()).toEqual([
      'DELETE /v1/calls/{id}',
      'GET /healthz',
      'GET /metrics',
      'GET /v1/alarms',
      'GET /v1/calls',
      'GET /v1/calls/{id}',
      'GET /v1/calls/{id}/ledger',
      'GET /v1/failovers',
      'GET /v1/processes',
      'GET /v1/recorders',
      'PATCH /v1/recorders/{id}',
      'POST /v1/calls',
      'POST /v1/calls/{id}/answer',
      'POST /v1/calls/{id}/offer',
      'POST /v1/calls/{id}/recording',
      'PUT /v1/recorders/{id}',
    ]);
    expect(document.paths['/v1/calls']!['post']).toMatchObject({
      requestBody: { required: true },
      responses: {
        201: {},
        400: {},
        401: {},
        409: {},
        413: {},
        415: {},
        422: {},
        500: {},
        503: {},
      },
    });
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(document).toHaveProperty(['components', 'schemas', name!]);
    }
  });
});

it('closes twice, and answers nobody after that', async () => {
  const { server, base } = await start();
  await server.close();
  await server.close();
  await expect(fetch(`${base}/healthz`)).rejects.toThrow();
});
