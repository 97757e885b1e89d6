import { afterEach, describe, expect, it, vi } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import { noMediaSigns } from '../../../src/media/media-signs.ts';
import { count } from '../../../src/rtp/ranges.ts';
import { mediaAddress } from '../../support/bridge-stub.ts';
import { settle } from '../../support/manual-clock.ts';
import { RecordingWorld } from '../../support/recording-world.ts';
import type { WorldOptions } from '../../support/recording-world.ts';
import { mediaOf } from '../../support/session-client-stub.ts';

let world: RecordingWorld;
const refusal = (status: number): TandemError =>
  new TandemError('SESSION_REFUSED', `${status}`, { details: { status } });

async function start(options?: WorldOptions): Promise<RecordingWorld> {
  world = await RecordingWorld.create(options);
  return world;
}

/** Whatever a test did: once its calls are over nothing may be left of them. */
afterEach(() => world.finish());

describe('a leg that begins', () => {
  it('clips nothing while the recorder takes its time to answer', async () => {
    await start();
    world.recorder('r1').answer = 'hold';
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    world.client.answer('r1');
    await world.talk(1_000);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('begins at the answer, not with what was said before', async () => {
    await start();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    await world.talk(400);
    const first = world.next('c1', 'a');
    await world.calls.answer('c1', 'answer');
    await world.talk(400);
    expect(world.has('c1', 1, 'a')[0]).toBe(first);
  });

  it('sends from the start on what a recorder takes that was inactive first', async () => {
    await start();
    world.recorder('r1').answer = 'inactive';
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    world.client.changeMedia('r1', mediaOf(world.recorder('r1')));
    await world.talk(1_000);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('takes the media that a recorder changed together with its answer', async () => {
    await start();
    world.recorder('r1').answer = 'inactive';
    world.client.onAnswered = (recorder, recordId) => {
      world.client.emit('mediaChanged', { recordId, media: mediaOf(recorder) });
    };
    await world.place('c1');
    await world.talk(200);
    expect(world.has('c1', 1, 'a')).toHaveLength(10);
  });

  it('does not settle on a recorder that ends the session as it answers', async () => {
    await start();
    world.client.onAnswered = ({ id }, recordId) => {
      if (id === 'r1') world.client.emit('ended', { recordId, reason: 'srs_bye' });
    };
    await world.place('c1');
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r2' });
  });

  it('does not settle on a recorder that is found to be down as it answers', async () => {
    await start();
    world.client.onAnswered = ({ id }) => {
      if (id === 'r1') world.allocator.markDown('r1', 'sip_closed');
    };
    await world.place('c1');
    const leg = world.leg('c1', 1);
    expect(leg).toMatchObject({ state: 'recording', recorder: 'r2' });
    expect(leg.sessions.map(({ recorder }) => recorder)).toEqual(['r2']);
  });

  it.each([
    ['486', refusal(486)],
    ['503', refusal(503)],
    ['a timeout', new TandemError('SESSION_TIMEOUT', '408')],
  ])('goes to the next recorder after %s', async (_title, answer) => {
    await start();
    world.recorder('r1').answer = answer;
    await world.place('c1');
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r2' });
  });

  it('asks each recorder once, then fails', async () => {
    await start();
    for (const recorder of world.recorders.values()) recorder.answer = refusal(503);
    await world.place('c1', { recording: { mode: 'single' } });
    expect(world.client.invited.slice(0, 4).sort()).toEqual(['r1', 'r2', 'r3', 'r4']);
    expect(world.observed).toContain('leg 1 unrecorded, other is not');
  });

  it('blames no recorder for a fault of our own', async () => {
    await start();
    world.bridge.recordedStreams = () => {
      throw new TandemError('EDGE_FAILED', 'no');
    };
    await world.place('c1');
    expect(world.allocator.list().map(({ state }) => state)).toEqual(['up', 'up', 'up', 'up']);
  });

  it('gives the session up again when the media cannot be sent there', async () => {
    await start();
    world.bridge.startForks = () => {
      throw new TandemError('EDGE_FAILED', 'no');
    };
    await world.place('c1');
    expect(world.client.established.size).toBe(0);
  });

  it('asks nobody and tells nobody while the parties exchange no media, and begins when they do', async () => {
    await start();
    const streams = vi.spyOn(world.bridge, 'recordedStreams').mockReturnValue([]);
    await world.place('c1');
    await world.clock.advance(60_000);
    expect(world.client.invited).toEqual([]);
    expect(world.observed.join()).not.toContain('unrecorded');
    expect(world.leg('c1', 1).state).toBe('selecting');
    await world.calls.reoffer('c1', 'a', 'offer');
    streams.mockRestore();
    await world.calls.answer('c1', 'answer');
    await settle();
    expect([1, 2].map((leg) => world.leg('c1', leg as 1 | 2).state)).toEqual([
      'recording',
      'recording',
    ]);
  });

  it('does not wait for the answer of a recorder that is found to be down', async () => {
    await start();
    world.recorder('r1').answer = 'hold';
    await world.place('c1');
    world.allocator.markDown('r1', 'sip_closed');
    await settle();
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r2' });
  });

  it('holds another recorder when the held one is drained before the call is answered', async () => {
    await start();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    expect(world.leg('c1', 1).recorder).toBe('r1');
    world.allocator.patch('r1', { state: 'draining' });
    expect(world.leg('c1', 1).recorder).toBe('r2');
  });
});

describe('a leg without a recorder', () => {
  const single = { recording: { mode: 'single' } } as const;

  it('tries again, twice as late each time up to the most', async () => {
    await start({ recorders: { r1: 'east' } });
    await world.calls.create({ id: 'c1', offer: 'offer', ...single });
    world.allocator.patch('r1', { state: 'draining' });
    const beganAt = world.clock.now();
    const at: number[] = [];
    const allocate = vi.spyOn(world.allocator, 'allocate').mockImplementation(() => {
      at.push(world.clock.now() - beganAt);
      throw new TandemError('NO_RECORDER', 'none');
    });
    await world.calls.answer('c1', 'answer');
    await world.clock.advance(25_000);
    allocate.mockRestore();
    // Recorders that failed lately are left out first, then asked for.
    const tries = [...new Set(at)];
    const gaps = tries.slice(1).map((value, index) => value - (tries[index] ?? 0));
    expect(gaps).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  });

  it('tries at once when a recorder becomes available', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' } });
    world.allocator.patch('r2', { state: 'draining' });
    world.recorder('r1').answer = refusal(486);
    await world.place('c1', single);
    expect(world.leg('c1', 1).state).toBe('failed');
    world.allocator.patch('r2', { state: 'up' });
    await settle();
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r2' });
  });

  it('raises the alarm once, however often it tries', async () => {
    await start({ recorders: { r1: 'east' } });
    world.recorder('r1').answer = refusal(486);
    await world.place('c1', single);
    await world.clock.advance(20_000);
    expect(world.observed.filter((line) => line.includes('unrecorded'))).toHaveLength(1);
  });

  it('loses nothing when a recorder returns within reach of the ring', async () => {
    await start({ recorders: { r1: 'east' } });
    await world.place('c1', single);
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    await world.talk(3_000);
    expect(world.leg('c1', 1).state).toBe('failed');
    world.recorder('r1').health = 'well';
    await world.talk(6_000);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('says what left the ring in the meantime, and does not ask for it again at the next failover', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' }, ringMs: 1_000 });
    world.allocator.patch('r2', { state: 'draining' });
    await world.place('c1', single);
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    await world.talk(3_000);
    world.recorder('r1').health = 'well';
    await world.talk(10_000);
    const lacking = world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1);
    expect(count(lacking)).toBeGreaterThan(50);
    expect(world.leg('c1', 1).streams.a.lostPackets).toBe(count(lacking));
    world.allocator.patch('r2', { state: 'up' });
    world.client.lose('r1', 'srs_bye');
    await world.talk(1_000);
    expect(world.calls.get('c1').failovers.at(-1)?.replayedPackets).toBeLessThan(
      2 * count(lacking),
    );
  });
});

describe('a leg whose recorder fails', () => {
  it('shows that it is failing over until the next recorder answers', async () => {
    await start();
    await world.place('c1');
    world.recorder('r2').answer = 'hold';
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    await world.talk(40);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'failing-over', recorder: 'r2' });
  });

  it('gets what it missed out of the ring, less the overlap, on the next recorder', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    const refused = world.next('c1', 'a');
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    const { sessions } = world.leg('c1', 1);
    const replayed = world.recorder('r2').received.get(`${sessions.at(-1)?.recordId} a`);
    expect(replayed?.[0]).toBe(refused - 10);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('knows what the dead recorder had when the next one ends the session as it answers', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_000);
    const refused = world.next('c1', 'a');
    world.client.onAnswered = ({ id }, recordId) => {
      if (id === 'r2') world.client.emit('ended', { recordId, reason: 'srs_bye' });
    };
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    const { recorder, sessions } = world.leg('c1', 1);
    expect(sessions.map((session) => session.recorder)).toEqual(['r1', 'r4']);
    const replayed = world.recorder(recorder!).received.get(`${sessions.at(-1)?.recordId} a`);
    expect(replayed?.[0]).toBe(refused - 10);
  });

  it('gets again what the dead recorder had not reported yet: it may have lain unread', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_400);
    const refused = world.next('c1', 'a');
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    const { sessions } = world.leg('c1', 1);
    const replayed = world.recorder('r2').received.get(`${sessions.at(-1)?.recordId} a`);
    // 400 ms since the last report, and the overlap.
    expect(replayed?.[0]).toBeLessThanOrEqual(refused - 20 - 10);
    expect(replayed?.[0]).toBeGreaterThan(refused - 25 - 10);
  });

  it('counts no loss when all of it was replayed', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    expect(world.leg('c1', 1).streams).toMatchObject({
      a: { lostPackets: 0 },
      b: { lostPackets: 0 },
    });
    expect(world.calls.get('c1').failovers).toMatchObject([
      { leg: 1, from: 'r1', to: 'r2', reason: 'icmp', lostPackets: 0 },
    ]);
  });

  it('goes on live without replay, and the loss is what lies between', async () => {
    await start({ settings: { replay: false } });
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    world.recorder('r2').answer = 'hold';
    await world.talk(500);
    world.client.answer('r2');
    await world.talk(1_000);
    const lacking = world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1);
    expect(count(lacking)).toBeGreaterThan(20);
    expect(world.leg('c1', 1).streams.a.lostPackets).toBe(count(lacking));
    expect(world.calls.get('c1').failovers[0]?.lostPackets).toBe(2 * count(lacking));
  });

  it('is not disturbed by a second sign of the same failure', async () => {
    await start();
    await world.place('c1');
    world.recorder('r2').answer = 'hold';
    await world.talk(500);
    world.recorder('r1').health = 'dead';
    await world.talk(20);
    world.client.lose('r1', 'sip_closed');
    world.allocator.markDown('r1', 'sip_closed');
    await world.talk(1_000);
    world.client.answer('r2');
    await world.talk(1_000);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r2' });
    expect(world.calls.get('c1').failovers).toHaveLength(1);
  });

  it('gives the next one all of it when the new recorder is refused ports during the replay', async () => {
    await start();
    await world.place('c1', { recording: { mode: 'single' } });
    const first = world.next('c1', 'a');
    world.recorder('r2').answer = 'hold';
    await world.talk(2_000);
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    world.client.answer('r2');
    await world.talk(200);
    world.recorder('r2').health = 'dead';
    await world.talk(6_000);
    expect(world.leg('c1', 1).sessions).toHaveLength(3);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('gives the next one all of it when the new recorder hangs during the replay', async () => {
    await start();
    for (const recorder of world.recorders.values()) recorder.reportEveryMs = undefined;
    await world.place('c1', { recording: { mode: 'single' } });
    const first = world.next('c1', 'a');
    world.recorder('r2').answer = 'hold';
    await world.talk(2_000);
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    world.client.answer('r2');
    await world.talk(200);
    world.recorder('r2').health = 'hung';
    await world.talk(100);
    world.client.lose('r2', 'sip_closed');
    await world.talk(6_000);
    expect(world.leg('c1', 1).sessions).toHaveLength(3);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('does not go round without a pause among recorders that take it and end it at once', async () => {
    await start();
    await world.place('c1', { recording: { mode: 'single' } });
    await world.talk(1_000);
    for (let round = 0; round < 100; round += 1) {
      for (const id of world.recorders.keys()) world.client.lose(id, 'srs_bye');
      await settle();
    }
    expect(world.client.invited.length).toBeLessThan(10);
    await world.talk(1_000);
    expect(world.leg('c1', 1).state).toBe('recording');
  });

  it('keeps only the last of very many failovers', async () => {
    await start();
    await world.place('c1', { recording: { mode: 'single' } });
    for (let round = 0; round < 120; round += 1) {
      for (const id of world.recorders.keys()) world.client.lose(id, 'srs_bye');
      await world.talk(31_000 - (31_000 % 20));
    }
    expect(world.leg('c1', 1).sessions.length).toBeGreaterThan(100);
    expect(world.calls.get('c1').failovers).toHaveLength(100);
  }, 60_000);
});

describe('a leg whose recorder is doubted', () => {
  it('keeps no other call from it while it answers', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' } });
    await world.place('c1');
    const recordId = world.leg('c1', 1).sessions[0]?.recordId ?? '';
    for (let second = 0; second < 20; second += 1) {
      world.bridge.signs.set(recordId, { ...noMediaSigns, doubtedAt: world.clock.now() });
      await world.talk(300);
      expect(world.allocator.list().map(({ state }) => state)).toEqual(['up', 'up']);
      await world.place(`other-${second}`);
      expect(world.leg(`other-${second}`, 1)).toMatchObject({ state: 'recording' });
      expect(world.leg(`other-${second}`, 2)).toMatchObject({ state: 'recording' });
    }
  });

  it('stays when only the SIP connection ended: receiver reports go on', async () => {
    await start();
    await world.place('c1');
    await world.talk(2_000);
    world.client.lose('r1', 'sip_closed');
    await world.talk(5_000);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r1' });
    expect(world.calls.get('c1').failovers).toEqual([]);
  });

  it('stays when the SIP connection ends in a pause, and moves when OPTIONS are not answered then', async () => {
    await start();
    await world.place('c1');
    await world.talk(2_000);
    await world.during(world.calls.recording('c1', 'pause'));
    await world.talk(3_000);
    world.client.emit('ended', {
      recordId: world.leg('c1', 1).sessions[0]?.recordId ?? '',
      reason: 'sip_closed',
    });
    await world.talk(3_000);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'paused', recorder: 'r1' });
    world.recorder('r1').health = 'hung';
    await world.talk(3_000);
    expect(world.leg('c1', 1).recorder).toBe('r2');
  });

  it('stays when OPTIONS are not answered but receiver reports go on', async () => {
    await start();
    await world.place('c1');
    await world.talk(2_000);
    world.recorder('r1').answersOptions = false;
    await world.talk(5_000);
    expect(world.allocator.list().find(({ id }) => id === 'r1')?.state).toBe('down');
    expect(world.leg('c1', 1).recorder).toBe('r1');
  });

  it('moves when OPTIONS are not answered and the reports stopped, within 1.5 s', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(5_000);
    world.recorder('r1').health = 'hung';
    const hungAt = world.clock.now();
    await world.talk(6_000);
    const [failover] = world.calls.get('c1').failovers;
    expect(failover).toMatchObject({ leg: 1, from: 'r1', reason: 'options_timeout' });
    expect(Date.parse(failover?.at ?? '') - hungAt).toBeLessThanOrEqual(1_500);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('stays with a recorder that refuses a new description: it is alive', async () => {
    await start();
    world.recorder('r1').reportEveryMs = undefined;
    world.recorder('r1').updates = refusal(488);
    await world.place('c1');
    await world.talk(500);
    await world.calls.recording('c1', 'pause');
    await world.calls.recording('c1', 'resume');
    await world.talk(2_000);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r1' });
  });

  it('tells it again what it refused for now', async () => {
    await start();
    await world.place('c1');
    await world.calls.recording('c1', 'pause');
    world.recorder('r1').updates = refusal(503);
    await world.calls.recording('c1', 'resume');
    world.recorder('r1').updates = 'accept';
    world.log.length = 0;
    await world.talk(2_000);
    expect(world.log).toEqual(['told r1 sendonly']);
  });

  it('does not hold the doubt about the old recorder against the one it was handed to', async () => {
    await start();
    for (const recorder of world.recorders.values()) recorder.reportEveryMs = undefined;
    await world.place('c1');
    await world.talk(2_000);
    world.client.lose('r1', 'sip_closed');
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(2_000);
    expect(world.leg('c1', 1).sessions.map(({ recorder }) => recorder)).toEqual(['r1', 'r2']);
  });
});

describe('a leg whose recorder is drained', () => {
  it('has the new session receive before the old one ends', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    world.log.length = 0;
    world.allocator.patch('r1', { state: 'draining' });
    await settle();
    expect(world.log).toEqual(['start r2', 'stop r1', 'bye r1']);
  });

  it('has no gap', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(500);
    world.recorder('r2').answer = 'hold';
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(500);
    world.client.answer('r2');
    await world.talk(500);
    expect(world.leg('c1', 1).recorder).toBe('r2');
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
    expect(world.calls.get('c1').failovers).toMatchObject([
      { from: 'r1', to: 'r2', reason: 'operator', lostPackets: 0 },
    ]);
  });

  it('has no gap when it was still catching up there', async () => {
    await start();
    world.recorder('r1').answer = 'hold';
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(3_000);
    world.client.answer('r1');
    await world.talk(100);
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(4_000);
    expect(world.leg('c1', 1).recorder).toBe('r2');
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('stays while nobody else can take it, and shows no move that did not happen', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' } });
    await world.place('c1');
    await world.talk(500);
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(500);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r1' });
    expect(world.calls.get('c1').failovers).toEqual([]);
  });

  it('moves later, when somebody can', async () => {
    await start({ recorders: { r1: 'east', r2: 'west', r3: 'west' } });
    world.allocator.patch('r3', { state: 'standby' });
    await world.place('c1');
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(500);
    world.allocator.patch('r3', { state: 'up' });
    await world.talk(500);
    expect(world.leg('c1', 1)).toMatchObject({ state: 'recording', recorder: 'r3' });
  });

  it('moves as soon as it is there, if it was being asked', async () => {
    await start();
    world.recorder('r1').answer = 'hold';
    await world.place('c1');
    world.allocator.patch('r1', { state: 'draining' });
    world.client.answer('r1');
    await world.talk(200);
    expect(world.leg('c1', 1).sessions.map(({ recorder }) => recorder)).toEqual(['r1', 'r2']);
  });

  it('fails over when the recorder dies before the other has answered', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(500);
    world.recorder('r2').answer = 'hold';
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(100);
    world.recorder('r1').health = 'dead';
    await world.talk(500);
    world.client.answer('r2');
    await world.talk(2_000);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
    expect(world.calls.get('c1').failovers).toMatchObject([{ to: 'r2', reason: 'icmp' }]);
  });
});

describe('a recorder that does not want a stream for a while', () => {
  it('gets the next packets when it wants it again, and the leg counts what it did not take', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'b');
    await world.talk(500);
    const { ip } = world.recorder('r1');
    world.client.changeMedia('r1', { a: mediaAddress(ip) });
    await world.talk(500);
    world.client.changeMedia('r1', mediaOf(world.recorder('r1')));
    await world.talk(1_000);
    expect(world.lacks('c1', 1, 'b', first, world.next('c1', 'b') - 1)).toEqual([
      { first: first + 25, last: first + 49 },
    ]);
    expect(world.leg('c1', 1).streams.b).toMatchObject({ sentPackets: 75, lostPackets: 25 });
  });
});
