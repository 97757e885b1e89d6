import { pino } from 'pino';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import type { EdgeEvent } from '../../../src/edge/types.ts';
import type { TandemError } from '../../../src/errors.ts';
import { MediaBridge } from '../../../src/media/bridge.ts';
import { parseOffer } from '../../../src/media/sdp.ts';
import { settle } from '../../support/manual-clock.ts';
import { plainSdp, asteriskOffer, linphoneOffer } from '../../support/sdp-samples.ts';
import { ToldEdge } from '../../support/told-edge.ts';

const { media } = parseConfig({ media: { path: 'direct', callsMax: 3 } });
const logger = pino({ level: 'silent' });
const target = (port: number) => ({
  rtp: { ip: '127.0.0.1', port },
  rtcp: { ip: '127.0.0.1', port: port + 1 },
});

let edge: ToldEdge;
let bridge: MediaBridge;
let tell: (event: EdgeEvent) => void;

beforeEach(async () => {
  tell = (event) => {
    bridge.handleEdgeEvent(event);
  };
  edge = new ToldEdge((event) => {
    tell(event);
  });
  const { clock } = edge;
  bridge = await MediaBridge.create({ edge, config: media, workerBin: undefined, clock, logger });
});

const openCall = (callId = 'c1', offer = plainSdp({ port: 4_000 })) =>
  bridge.openCall({ callId, offer, path: 'mediasoup', latch: 'announced' });

async function answeredCall(callId = 'c1'): Promise<void> {
  await openCall(callId, plainSdp({ port: 4_000, formats: '0 8 13' }));
  await bridge.answerCall(callId, plainSdp({ port: 6_000, formats: '0 13' }));
}

const audioOf = (sdp: string) => parseOffer(sdp, { first: false }).audio;
const portId = { a: 1, b: 2 };

describe('a call', () => {
  it('offers b\u2019s port to b and answers a with a\u2019s port', async () => {
    const { offer } = await openCall();
    expect(audioOf(offer).rtp).toEqual({ ip: '127.0.0.1', port: 20_004 });
    const { answer } = await bridge.answerCall('c1', plainSdp({ port: 6_000 }));
    expect(audioOf(answer).rtp).toEqual({ ip: '127.0.0.1', port: 20_002 });
    expect(bridge.describeCall('c1')).toMatchObject({
      path: 'direct',
      parties: {
        a: { local: { port: 20_002 }, remote: { port: 4_000 } },
        b: { local: { port: 20_004 }, remote: { port: 6_000 } },
      },
    });
  });

  it('knows a before the answer, and lets media flow from the answer on', async () => {
    await openCall();
    expect(edge.remotes.get(portId.a)).toMatchObject({ rtp: { port: 4_000 }, send: true });
    expect(edge.remotes.has(portId.b)).toBe(false);
    expect(edge.routes.size).toBe(0);
    await bridge.answerCall('c1', plainSdp({ port: 6_000 }));
    expect(edge.remotes.get(portId.b)).toEqual({
      ...target(6_000),
      send: true,
      clockRates: { 0: 8_000 },
    });
    expect(edge.routes.get(portId.a)).toEqual({ kind: 'direct', peerPortId: portId.b });
    expect(edge.routes.get(portId.b)).toEqual({ kind: 'direct', peerPortId: portId.a });
  });

  it('takes muxed RTCP on each side by itself', async () => {
    await openCall('c1', plainSdp({ attributes: ['rtcp-mux'] }));
    const { answer } = await bridge.answerCall('c1', plainSdp({ port: 6_000 }));
    expect(audioOf(answer).rtcpMux).toBe(true);
    expect(edge.remotes.get(portId.a)?.rtcp.port).toBe(4_000);
    expect(edge.remotes.get(portId.b)?.rtcp.port).toBe(6_001);
  });

  it('has no media when b refuses it', async () => {
    await openCall();
    const { answer } = await bridge.answerCall('c1', plainSdp({ port: 0 }));
    expect(audioOf(answer).active).toBe(false);
    expect(edge.routes.get(portId.a)).toEqual({ kind: 'none' });
    expect(bridge.recordedStreams('c1')).toEqual([]);
  });

  it('answers video that a had refused with port 0, in its place', async () => {
    await openCall('c1', linphoneOffer);
    const b = `${plainSdp({ formats: '0' })}m=video 0 RTP/AVP 96\r\n`;
    const { answer } = await bridge.answerCall('c1', b);
    expect(answer.match(/^m=.*$/gm)).toEqual(['m=audio 20002 RTP/AVP 0', 'm=video 0 RTP/AVP 96']);
  });

  it('tells what to record: negotiated payload types under the stable SSRC', async () => {
    await openCall('c1', asteriskOffer);
    await bridge.answerCall('c1', plainSdp({ formats: '18 101', attributes: ['ptime:30'] }));
    expect(bridge.recordedStreams('c1')).toMatchObject([
      {
        party: 'a',
        index: 0,
        ssrc: 1_001,
        ptimeMs: 30,
        payloads: [{ encodingName: 'G729', fmtp: 'annexb=no' }, { payloadType: 101 }],
      },
      { party: 'b', index: 1, ssrc: 1_002, ptimeMs: 20 },
    ]);
  });

  it('is described together with others, in few visits to the edge', async () => {
    for (const id of ['c1', 'c2', 'c3']) await openCall(id);
    edge.visits.length = 0;
    const asked = ['c2', 'none', ...Array.from({ length: 40 }, () => 'c1')];
    const media = bridge.describeCalls(asked);
    expect(media.map((one) => one?.callId)).toEqual(['c2', undefined, ...asked.slice(2)]);
    expect(media[0]?.parties.b.report.ssrc).toBe(1_004);
    expect(edge.visits).toEqual([64, 18]);
    expect(bridge.describeCalls([])).toEqual([]);
  });

  it('tells when each party was last heard', async () => {
    await answeredCall('c1');
    await answeredCall('c2');
    const begin = edge.clock.now();
    for (const heard of [1, 4, 1]) {
      await edge.pass(10);
      edge.hear(heard, 1);
    }
    expect(bridge.lastHeard()).toEqual(
      new Map([
        ['c1', { a: begin + 30, b: 0 }],
        ['c2', { a: 0, b: begin + 20 }],
      ]),
    );
  });

  it('ends once, with the last account, and frees its ports', async () => {
    await answeredCall();
    const [media, again] = await Promise.all([bridge.closeCall('c1'), bridge.closeCall('c1')]);
    expect(media).toMatchObject({ callId: 'c1', parties: { a: {}, b: {} } });
    expect(again).toBeUndefined();
    expect(edge.ports).toBe(0);
  });
});

describe('a call that cannot be', () => {
  it('frees what it took when the second port fails', async () => {
    edge.limits.portsMax = 1;
    await expect(openCall()).rejects.toMatchObject({ code: 'NO_PORT' });
    expect(edge.ports).toBe(0);
    expect(() => bridge.describeCall('c1')).toThrow(
      expect.objectContaining({ code: 'CALL_NOT_FOUND' }),
    );
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['the same id', () => openCall('c1'), 'CALL_EXISTS'],
    ['another address family', () => openCall('c2', plainSdp({ ip: '::1' })), 'SDP_INVALID'],
    ['no SDP', () => openCall('c2', 'hello'), 'SDP_INVALID'],
    ['an answer to no call', () => bridge.answerCall('c9', plainSdp({})), 'CALL_NOT_FOUND'],
    ['a second answer', () => bridge.answerCall('c1', plainSdp({})), 'ANSWER_ALREADY_GIVEN'],
    ['a re-offer to no call', () => bridge.reofferCall('c9', 'a', ''), 'CALL_NOT_FOUND'],
  ])('is refused: %s', async (_, act, code) => {
    await answeredCall();
    await expect(act()).rejects.toMatchObject({ code });
    expect(edge.ports).toBe(2);
  });

  it('is refused beyond the most that are carried, those that are being opened counted', async () => {
    const opened = ['c1', 'c2', 'c3', 'c3', 'c4'].map((id) => openCall(id));
    const codes = (await Promise.allSettled(opened)).map((one) =>
      one.status === 'rejected' ? (one.reason as TandemError).code : 'opened',
    );
    expect(codes).toEqual(['opened', 'opened', 'opened', 'CALL_EXISTS', 'CALL_LIMIT']);
    expect(edge.ports).toBe(6);
  });

  it('frees what it took when it is closed while its ports are being opened', async () => {
    const opened = openCall();
    expect(await bridge.closeCall('c1')).toBeUndefined();
    await expect(opened).rejects.toMatchObject({ code: 'CALL_NOT_FOUND' });
    expect(edge.ports).toBe(0);
  });

  it('can still be answered after an answer that was refused', async () => {
    await openCall();
    const stranger = bridge.answerCall('c1', plainSdp({ formats: '8' }));
    await expect(stranger).rejects.toMatchObject({ code: 'SDP_INVALID' });
    await expect(bridge.answerCall('c1', plainSdp({}))).resolves.toBeDefined();
  });
});

describe('a re-offer', () => {
  it('changes nothing until it is answered, then moves the party', async () => {
    await answeredCall();
    await bridge.reofferCall('c1', 'b', plainSdp({ port: 6_500 }));
    expect(edge.remotes.get(portId.b)?.rtp.port).toBe(6_000);
    await bridge.answerCall('c1', plainSdp({ port: 4_000 }));
    expect(edge.remotes.get(portId.b)?.rtp.port).toBe(6_500);
    expect(edge.routes.get(portId.b)).toEqual({ kind: 'direct', peerPortId: portId.a });
  });

  it('keeps the session of each side and counts its versions up', async () => {
    const { offer } = await openCall();
    const { answer } = await bridge.answerCall('c1', plainSdp({ port: 6_000 }));
    const hold = await bridge.reofferCall('c1', 'a', plainSdp({ attributes: ['sendonly'] }));
    const held = await bridge.answerCall('c1', plainSdp({ attributes: ['recvonly'] }));
    const origin = (sdp: string) => /o=- (\d+) (\d+) /.exec(sdp)!.slice(1);
    expect(origin(hold.offer)).toEqual([origin(offer)[0], '2']);
    expect(origin(held.answer)).toEqual([origin(answer)[0], '2']);
    expect(origin(offer)[0]).not.toBe(origin(answer)[0]);
  });

  it.each([
    ['sendonly', 'recvonly', false, true],
    ['inactive', 'inactive', false, false],
    ['sendrecv', 'sendrecv', true, true],
  ])('%s, answered with %s, decides who is sent to', async (offered, answered, toA, toB) => {
    await answeredCall();
    const { offer } = await bridge.reofferCall('c1', 'a', plainSdp({ attributes: [offered] }));
    expect(audioOf(offer).direction).toBe(offered);
    const { answer } = await bridge.answerCall('c1', plainSdp({ attributes: [answered] }));
    expect(audioOf(answer).direction).toBe(answered);
    expect(edge.remotes.get(portId.a)?.send).toBe(toA);
    expect(edge.remotes.get(portId.b)?.send).toBe(toB);
  });

  it('holds by 0.0.0.0, and remembers where the party was', async () => {
    await answeredCall();
    await bridge.reofferCall('c1', 'a', plainSdp({ ip: '0.0.0.0', port: 4_000 }));
    await bridge.answerCall('c1', plainSdp({ port: 6_000 }));
    expect(edge.remotes.get(portId.a)).toMatchObject({
      rtp: { ip: '127.0.0.1', port: 4_000 },
      send: false,
    });
  });

  it('replaces the same party\u2019s pending one; the other party\u2019s is glare', async () => {
    await answeredCall();
    await bridge.reofferCall('c1', 'a', plainSdp({ port: 4_100 }));
    await bridge.reofferCall('c1', 'a', plainSdp({ port: 4_200 }));
    const glare = bridge.reofferCall('c1', 'b', plainSdp({ port: 6_100 }));
    await expect(glare).rejects.toMatchObject({ code: 'CALL_STATE' });
    await bridge.answerCall('c1', plainSdp({ port: 6_000 }));
    expect(edge.remotes.get(portId.a)?.rtp.port).toBe(4_200);
  });

  it('that is rejected leaves all as it was, and makes way for one of the other party', async () => {
    await answeredCall();
    await bridge.reofferCall('c1', 'a', plainSdp({ port: 4_100 }));
    await bridge.cancelReoffer('c1');
    expect(edge.remotes.get(portId.a)?.rtp.port).toBe(4_000);
    await bridge.reofferCall('c1', 'b', plainSdp({ port: 6_100 }));
    await bridge.answerCall('c1', plainSdp({ port: 4_000 }));
    expect(edge.remotes.get(portId.b)?.rtp.port).toBe(6_100);
    await expect(bridge.cancelReoffer('c1')).rejects.toMatchObject({ code: 'CALL_STATE' });
  });

  it('is too early before the first answer', async () => {
    await openCall();
    const early = bridge.reofferCall('c1', 'a', plainSdp({}));
    await expect(early).rejects.toMatchObject({ code: 'CALL_STATE' });
  });
});

describe('forks', () => {
  const to = { a: target(7_000), b: target(7_002) };
  const forks = (recordId: string) => ({
    ...{ callId: 'c1', recordId, to, from: {}, paused: false },
  });
  const start = (recordId: string) => bridge.startForks([forks(recordId)]);
  const portOf = (party: 'a' | 'b') => ({ port: { opened: { portId: portId[party] } } });
  const forkOf = (port: number) => edge.forks.find(({ rtp }) => rtp.port === port)?.id ?? -1;

  beforeEach(async () => {
    await answeredCall();
  });

  it('copies each party\u2019s stream to where the recorder wants it', async () => {
    await start('r1');
    expect(edge.forks).toMatchObject([
      { ...portOf('a'), streamIndex: 0, rtp: { port: 7_000 }, state: 'live' },
      { ...portOf('b'), streamIndex: 1, rtp: { port: 7_002 }, state: 'live' },
    ]);
    expect(Object.keys(bridge.forkReports('r1'))).toEqual(['a', 'b']);
  });

  it('starts all or none', async () => {
    edge.limits.forksMax = 1;
    expect(await start('r1')).toEqual([expect.objectContaining({ code: 'EDGE_FAILED' })]);
    expect(edge.forks).toEqual([]);
    edge.limits.forksMax = 2;
    expect(await start('r1')).toEqual([undefined]);
  });

  it('starts the forks of many sessions, each once, and says which it could not', async () => {
    await start('r1');
    edge.limits.forksMax = 5;
    const only = { ...forks('r4'), to: { b: target(7_102) } };
    const errors = await bridge.startForks([
      forks('r1'),
      { ...forks('r2'), to: { a: target(7_200), b: target(7_202) } },
      { ...forks('r3'), callId: 'none' },
      only,
      { ...forks('r5'), to: { a: target(7_300), b: target(7_302) } },
    ]);
    expect(errors).toMatchObject([
      undefined,
      undefined,
      { code: 'CALL_NOT_FOUND' },
      undefined,
      { code: 'EDGE_FAILED' },
    ]);
    expect(edge.forks).toHaveLength(5);
    expect(Object.keys(bridge.forkReports('r2'))).toEqual(['a', 'b']);
    expect(Object.keys(bridge.forkReports('r4'))).toEqual(['b']);
    expect(bridge.forkReports('r5')).toEqual({});
  });

  it('takes stock of many calls: their streams, and what was stopped', async () => {
    await start('r1');
    await bridge.startForks([{ ...forks('r2'), to: { b: target(7_102) } }]);
    const ssrc = { a: 1_000 + portId.a, b: 1_000 + portId.b };
    const streams = { a: { ssrc: ssrc.a }, b: { ssrc: ssrc.b } };
    const [first, second, third, fourth] = await bridge.takeStock([
      { callId: 'c1', retired: 'r1' },
      { callId: 'none', retired: undefined },
      { callId: 'c1', retired: 'r2' },
      { callId: 'c1', retired: 'r1' },
    ]);
    expect(first).toMatchObject({ streams, forks: { a: {}, b: {} } });
    expect(second).toBeUndefined();
    expect(Object.keys(third?.forks ?? {})).toEqual(['b']);
    expect(fourth).toMatchObject({ streams, forks: undefined });
    expect(edge.forks).toEqual([]);
  });

  it('takes stock with what had arrived by a time, where that is asked', async () => {
    const begin = edge.clock.now();
    for (const sequence of [1, 2, 3]) {
      edge.hear(portId.a, sequence);
      await edge.pass(20);
    }
    const [at, never, none] = await bridge.takeStock([
      { callId: 'c1', retired: undefined, at: begin + 20 },
      { callId: 'c1', retired: undefined, at: begin + 41 },
      { callId: 'c1', retired: undefined },
    ]);
    expect(at?.arrivedAt).toEqual({ a: 65_538 });
    expect(never?.arrivedAt).toEqual({ a: 65_540 });
    expect(none).not.toHaveProperty('arrivedAt');
  });

  it('show the signs of each of a session\u2019s streams', async () => {
    await start('r1');
    const [a, b] = [forkOf(7_000), forkOf(7_002)];
    edge.signs.set(a, { reportedAt: 5, receiverReports: 2, sentSinceReport: 9, sendingSince: 40 });
    edge.signs.set(b, { reportedAt: 8, fractionLost: 0.5, sendingSince: 30, doubtedAt: 7 });
    expect(bridge.mediaSigns().get('r1')).toEqual({
      streams: {
        a: {
          ...{ reportedAt: 5, receiverReports: 2, fractionLost: 0 },
          ...{ sentSinceReport: 9, sendingSince: 40 },
        },
        b: {
          ...{ reportedAt: 8, receiverReports: 0, fractionLost: 0.5 },
          ...{ sentSinceReport: 0, sendingSince: 30 },
        },
      },
      ...{ refusedAt: 0, doubtedAt: 7, unsendableAt: 0 },
    });
    edge.signs.set(b, { refusedAt: 6, unsendableAt: 9 });
    expect(bridge.mediaSigns().get('r1')).toMatchObject({
      ...{ refusedAt: 6, unsendableAt: 9 },
    });
  });

  it('hold nothing against a recorder for a stream that it does not want', async () => {
    await start('r1');
    edge.signs.set(forkOf(7_000), { refusedAt: 6, sendingSince: 10 });
    await bridge.retargetForks('r1', { b: target(7_002) }, {});
    expect(bridge.mediaSigns().get('r1')).toEqual({
      streams: { b: expect.any(Object) as object },
      ...{ refusedAt: 0, doubtedAt: 0, unsendableAt: 0 },
    });
  });

  it('follows a recorder that moves one stream and refuses the other', async () => {
    await start('r1');
    await bridge.retargetForks('r1', { b: target(7_102) }, {});
    expect(edge.forks).toMatchObject([
      { ...portOf('a'), state: 'paused' },
      { ...portOf('b'), rtp: { port: 7_102 }, state: 'live' },
    ]);
    await bridge.retargetForks('r1', { a: target(7_200), b: target(7_102) }, {});
    expect(edge.forks).toMatchObject([
      { ...portOf('a'), rtp: { port: 7_200 }, state: 'live' },
      { ...portOf('b'), state: 'live' },
    ]);
  });

  it('keeps a stream that comes in later as paused as the rest', async () => {
    await start('r1');
    await bridge.pauseForks('r1');
    await bridge.retargetForks('r1', { a: target(7_000) }, {});
    await bridge.retargetForks('r1', { a: target(7_000), b: target(7_002) }, {});
    expect(edge.forks.map(({ state }) => state)).toEqual(['paused', 'paused']);
    await bridge.resumeForks('r1');
    expect(edge.forks.map(({ state }) => state)).toEqual(['live', 'live']);
  });

  it('tells of a refusal once a recording session', async () => {
    await start('r1');
    const told: unknown[] = [];
    bridge.on('forkRefused', (event) => told.push(event));
    // Nobody is there.
    edge.hear(portId.a, 1);
    await edge.pass(10);
    const at = edge.clock.now();
    edge.hear(portId.b, 1);
    await edge.pass(10);
    expect(bridge.mediaSigns().get('r1')?.refusedAt).toBeGreaterThan(0);
    expect(told).toEqual([{ recordId: 'r1', at: expect.any(Number) as number }]);
    expect((told[0] as { at: number }).at).toBeLessThan(at);
  });

  it('end once, with their reports', async () => {
    await start('r1');
    expect(Object.keys((await bridge.stopForks('r1')) ?? {})).toEqual(['a', 'b']);
    expect(await bridge.stopForks('r1')).toBeUndefined();
    expect(bridge.forkReports('r1')).toEqual({});
  });

  describe('that are ended', () => {
    const endAll = async (): Promise<() => boolean> => {
      let isOver = false;
      await bridge.endForks('r1');
      void bridge.finalReports('r1').then(() => (isOver = true));
      await settle();
      return () => isOver;
    };
    /** The recorder's last report of one packet that the party said. */
    const report = async (party: 'a' | 'b'): Promise<void> => {
      const { rtcp } = edge.legAddress(0, party === 'a' ? 0 : 1);
      edge.network.send(to[party].rtcp, rtcp, {
        ...{ kind: 'rr', ssrc: 1_000 + portId[party], highestSequence: 1, cumulativeLost: 0 },
        lastSenderReport: 0,
      });
      await edge.pass(10);
    };

    it('wait for no recorder that was sent nothing', async () => {
      await start('r1');
      const { a, b } = await bridge.endForks('r1');
      await bridge.finalReports('r1');
      expect([a?.state, b?.state]).toEqual(['ended', 'ended']);
    });

    it('wait for the final reports of those that were sent something', async () => {
      await start('r1');
      edge.hear(portId.a, 1);
      edge.hear(portId.b, 1);
      const isOver = await endAll();
      await report('a');
      expect(isOver()).toBe(false);
      await report('b');
      expect(isOver()).toBe(true);
    });

    it('wait for them also when the edge\u2019s event is lost', async () => {
      await start('r1');
      edge.hear(portId.a, 1);
      tell = () => undefined;
      const isOver = await endAll();
      await edge.pass(1_000);
      expect(isOver()).toBe(false);
      await report('a');
      await edge.pass(1_000);
      expect(isOver()).toBe(true);
      const asked = vi.spyOn(edge, 'forkSigns');
      await edge.pass(10_000);
      expect(asked).not.toHaveBeenCalled();
    });

    it('wait no more when they are stopped, or their call is closed', async () => {
      for (const stop of [() => bridge.stopForks('r1'), () => bridge.closeCall('c1')]) {
        await start('r1');
        edge.hear(portId.a, 1);
        const isOver = await endAll();
        expect(isOver()).toBe(false);
        await stop();
        await settle();
        expect(isOver()).toBe(true);
      }
    });
  });

  it('end with their call', async () => {
    await start('r1');
    await bridge.closeCall('c1');
    expect(await bridge.stopForks('r1')).toBeUndefined();
  });

  describe('of an edge that takes its time', () => {
    const told = (orders: readonly Promise<unknown>[]): string[] => {
      const answers: string[] = [];
      for (const [index, order] of orders.entries()) {
        order.then(
          () => answers.push(`${index}`),
          () => answers.push(`${index} failed`),
        );
      }
      return answers;
    };

    beforeEach(() => {
      edge.slow([10, 10, 10, 10, 10, 10, 10, 10]);
    });

    it('are ordered about while it is at it, in the order of the orders', async () => {
      const answers = told([
        start('r1'),
        bridge.pauseForks('r1'),
        bridge.resumeForks('r1'),
        bridge.retargetForks('r1', { b: target(7_102) }, {}),
        bridge.pauseForks('r1'),
        bridge.endForks('r1'),
        bridge.stopForks('r1'),
      ]);
      await edge.pass(1_000);
      expect([...answers].sort()).toEqual(['0', '1', '2', '3', '4', '5', '6']);
      expect(edge.forks).toEqual([]);
    });

    it('are as the last order wants that came while they were being started', async () => {
      const orders = [start('r1'), bridge.pauseForks('r1'), bridge.resumeForks('r1')];
      const answers = told([...orders, bridge.pauseForks('r1')]);
      await edge.pass(1_000);
      expect(answers).toEqual(['0', '1', '2', '3']);
      expect(edge.forks.map(({ state }) => state)).toEqual(['paused', 'paused']);
    });

    it('are stopped though they are only being started', async () => {
      const started = start('r1');
      const stopped = bridge.stopForks('r1');
      await edge.pass(1_000);
      expect(await started).toEqual([undefined]);
      expect(Object.keys((await stopped) ?? {})).toEqual(['a', 'b']);
      expect([edge.forks, bridge.forkReports('r1')]).toEqual([[], {}]);
    });

    it('are not there after their call was closed while they were being started', async () => {
      const answers = told([start('r1'), bridge.closeCall('c1'), bridge.pauseForks('r1')]);
      await edge.pass(1_000);
      expect([...answers].sort()).toEqual(['0', '1', '2']);
      expect([edge.forks, edge.ports]).toEqual([[], 0]);
    });

    it('have stopped for good when a pause is answered that came after it', async () => {
      const started = start('r1');
      await edge.pass(100);
      await started;
      const order: string[] = [];
      void bridge.takeStock([{ callId: 'c1', retired: 'r1' }]).then(() => order.push('stopped'));
      void bridge.pauseForks('r1').then(() => order.push('paused'));
      await settle();
      expect(order).toEqual([]);
      await edge.pass(1_000);
      expect(order).toEqual(['stopped', 'paused']);
    });
  });
});

describe('calls of another process', () => {
  const records = new Map<string, unknown>();
  const keeper = {
    put: (kind: string, id: string, data: object) => {
      records.set(`${kind} ${id}`, JSON.parse(JSON.stringify(data)));
    },
    remove: (kind: string, id: string) => {
      records.delete(`${kind} ${id}`);
    },
  };
  const of = (kind: string): never[] =>
    [...records].flatMap(([key, data]) => (key.startsWith(`${kind} `) ? [data as never] : []));
  const options = () => ({
    ...{ edge, config: media, workerBin: undefined, clock: edge.clock, logger, keeper },
  });

  async function successor() {
    const next = await MediaBridge.create(options());
    const stored = { media: of('media'), forks: of('forks') };
    const adoption = await next.adopt(stored, await edge.inventory());
    return { next, adoption };
  }

  beforeEach(async () => {
    records.clear();
    bridge = await MediaBridge.create(options());
  });

  it('go on: descriptions, an offer that waits, copies by their session', async () => {
    await answeredCall();
    const start = { callId: 'c1', recordId: 'rs-1', from: {}, paused: false };
    await bridge.startForks([{ ...start, to: { a: target(7_000), b: target(7_002) } }]);
    const { offer } = await bridge.reofferCall('c1', 'a', plainSdp({ port: 4_100 }));
    const { next, adoption } = await successor();
    expect(adoption).toEqual({ calls: 1, callsLost: 0, portsClosed: 0, forksRemoved: 0 });
    expect(next.recordedStreams('c1')).toEqual(bridge.recordedStreams('c1'));
    expect(next.describeCall('c1')).toEqual(bridge.describeCall('c1'));
    expect(Object.keys(next.forkReports('rs-1'))).toEqual(['a', 'b']);
    // The same description, so that the other party sees nothing new.
    expect((await next.reofferCall('c1', 'a', plainSdp({ port: 4_100 }))).offer).toBe(offer);
    await next.answerCall('c1', plainSdp({ port: 6_000 }));
    expect(edge.remotes.get(portId.a)?.rtp.port).toBe(4_100);
    await next.stopForks('rs-1');
    await next.closeCall('c1');
    expect([edge.ports, edge.forks.length, records.size]).toEqual([0, 0, 0]);
  });

  it('finds the copies that the edge had not named before, by where they go', async () => {
    await answeredCall();
    const to = { a: target(7_000), b: target(7_002) };
    edge.slow([0, 0]);
    void bridge.startForks([{ callId: 'c1', recordId: 'rs-1', to, from: {}, paused: false }]);
    expect(of('forks')).toMatchObject([{ forkIds: {} }]);
    const waiting = successor();
    await edge.pass(5);
    const { next } = await waiting;
    expect(Object.keys(next.forkReports('rs-1'))).toEqual(['a', 'b']);
  });

  it('does not tell a copy to go where it goes: what was reported of it would be forgotten', async () => {
    await answeredCall();
    const to = { a: target(7_000) };
    await bridge.startForks([{ callId: 'c1', recordId: 'rs-1', to, from: {}, paused: false }]);
    const { next } = await successor();
    const told = vi.spyOn(edge, 'setForkTarget');
    await next.retargetForks('rs-1', to, {});
    expect(told).not.toHaveBeenCalled();
    await next.retargetForks('rs-1', { a: target(7_100) }, {});
    expect(told).toHaveBeenCalledTimes(1);
  });

  it('are lost where the edge does not have their ports; what no call has is closed', async () => {
    await answeredCall('c1');
    await answeredCall('c2');
    const to = { a: target(7_000) };
    await bridge.startForks([{ callId: 'c1', recordId: 'rs-1', to, from: {}, paused: false }]);
    records.delete('forks rs-1');
    records.delete('media c2');
    records.set('media c3', { ...(records.get('media c1') as object), callId: 'c3' });
    const gone = records.get('media c3') as { ports: { a: { opened: { portId: number } } } };
    gone.ports.a.opened.portId = 99;
    records.set('media c3', structuredClone(gone));
    records.set('media c1', JSON.parse(JSON.stringify({ ...gone, callId: 'c1' })));
    (records.get('media c1') as typeof gone).ports.a.opened.portId = portId.a;
    const { next, adoption } = await successor();
    expect(adoption).toEqual({ calls: 1, callsLost: 1, portsClosed: 2, forksRemoved: 1 });
    expect([edge.ports, edge.forks.length]).toEqual([2, 0]);
    expect(next.pathOf('c3')).toBeUndefined();
    expect(of('media')).toHaveLength(1);
  });
});
