import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { TandemProcess } from '../support/tandem-process.ts';

/** What the API refuses, asked of a real server while a call is up. */

const head = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
const sdp = (...media: string[]): string => [...head, ...media, ''].join('\r\n');
const at = (connection: string, ...media: string[]): string =>
  sdp(...media).replace('c=IN IP4 127.0.0.1', `c=${connection}`);
const plain = sdp('m=audio 6000 RTP/AVP 0');
const video = ['m=video 6002 RTP/AVP 96', 'a=rtpmap:96 VP8/90000'];

let tandem: TandemProcess;
let call: PlacedCall;
let talking: Promise<unknown>;
const talk = new AbortController();

beforeAll(async () => {
  tandem = await TandemProcess.start({ http: { port: 0, bodyBytesMax: 65_536 } });
  call = await PlacedCall.place(tandem, { id: 'up', formats: '0', attributes: [] });
  await call.recording();
  const { signal } = talk;
  talking = Promise.all([
    call.a.stream(call.ports.a, { signal }),
    call.b.stream(call.ports.b, { signal }),
  ]);
  await tandem.api('POST', '/v1/calls', { id: 'offered', offer: plain });
  const off = { id: 'off', offer: plain, recording: { mode: 'off' } };
  await tandem.api('POST', '/v1/calls', off);
  await tandem.api('POST', '/v1/calls/off/answer', { answer: plain });
});

afterAll(async () => {
  await tandem.dispose();
});

async function expectRefusal(
  answer: Promise<{ status: number; body: unknown }>,
  [status, code, field]: readonly [number, string, string],
): Promise<void> {
  expect(await answer).toMatchObject({ status, body: { error: { code, details: { field } } } });
}

describe('an offer is refused', () => {
  it.each([
    ['that is no SDP', 'hello', 400, 'SDP_INVALID', 'sdp'],
    ['with a NUL', 'v=0\0', 400, 'SDP_INVALID', 'sdp'],
    ['without a version', plain.replace('v=0\r\n', ''), 400, 'SDP_INVALID', 'v'],
    ['without media', sdp(), 400, 'SDP_INVALID', 'm'],
    ['without an address', plain.replace(/c=.*\r\n/, ''), 400, 'SDP_INVALID', 'c'],
    ['with a host name', at('IN IP4 b.example', 'm=audio 6000 RTP/AVP 0'), 400, 'SDP_INVALID', 'c'],
    ['of the other family', at('IN IP6 ::1', 'm=audio 6000 RTP/AVP 0'), 400, 'SDP_INVALID', 'c'],
    ['for a group', at('IN IP4 224.2.1.1', 'm=audio 6000 RTP/AVP 0'), 400, 'SDP_INVALID', 'c'],
    [
      'for everybody',
      at('IN IP4 255.255.255.255', 'm=audio 6000 RTP/AVP 0'),
      400,
      'SDP_INVALID',
      'c',
    ],
    ['with a port too high', sdp('m=audio 70000 RTP/AVP 0'), 400, 'SDP_INVALID', 'm'],
    ['with no port for RTCP', sdp('m=audio 65535 RTP/AVP 0'), 400, 'SDP_INVALID', 'm'],
    ['with a payload type that is none', sdp('m=audio 6000 RTP/AVP 200'), 400, 'SDP_INVALID', 'm'],
    ['with a codec left open', sdp('m=audio 6000 RTP/AVP 96'), 400, 'SDP_INVALID', 'a=rtpmap'],
    [
      'with RTCP for a group',
      sdp('m=audio 6000 RTP/AVP 0', 'a=rtcp:6001 IN IP4 224.2.1.1'),
      400,
      'SDP_INVALID',
      'a=rtcp',
    ],
    ['with SRTP', sdp('m=audio 6000 RTP/SAVP 0'), 422, 'SDP_UNSUPPORTED_SRTP', 'm'],
    [
      'with DTLS',
      sdp('m=audio 6000 UDP/TLS/RTP/SAVPF 0', 'a=fingerprint:sha-256 AA'),
      422,
      'SDP_UNSUPPORTED_SRTP',
      'm',
    ],
    [
      'with keys',
      sdp('m=audio 6000 RTP/AVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x'),
      422,
      'SDP_UNSUPPORTED_SRTP',
      'a',
    ],
    [
      'for ICE only',
      at('IN IP4 0.0.0.0', 'm=audio 9 RTP/AVP 0', 'a=ice-ufrag:x', 'a=ice-pwd:y'),
      422,
      'SDP_UNSUPPORTED_ICE',
      'c',
    ],
    ['of video', sdp(...video), 422, 'SDP_UNSUPPORTED_MEDIA', 'm'],
    [
      'of audio and video',
      sdp('m=audio 6000 RTP/AVP 0', ...video),
      422,
      'SDP_UNSUPPORTED_MEDIA',
      'm',
    ],
    [
      'of two audio streams',
      sdp('m=audio 6000 RTP/AVP 0', 'm=audio 6002 RTP/AVP 0'),
      422,
      'SDP_UNSUPPORTED_MEDIA',
      'm',
    ],
    ['of no active stream', sdp('m=audio 0 RTP/AVP 0'), 422, 'SDP_UNSUPPORTED_MEDIA', 'm'],
    ['over TCP', sdp('m=audio 6000 TCP 0'), 422, 'SDP_UNSUPPORTED_MEDIA', 'm'],
  ])('%s', async (_title, offer, status, code, field) => {
    await expectRefusal(tandem.request('POST', '/v1/calls', { id: 'bad', offer }), [
      status,
      code,
      field,
    ]);
    expect((await tandem.request('GET', '/v1/calls/bad')).status).toBe(404);
    // As a re-offer of the call that is up, too; that one may take its stream away.
    if (/port 0|active/.test(_title)) return;
    await expectRefusal(tandem.request('POST', '/v1/calls/up/offer', { party: 'a', offer }), [
      status,
      code,
      field,
    ]);
  });
});

describe('what does not fit the state of a call is refused', () => {
  const pause = { action: 'pause' };
  const answer = { answer: plain };
  const offer = { party: 'a', offer: plain };
  it.each([
    ['an id that is taken', '', { id: 'up', offer: plain }, 409, 'CALL_EXISTS', 'id'],
    ['an answer twice', '/up/answer', answer, 409, 'ANSWER_ALREADY_GIVEN', 'answer'],
    ['a re-offer too early', '/offered/offer', offer, 409, 'ANSWER_BEFORE_OFFER', 'offer'],
    [
      'a rejection of the first offer',
      '/offered/answer',
      { rejected: true },
      409,
      'CALL_STATE',
      'rejected',
    ],
    ['a rejection of nothing', '/up/answer', { rejected: true }, 409, 'CALL_STATE', 'rejected'],
    ['a pause too early', '/offered/recording', pause, 409, 'RECORDING_OFF', 'action'],
    ['a start too early', '/offered/recording', { action: 'start' }, 409, 'CALL_STATE', 'action'],
    ['a pause where recording is off', '/off/recording', pause, 409, 'RECORDING_OFF', 'action'],
    [
      'an answer with another codec',
      '/offered/answer',
      { answer: sdp('m=audio 6000 RTP/AVP 8') },
      400,
      'SDP_INVALID',
      'm',
    ],
    [
      'an answer with another stream',
      '/offered/answer',
      { answer: sdp('m=audio 6000 RTP/AVP 0', 'm=audio 6002 RTP/AVP 0') },
      400,
      'SDP_INVALID',
      'm',
    ],
    ['an answer to no call', '/none/answer', answer, 404, 'CALL_NOT_FOUND', 'id'],
    ['a re-offer of no call', '/none/offer', offer, 404, 'CALL_NOT_FOUND', 'id'],
    ['a pause of no call', '/none/recording', pause, 404, 'CALL_NOT_FOUND', 'id'],
  ])('%s', async (_title, path, body, status, code, field) => {
    await expectRefusal(tandem.request('POST', `/v1/calls${path}`, body), [status, code, field]);
  });

  it.each([
    ['GET', '/v1/calls/none'],
    ['GET', '/v1/calls/none/ledger'],
    ['DELETE', '/v1/calls/none'],
  ])('%s %s', async (method, path) => {
    await expectRefusal(tandem.request(method, path), [404, 'CALL_NOT_FOUND', 'id']);
  });
});

describe('a body is refused', () => {
  const post = async (body: string, type = 'application/json') => {
    const headers = { 'content-type': type };
    const response = await fetch(`${tandem.url}/v1/calls`, { method: 'POST', body, headers });
    return { status: response.status, body: await response.json() };
  };
  it.each([
    ['that is too large', JSON.stringify({ offer: 'x'.repeat(70_000) }), 413, 'BODY_TOO_LARGE'],
    ['that is no JSON', '{"offer"', 400, 'INVALID_REQUEST'],
    ['that is no object', '5', 400, 'INVALID_REQUEST'],
    ['that is nested without end', '['.repeat(30_000) + ']'.repeat(30_000), 400, 'INVALID_REQUEST'],
  ])('%s', async (_title, body, status, code) => {
    await expectRefusal(post(body), [status, code, 'body']);
  });

  it.each(['text/plain', 'application/sdp'])('of type %s', async (type) => {
    await expectRefusal(post(plain, type), [415, 'UNSUPPORTED_MEDIA_TYPE', 'content-type']);
  });
});

it.each(['sips:10.0.0.5', 'sip:10.0.0.5;transport=tls', 'sip:[::1', 'http://10.0.0.5'])(
  'a recorder at %s is refused',
  async (uri) => {
    const answer = tandem.request('PUT', '/v1/recorders/r9', { uri });
    await expectRefusal(answer, [400, 'INVALID_REQUEST', 'uri']);
  },
);

it('another recorder under the id of an embedded one, or at its address, is refused', async () => {
  const [embedded] = await tandem.recorders();
  const { id = '', uri = '' } = embedded ?? {};
  const another = tandem.request('PUT', `/v1/recorders/${id}`, { uri: 'sip:10.0.0.5' });
  await expectRefusal(another, [409, 'RECORDER_STATE', 'id']);
  const same = tandem.request('PUT', '/v1/recorders/r9', { uri });
  await expectRefusal(same, [409, 'RECORDER_STATE', 'uri']);
});

it('without a recorder a call is refused, and one that is up goes on', async () => {
  const ids = (await tandem.recorders()).map(({ id }) => id);
  // Nothing is free where the call's legs are not.
  const { recordings } = await call.state();
  const busy = recordings.map(({ recorder }) => recorder);
  for (const id of ids.filter((recorder) => !busy.includes(recorder))) {
    await tandem.api('PATCH', `/v1/recorders/${id}`, { state: 'draining' });
  }
  for (const { id, uri, zone, sessions } of await tandem.recorders()) {
    if (busy.includes(id))
      await tandem.api('PUT', `/v1/recorders/${id}`, { uri, zone, capacity: sessions });
  }
  const refused = await tandem.request('POST', '/v1/calls', { id: 'x', offer: plain });
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'NO_RECORDER' } } });
  const start = await tandem.request('POST', '/v1/calls/off/recording', { action: 'start' });
  expect(start).toMatchObject({ status: 503, body: { error: { code: 'NO_RECORDER' } } });
  expect((await tandem.call('off')).state).toBe('answered');
});

it('none of this was heard in the call that was up, or is missing in its recordings', async () => {
  talk.abort();
  await talking;
  await tandem.until(
    () => Promise.resolve([call.a.received.length, call.b.received.length]),
    ([a, b]) => a === call.b.sent.length && b === call.a.sent.length,
  );
  const legs = await call.end();
  const { failovers } = await call.state();
  expect(failovers).toEqual([]);
  for (const leg of legs) {
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const party of [call.a, call.b]) {
      const missing = party.sent.filter(({ payload }) => !recorded.has(hashPayload(payload)));
      expect(missing).toEqual([]);
    }
  }
  expect(tandem.log).not.toContain('"code":"INTERNAL"');
});

it('without a free port a call is refused until another has ended', async () => {
  const small = await TandemProcess.start({
    media: { ports: { min: 21_000, max: 21_015 }, threads: 1, workers: 1 },
  });
  try {
    const place = (id: string) => small.request('POST', '/v1/calls', { id, offer: plain });
    const ids: string[] = [];
    let refused;
    for (let index = 0; refused === undefined; index += 1) {
      const answer = await place(`p${index}`);
      if (answer.status === 201) ids.push(`p${index}`);
      else refused = answer;
    }
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'NO_PORT' } } });
    expect(ids.length).toBeGreaterThan(0);
    expect((await small.recorders()).reduce((sum, { sessions }) => sum + sessions, 0)).toBe(
      2 * ids.length,
    );
    await small.api('DELETE', `/v1/calls/${ids[0]}`);
    expect((await place('again')).status).toBe(201);
  } finally {
    await small.dispose();
  }
});
