import { execFile } from 'node:child_process';
import { setTimeout as pass } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import type { CapturedRtp } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import type { RtpEndpoint } from '../support/rtp-endpoint.ts';
import { TandemProcess } from '../support/tandem-process.ts';

const run = promisify(execFile);

let tandem: TandemProcess;

beforeAll(async () => {
  tandem = await TandemProcess.start();
});

afterAll(async () => {
  await tandem.dispose();
});

const hashes = (endpoint: RtpEndpoint): string[] =>
  endpoint.sent.map(({ payload }) => hashPayload(payload));

/** Of the packets on disk, those that this endpoint sent, in file order. */
function own(recorded: readonly CapturedRtp[], endpoint: RtpEndpoint): CapturedRtp[] {
  const sent = new Set(hashes(endpoint));
  return recorded.filter(({ payloadHash }) => sent.has(payloadHash));
}

/** Everything both parties sent is in both legs, in order, and the same in both. */
async function expectWhole(call: PlacedCall): Promise<void> {
  const legs = await call.end();
  expect(legs).toHaveLength(2);
  for (const party of [call.a, call.b]) {
    const [first, second] = legs.map((leg) => own(call.recorded(leg), party));
    expect(first?.map(({ payloadHash }) => payloadHash)).toEqual(hashes(party));
    expect(second).toEqual(first);
    expect(new Set(first?.map(({ ssrc }) => ssrc)).size).toBe(1);
  }
}

describe.each(['mediasoup', 'direct'] as const)('a call on the %s path', (path) => {
  const request = { media: { path } };

  it('goes on when its sender changes SSRC, moves to another port, and sends DTMF', async () => {
    const call = await PlacedCall.place(tandem, { id: `moving-${path}`, request });
    await call.talk(20);
    call.a.changeSsrc(0xaaaa0002);
    await call.talk(20);
    await call.a.moveToAnotherPort();
    // The same stream may come from another port once the old one was silent for 100 ms.
    await pass(200);
    await call.talk(20);
    // RFC 4733: one event, three updates and a threefold end under one timestamp.
    const { timestamp } = call.a;
    for (let index = 0; index < 6; index += 1) {
      call.a.sendOne(call.ports.a, { payloadType: 101, marker: index === 0, timestamp });
    }
    await call.talk(20);
    await tandem.until(
      () => Promise.resolve(call.b.received.length),
      (count) => count >= call.a.sent.length,
    );
    expect(call.b.received.map(({ payload }) => hashPayload(payload))).toEqual(hashes(call.a));
    expect(call.b.received.filter(({ payloadType }) => payloadType === 101)).toHaveLength(6);
    const { parties, path: taken } = await call.state();
    expect(taken).toBe(path);
    expect(parties.a).toMatchObject({ ssrcChanges: 1, upstreamLostPackets: 0, refusedPackets: 0 });
    expect(parties.a.latched?.port).toBe(call.a.port);
    await expectWhole(call);
  });

  it.each([
    {
      codec: 'G.729',
      formats: '18 101',
      attributes: ['rtpmap:18 G729/8000', 'rtpmap:101 telephone-event/8000'],
      stream: { payloadType: 18, payloadBytes: 20 },
    },
    {
      codec: 'opus',
      formats: '111',
      attributes: ['rtpmap:111 opus/48000/2', 'fmtp:111 useinbandfec=1'],
      stream: { payloadType: 111, payloadBytes: 60, timestampStep: 960 },
    },
    {
      codec: 'G.722',
      formats: '9',
      attributes: ['rtpmap:9 G722/8000'],
      stream: { payloadType: 9 },
    },
  ])('records $codec twice', async ({ codec, formats, attributes, stream }) => {
    const id = `${codec.replace('.', '')}-${path}`;
    const call = await PlacedCall.place(tandem, { id, formats, attributes, stream, request });
    await call.talk(40);
    await tandem.until(
      () => Promise.resolve(Math.min(call.a.received.length, call.b.received.length)),
      (count) => count >= 40,
    );
    expect((await call.state()).path).toBe(path);
    await expectWhole(call);
  });

  it('keeps both going through hold, a new address, and a codec change', async () => {
    const formats = '0 8';
    const call = await PlacedCall.place(tandem, {
      id: `hold-${path}`,
      formats,
      attributes: [],
      request,
    });
    await call.talk(20);
    const hold = call.a.sdp(formats, ['sendonly']);
    await tandem.api('POST', `/v1/calls/${call.id}/offer`, { party: 'a', offer: hold });
    await tandem.api('POST', `/v1/calls/${call.id}/answer`, {
      answer: call.b.sdp(formats, ['recvonly']),
    });
    const heldFrom = call.b.received.length;
    await call.a.stream(call.ports.a, { count: 20 });
    await tandem.until(
      () => Promise.resolve(call.b.received.length),
      (count) => count >= heldFrom + 20,
    );
    await call.a.moveToAnotherPort();
    call.a.payloadType = 8;
    await tandem.api('POST', `/v1/calls/${call.id}/offer`, {
      party: 'a',
      offer: call.a.sdp(formats, []),
    });
    await tandem.api('POST', `/v1/calls/${call.id}/answer`, { answer: call.b.sdp(formats, []) });
    const before = call.a.received.length;
    await call.talk(20);
    await tandem.until(
      () => Promise.resolve(call.a.received.length),
      (count) => count >= before + 20,
    );
    expect(call.b.received.at(-1)?.payloadType).toBe(8);
    await expectWhole(call);
  });
});

it('goes on as it was after a re-offer that the other party rejects', async () => {
  const call = await PlacedCall.place(tandem, { id: 'rejected', formats: '0', attributes: [] });
  const answer = { answer: call.b.sdp('0', []) };
  const ask = (path: string, body: unknown) =>
    tandem.request('POST', `/v1/calls/${call.id}/${path}`, body);
  const refused = { status: 409, body: { error: { code: 'CALL_STATE' } } };
  expect(await ask('answer', { rejected: true })).toMatchObject(refused);
  await call.talk(20);
  const elsewhere = call.a.sdp('9', ['rtpmap:9 G722/8000', 'sendonly']);
  expect(await ask('offer', { party: 'a', offer: elsewhere })).toMatchObject({ status: 200 });
  const glare = { party: 'b', offer: call.b.sdp('0', []) };
  expect(await ask('offer', glare)).toMatchObject(refused);
  expect(await ask('answer', { rejected: true })).toMatchObject({
    status: 200,
    body: { rejected: true },
  });
  expect(await ask('answer', answer)).toMatchObject({
    status: 409,
    body: { error: { code: 'ANSWER_ALREADY_GIVEN' } },
  });
  await call.talk(20);
  expect(await ask('offer', glare)).toMatchObject({ status: 200 });
  expect(await ask('answer', { answer: call.a.sdp('0', []) })).toMatchObject({ status: 200 });
  await call.talk(20);
  await tandem.until(
    () => Promise.resolve(Math.min(call.a.received.length, call.b.received.length)),
    (count) => count >= 60,
  );
  await expectWhole(call);
});

it('pins and records over IPv6', async () => {
  const six = await TandemProcess.start({ media: { host: '::1' }, sip: { host: '::1', port: 0 } });
  try {
    const call = await PlacedCall.place(six, { id: 'six', family: 6 });
    await call.talk(30);
    const legs = await call.end();
    for (const leg of legs) {
      expect(own(call.recorded(leg), call.a).map(({ payloadHash }) => payloadHash)).toEqual(
        hashes(call.a),
      );
    }
  } finally {
    await six.dispose();
  }
});

it('records what ffmpeg sends', async () => {
  const call = await PlacedCall.place(tandem, { id: 'ffmpeg', request: {} });
  const { ip, port } = call.ports.a;
  await run('ffmpeg', [
    ...['-v', 'error', '-re', '-f', 'lavfi', '-i', 'sine=frequency=440:duration=2'],
    ...[
      '-ar',
      '8000',
      '-ac',
      '1',
      '-c:a',
      'pcm_mulaw',
      '-f',
      'rtp',
      `rtp://${ip}:${port}?pkt_size=172`,
    ],
  ]);
  const { parties } = await call.state();
  expect(parties.a.packets).toBeGreaterThan(90);
  const [first, second] = await call.end();
  const recorded = call.recorded(first as never);
  expect(recorded).toHaveLength(parties.a.packets);
  expect(call.recorded(second as never)).toEqual(recorded);
  expect(call.b.received).toHaveLength(parties.a.packets);
});
