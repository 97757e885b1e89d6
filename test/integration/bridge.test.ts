import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { parseConfig, readEnvironment } from '../../src/config.ts';
import { Edge } from '../../src/edge/edge.ts';
import { MediaBridge } from '../../src/media/bridge.ts';
import { parseOffer } from '../../src/media/sdp.ts';
import type { MediaPath } from '../../src/recording/interfaces.ts';
import { encodeRtp, RtpParty } from '../support/rtp-party.ts';

const environment = readEnvironment();
const { media } = parseConfig({
  media: { ports: { min: 21_000, max: 21_399 }, workers: 1, threads: 1 },
});
const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(
  workerBin = environment.mediasoupWorker,
): Promise<{ bridge: MediaBridge; edge: Edge; fellBack: () => number; hung: () => number }> {
  let fallbacks = 0;
  let hung = 0;
  const bridges: MediaBridge[] = [];
  const edge = Edge.create(
    {
      ...media,
      legHosts: [media.host],
      cname: 'tandem@test',
    },
    (event) => {
      for (const bridge of bridges) bridge.handleEdgeEvent(event);
    },
    environment.edgeAddon,
  );
  closers.push(() => {
    edge.close();
  });
  const bridge = await MediaBridge.create({
    edge,
    config: media,
    workerBin,
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    observer: { fellBack: () => (fallbacks += 1), workerHung: () => (hung += 1) },
  });
  closers.push(() => bridge.close());
  bridges.push(bridge);
  return { bridge, edge, fellBack: () => fallbacks, hung: () => hung };
}

async function newParty(ssrc: number): Promise<RtpParty> {
  const party = await RtpParty.create(ssrc);
  closers.push(() => {
    party.close();
  });
  return party;
}

const localOf = (sdp: string) => parseOffer(sdp, { first: false }).audio.rtp!;

async function callOf(
  bridge: MediaBridge,
  options: {
    callId?: string;
    path?: MediaPath;
    formats: string;
    attributes?: readonly string[];
  },
) {
  const { callId = 'c1', path = 'mediasoup', formats, attributes = [] } = options;
  const [a, b] = await Promise.all([newParty(0xa0a0_a0a0), newParty(0xb0b0_b0b0)]);
  const sdp = { formats, attributes };
  const { offer } = await bridge.openCall({
    callId,
    offer: a.sdp(sdp),
    path,
    latch: 'announced',
  });
  const { answer } = await bridge.answerCall(callId, b.sdp(sdp));
  return { callId, a, b, toA: localOf(answer), toB: localOf(offer) };
}

type Call = Awaited<ReturnType<typeof callOf>>;

/** Both talk at once; resolves when all of it has arrived. */
async function talk({ a, b, toA, toB }: Call, payloadTypes: readonly number[]): Promise<void> {
  a.forget();
  b.forget();
  const [fromA, fromB] = await Promise.all([a.send(toA, payloadTypes), b.send(toB, payloadTypes)]);
  const [atB, atA] = await Promise.all([b.gets(payloadTypes.length), a.gets(payloadTypes.length)]);
  for (const [sent, got] of [
    [fromA, atB],
    [fromB, atA],
  ] as const) {
    expect(got.map(({ payloadType }) => payloadType)).toEqual(payloadTypes);
    expect(got.map(({ payload }) => payload)).toEqual(sent.map((packet) => packet.subarray(12)));
    expect(new Set(got.map(({ ssrc }) => ssrc)).size).toBe(1);
    const first = got[0]!;
    expect(got.map(({ sequence }) => (sequence - first.sequence) & 0xffff)).toEqual(
      payloadTypes.map((_, index) => index),
    );
    expect(got.map(({ timestamp }) => (timestamp - first.timestamp) >>> 0)).toEqual(
      payloadTypes.map((_, index) => index * 160),
    );
  }
}

const repeat = (payloadTypes: readonly number[], times: number): number[] =>
  Array.from({ length: times }, () => payloadTypes).flat();

describe('through mediasoup', () => {
  it.each([
    [
      'G.711 with DTMF, comfort noise and G.729',
      '0 8 18 13 101',
      ['rtpmap:101 telephone-event/8000'],
    ],
    ['opus', '111', ['rtpmap:111 opus/48000/2', 'fmtp:111 useinbandfec=1']],
    [
      'opus with DTMF at 48 kHz',
      '111 110',
      ['rtpmap:111 opus/48000/2', 'rtpmap:110 telephone-event/48000'],
    ],
    [
      'all of telephony together',
      '111 9 0 8 18 13 101 110',
      [
        'rtpmap:111 opus/48000/2',
        'rtpmap:101 telephone-event/8000',
        'rtpmap:110 telephone-event/48000',
      ],
    ],
    ['AMR', '96 97', ['rtpmap:96 AMR-WB/16000', 'rtpmap:97 telephone-event/16000']],
  ])('carries %s both ways under their own numbers', async (_, formats, attributes) => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats, attributes });
    await talk(call, repeat(formats.split(' ').map(Number), 8));
    expect(bridge.describeCall('c1')).toMatchObject({
      path: 'mediasoup',
      parties: { a: { report: { latched: call.a.rtpAddress } } },
    });
  });

  it('takes the direct path with what it has no name for', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '11' });
    await talk(call, repeat([11], 8));
    expect(bridge.describeCall('c1').path).toBe('direct');
  });

  it('keeps media going through hold and back', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0' });
    await talk(call, repeat([0], 5));
    await bridge.reofferCall('c1', 'a', call.a.sdp({ formats: '0', attributes: ['sendonly'] }));
    await bridge.answerCall('c1', call.b.sdp({ formats: '0', attributes: ['recvonly'] }));
    call.a.forget();
    call.b.forget();
    await call.b.send(call.toB, repeat([0], 5));
    await call.a.send(call.toA, repeat([0], 5));
    await call.b.gets(5);
    expect(call.a.received).toEqual([]);
    await bridge.reofferCall('c1', 'a', call.a.sdp({ formats: '0' }));
    await bridge.answerCall('c1', call.b.sdp({ formats: '0' }));
    await talk(call, repeat([0], 5));
  });

  it('follows a party to the address of its re-offer, on the same ports', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0' });
    await talk(call, repeat([0], 5));
    const moved = await newParty(0xcccc_cccc);
    const { offer } = await bridge.reofferCall('c1', 'a', moved.sdp({ formats: '0' }));
    expect(localOf(offer)).toEqual(call.toB);
    const { answer } = await bridge.answerCall('c1', call.b.sdp({ formats: '0' }));
    expect(localOf(answer)).toEqual(call.toA);
    const { ssrc } = call.b.received[0]!;
    await talk({ ...call, a: moved }, repeat([0], 5));
    expect(call.b.received[0]?.ssrc).toBe(ssrc);
  });

  it('takes a changed set of codecs over without losing its ports or SSRCs', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0' });
    await talk(call, repeat([0], 5));
    const ssrcs = [call.a, call.b].map(({ received }) => received[0]?.ssrc);
    const more = { formats: '9 18 101', attributes: ['rtpmap:101 telephone-event/8000'] };
    await bridge.reofferCall('c1', 'b', call.b.sdp(more));
    await bridge.answerCall('c1', call.a.sdp(more));
    await talk(call, repeat([9, 18, 101], 5));
    expect([call.a, call.b].map(({ received }) => received[0]?.ssrc)).toEqual(ssrcs);
    expect(bridge.recordedStreams('c1')[0]?.payloads.map((p) => p.payloadType)).toEqual([
      9, 18, 101,
    ]);
  });
});

describe('what mediasoup does not forward', () => {
  it('is counted by reason, and the rest arrives', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0' });
    const sent = repeat([0, 96, 0, 97], 5);
    await call.a.send(call.toA, sent);
    await call.a.send(call.toA, repeat([0], 4), Buffer.alloc(0));
    await call.a.send(call.toA, repeat([0], 3));
    const got = await call.b.gets(13);
    expect(got.map(({ payloadType }) => payloadType)).toEqual(repeat([0], 13));
    expect(bridge.describeCall('c1').parties.a.report).toMatchObject({
      packets: 27,
      unforwarded: { payload_type: 10, empty: 4 },
    });
    expect(bridge.describeCall('c1').path).toBe('mediasoup');
  });
});

describe('directly', () => {
  it('hands on bit for bit, RTCP too', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, {
      formats: '0 101',
      path: 'direct',
      attributes: ['rtpmap:101 telephone-event/8000'],
    });
    await talk(call, repeat([0, 101], 10));
    const sent = await call.a.send(call.toA, repeat([0], 5));
    await call.b.gets(25);
    expect(call.b.raw.slice(-5)).toEqual(sent);

    const report = Buffer.from('80c80006a0a0a0a0e1e2e3e4000000000002710000000005000003e8', 'hex');
    const arrival = once(call.b, 'rtcp');
    call.a.sendRtcp({ ip: call.toA.ip, port: call.toA.port + 1 }, report);
    expect(await arrival).toEqual([report]);
  });
});

describe('when a mediasoup worker is killed', () => {
  it('brings its calls back on the same ports, with the same SSRCs, and says how long it took', async () => {
    const { bridge } = await start();
    const ids = Array.from({ length: 20 }, (_, index) => `c${index}`);
    const calls = await Promise.all(
      ids.map((callId) => callOf(bridge, { callId, formats: '0 18' })),
    );
    await Promise.all(calls.map((call) => talk(call, repeat([0, 18], 3))));
    const ssrcs = calls.map(({ b }) => b.received[0]?.ssrc);

    const back = new Map<string, number>();
    const allBack = new Promise<void>((resolve) => {
      bridge.on('interrupted', ({ callId, interruptedMs }) => {
        back.set(callId, interruptedMs);
        if (back.size === ids.length) resolve();
      });
    });
    process.kill(bridge.workers()[0]!.pid, 'SIGKILL');
    await allBack;
    await Promise.all(calls.map((call) => talk(call, repeat([0, 18], 3))));
    expect(calls.map(({ b }) => b.received[0]?.ssrc)).toEqual(ssrcs);
    expect(ids.map((callId) => bridge.describeCall(callId).path)).toEqual(
      ids.map(() => 'mediasoup'),
    );
    expect([...back.values()].every((ms) => ms >= 0 && ms < 5_000)).toBe(true);
  });

  it('ends a call whose media cannot be carried on, and says so', async () => {
    const { bridge, edge } = await start();
    const lost = await callOf(bridge, { callId: 'lost', formats: '0' });
    const portIds = [...edge.lastHeard().keys()];
    const kept = await callOf(bridge, { callId: 'kept', formats: '0' });
    await talk(lost, [0]);
    for (const portId of portIds) await edge.closePort(portId);
    const told = once(bridge, 'callLost');
    const back = once(bridge, 'interrupted');
    process.kill(bridge.workers()[0]!.pid, 'SIGKILL');
    expect(await told).toMatchObject([{ callId: 'lost' }]);
    expect(await bridge.closeCall('lost')).toBeUndefined();
    expect(await back).toMatchObject([{ callId: 'kept' }]);
    await talk(kept, [0, 0]);
  });

  it('keeps no call waiting for one that hangs', async () => {
    const { bridge, hung } = await start();
    const pid = bridge.workers()[0]?.pid;
    process.kill(pid!, 'SIGSTOP');
    const call = await callOf(bridge, { formats: '0' });
    await talk(call, repeat([0], 3));
    expect(bridge.describeCall('c1').path).toBe('mediasoup');
    expect(bridge.workers().map((worker) => worker.pid)).not.toContain(pid);
    expect(hung()).toBe(1);
    expect(bridge.problems()).toEqual([]);
  });

  it('goes around mediasoup while no worker can be had, which new calls are refused for', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tandem-worker-'));
    const workerBin = join(dir, 'mediasoup-worker');
    copyFileSync(environment.mediasoupWorker!, workerBin);
    const { bridge, fellBack } = await start(workerBin);
    const call = await callOf(bridge, { formats: '0' });
    await talk(call, repeat([0], 3));
    rmSync(workerBin);
    const interrupted = once(bridge, 'interrupted');
    process.kill(bridge.workers()[0]!.pid, 'SIGKILL');
    await interrupted;
    expect(bridge.describeCall('c1').path).toBe('direct');
    await talk(call, repeat([0], 3));
    await expect(callOf(bridge, { callId: 'c2', formats: '0' })).rejects.toMatchObject({
      code: 'WORKER_LOST',
    });
    await talk(await callOf(bridge, { callId: 'c3', formats: '0', path: 'direct' }), [0, 0]);
    copyFileSync(environment.mediasoupWorker!, workerBin);
    while (bridge.describeCall('c1').path !== 'mediasoup') await delay(20);
    await talk(call, repeat([0], 3));
    expect(fellBack()).toBe(0);
    rmSync(dir, { recursive: true });
  });

  it('does not start at all without a worker to run', async () => {
    await expect(start('/nonexistent/mediasoup-worker')).rejects.toMatchObject({
      code: 'WORKER_LOST',
    });
  });
});

describe('forks', () => {
  const targetOf = (party: RtpParty) => ({ rtp: party.rtpAddress, rtcp: party.rtcpAddress });

  it('give both recorders the identical stream, from the oldest packet on, whatever happens to the worker', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0' });
    const recorders = await Promise.all([newParty(1), newParty(2)]);
    await talk(call, repeat([0], 5));
    const errors = await bridge.startForks(
      recorders.map((recorder, index) => ({
        callId: 'c1',
        recordId: `r${index}`,
        to: { a: targetOf(recorder) },
        from: { a: { kind: 'oldest' } },
        paused: false,
      })),
    );
    expect(errors).toEqual([undefined, undefined]);
    await Promise.all(recorders.map((recorder) => recorder.gets(5)));

    const interrupted = once(bridge, 'interrupted');
    process.kill(bridge.workers()[0]!.pid, 'SIGKILL');
    await call.a.send(call.toA, repeat([0], 20));
    await interrupted;
    await Promise.all(recorders.map((recorder) => recorder.gets(25)));
    const [one, two] = recorders;
    expect(one.raw).toEqual(two.raw);
    expect(one.received.every(({ ssrc }) => ssrc === one.received[0]!.ssrc)).toBe(true);
    expect(one.received[0]!.ssrc).toBe(bridge.recordedStreams('c1')[0]!.ssrc);
    const [stock] = await bridge.takeStock([{ callId: 'c1', retired: 'r0' }]);
    expect(stock).toMatchObject({
      streams: { a: { packets: 25 }, b: { packets: 5 } },
      forks: { a: { sentPackets: 25 } },
    });
    expect(await bridge.stopForks('r0')).toBeUndefined();
  });

  it('tell when a recorder\u2019s ports are closed', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0', path: 'direct' });
    const gone = await RtpParty.create(3);
    const to = { a: targetOf(gone), b: targetOf(gone) };
    gone.close();
    await bridge.startForks([{ callId: 'c1', recordId: 'r1', to, from: {}, paused: false }]);
    const told: string[] = [];
    bridge.on('forkRefused', ({ recordId }) => told.push(recordId));
    const refused = once(bridge, 'forkRefused');
    await talk(call, repeat([0], 10));
    await refused;
    expect(told).toEqual(['r1']);
  });

  it('send nothing while paused', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0', path: 'direct' });
    const recorder = await newParty(4);
    const to = { a: targetOf(recorder) };
    await bridge.startForks([{ callId: 'c1', recordId: 'r1', to, from: {}, paused: false }]);
    await talk(call, repeat([0], 5));
    await recorder.gets(5);
    await bridge.pauseForks('r1');
    await talk(call, repeat([0], 5));
    expect(recorder.received).toHaveLength(5);
    await bridge.resumeForks('r1');
    await talk(call, repeat([0], 5));
    await recorder.gets(10);
    expect(bridge.forkReports('r1').a?.withheld).toHaveLength(1);
  });
});

describe('a stranger', () => {
  it('is counted and not let in', async () => {
    const { bridge } = await start();
    const call = await callOf(bridge, { formats: '0' });
    await talk(call, repeat([0], 3));
    const { createSocket } = await import('node:dgram');
    const stranger = createSocket('udp4');
    stranger.bind(0, '127.0.0.2');
    await once(stranger, 'listening');
    closers.push(() => {
      stranger.close();
    });
    call.b.forget();
    const payload = Buffer.alloc(20);
    const packet = { payloadType: 0, sequence: 1, timestamp: 1, ssrc: 9, marker: false, payload };
    await new Promise((resolve) => {
      stranger.send(encodeRtp(packet), call.toA.port, call.toA.ip, resolve);
    });
    await call.a.send(call.toA, [0, 0]);
    expect((await call.b.gets(2)).length).toBe(2);
    expect(bridge.describeCall('c1').parties.a.report.refused.stranger).toBe(1);
  });
});
