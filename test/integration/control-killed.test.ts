import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { RtpEndpoint } from '../support/rtp-endpoint.ts';
import { TandemProcess } from '../support/tandem-process.ts';

let tandem: TandemProcess;

afterAll(async () => {
  await tandem.dispose();
});

const pidOf = async (role: string, id = role): Promise<number> => {
  const processes = await tandem.processes();
  return processes.find((one) => one.role === role && one.id === id)!.pid;
};

/** SIGKILL; resolves when its successor answers. */
async function killControl(): Promise<void> {
  const pid = await pidOf('control');
  process.kill(pid, 'SIGKILL');
  await tandem.until(
    () => tandem.processes().catch(() => []),
    (processes) => processes.some((one) => one.role === 'control' && one.pid !== pid),
  );
}

/** On the direct path, which tells sooner when something is missing, unless it says otherwise. */
async function recorded(id: string, path = 'direct'): Promise<PlacedCall> {
  const plan = { id, request: { media: { path } } };
  const [call] = await PlacedCall.placeMany(tandem, 1, () => plan);
  return call!;
}

const recordIds = (call: Awaited<ReturnType<PlacedCall['state']>>): string[] =>
  call.recordings.map(({ recordId }) => recordId);

/** All that was said was heard by the other party, once, and is in both recordings. */
async function expectWhole(call: PlacedCall, end = () => call.end()): Promise<void> {
  await call.heardAll();
  const { a, b } = call;
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const heard = to.received.map(({ payload }) => hashPayload(payload));
    expect(heard).toEqual(from.sent.map(({ payload }) => hashPayload(payload)));
    expect(new Set(to.received.map(({ ssrc }) => ssrc)).size).toBe(1);
  }
  const legs = await end();
  expect(legs).toHaveLength(2);
  for (const leg of legs) {
    expect(leg.sessions).toHaveLength(1);
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const { payload } of [...a.sent, ...b.sent]) {
      expect(recorded).toContain(hashPayload(payload));
    }
  }
  const { state } = await call.state();
  expect(state).toBe('ended');
}

describe('control that is killed', () => {
  beforeAll(async () => {
    // It is killed often: that is no reason to wait for it longer each time.
    const supervisor = { restart: { initialMs: 50, maxMs: 50 } };
    tandem = await TandemProcess.start({ media: { workers: 1 }, supervisor });
  });

  it.each(['mediasoup', 'direct'])(
    'is followed by one that goes on with its calls, %s path: same ids, same sessions, no packet lost',
    async (path) => {
      const call = await recorded(path, path);
      const before = await call.state();
      const edge = await pidOf('edge');
      const talk = new AbortController();
      const talking = call.talkUntil(talk.signal);
      await killControl();
      expect(await pidOf('edge')).toBe(edge);
      const after = await tandem.until(
        () => call.state(),
        (state) => state.path === path,
      );
      expect(recordIds(after)).toEqual(recordIds(before));
      expect(after.recordings.map(({ state }) => state)).toEqual(['recording', 'recording']);
      await killControl();
      talk.abort();
      await talking;
      await expectWhole(call);
    },
  );

  it('while a call is offered: its successor takes the answer', async () => {
    const a = await RtpEndpoint.open({ ssrc: 1 });
    const b = await RtpEndpoint.open({ ssrc: 2 });
    const offered = await tandem.api('POST', '/v1/calls', { id: 'offered', offer: a.sdp() });
    await killControl();
    expect(
      await tandem.api('POST', '/v1/calls', { id: 'offered', offer: a.sdp() }).catch(String),
    ).toMatch('CALL_EXISTS');
    await tandem.api('POST', '/v1/calls/offered/answer', { answer: b.sdp() });
    const { recordings } = await tandem.until(
      () => tandem.call('offered'),
      (state) => state.recordings.every((leg) => leg.state === 'recording'),
    );
    expect(recordings).toHaveLength(2);
    expect(offered).toBeDefined();
    await tandem.endCall('offered');
    a.close();
    b.close();
  });

  it('while a call is paused: it stays so, and goes on when it is told to', async () => {
    const call = await recorded('paused');
    await call.talk(20);
    await tandem.api('POST', '/v1/calls/paused/recording', { action: 'pause' });
    await killControl();
    const paused = await call.state();
    expect(paused.recordings.map(({ state }) => state)).toEqual(['paused', 'paused']);
    await call.talk(20);
    await tandem.api('POST', '/v1/calls/paused/recording', { action: 'resume' });
    await call.talk(20);
    await call.heardAll();
    const said = [call.a, call.b].map(({ sent }) =>
      sent.map(({ payload }) => hashPayload(payload)),
    );
    for (const leg of await call.end()) {
      const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
      for (const hashes of said) {
        expect(hashes.map((hash) => recorded.has(hash))).toEqual(
          hashes.map((_, index) => index < 20 || index >= 40),
        );
      }
    }
  });

  it('and a recorder with it: its leg lacks nothing after replay', async () => {
    const call = await recorded('moving');
    const talk = new AbortController();
    const talking = call.talkUntil(talk.signal);
    const before = await call.state();
    const recorder = before.recordings[0]!.sessions[0]!.recorder;
    const recorderPid = await pidOf('recorder', recorder);
    const killed = killControl();
    process.kill(recorderPid, 'SIGKILL');
    await killed;
    await tandem.until(
      () => call.state(),
      ({ recordings }) =>
        recordings.every(({ state }) => state === 'recording') &&
        recordings.some(({ sessions }) => sessions.length > 1),
    );
    talk.abort();
    await talking;
    await call.heardAll();
    await call.hangUp();
    const { recordings } = await call.state();
    for (const leg of recordings) {
      const last = leg.sessions.at(-1)!;
      await call.whole(call.folders({ ...leg, sessions: [last] }));
      const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
      for (const { payload } of [...call.a.sent, ...call.b.sent]) {
        expect(recorded).toContain(hashPayload(payload));
      }
    }
    call.a.close();
    call.b.close();
  });

  it('while a call ends: it has ended, and the recordings are whole', async () => {
    const call = await recorded('ending');
    await call.talk(30);
    await call.heardAll();
    const pid = await pidOf('control');
    const deleted = tandem.request('DELETE', '/v1/calls/ending').catch(() => undefined);
    process.kill(pid, 'SIGKILL');
    await deleted;
    await tandem.until(
      () => tandem.processes().catch(() => []),
      (processes) => processes.some((one) => one.role === 'control' && one.pid !== pid),
    );
    // Killed before it had read that, or while it was at it, or when it had done it.
    await tandem.request('DELETE', '/v1/calls/ending');
    await expectWhole(call, async () => {
      const { recordings } = await tandem.until(
        () => call.state(),
        ({ state }) => state === 'ended',
      );
      await call.whole(recordings.flatMap((leg) => call.folders(leg)));
      return recordings;
    });
    call.a.close();
    call.b.close();
  });

  it('with everything else at once: the next start says what is known of its calls, and nothing is left over', async () => {
    const call = await recorded('last');
    await call.talk(30);
    await call.heardAll();
    const text = await tandem.api<string>('GET', '/metrics');
    expect(text).toMatch(/^tandem_edge_ports 2$/m);
    expect(text).toMatch(/^tandem_edge_forks 4$/m);
    tandem.killAll();
    await once(tandem.child, 'exit');
    tandem = await TandemProcess.start({}, tandem.dir);
    const { recordings } = await tandem.until(
      () => call.state(),
      ({ state }) => state === 'ended',
    );
    expect(recordings).toHaveLength(2);
    expect(await tandem.api<string>('GET', '/metrics')).toMatch(/^tandem_edge_ports 0$/m);
    call.a.close();
    call.b.close();
  });
});
