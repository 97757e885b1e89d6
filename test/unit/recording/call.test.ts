import { afterEach, describe, expect, it, vi } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import { settle } from '../../support/manual-clock.ts';
import { RecordingWorld } from '../../support/recording-world.ts';
import type { WorldOptions } from '../../support/recording-world.ts';

let world: RecordingWorld;

async function start(options?: WorldOptions): Promise<RecordingWorld> {
  world = await RecordingWorld.create(options);
  return world;
}

afterEach(() => world.finish());

describe('answering', () => {
  it('twice is refused', async () => {
    await start();
    await world.place('c1');
    await expect(world.calls.answer('c1', 'answer')).rejects.toMatchObject({
      code: 'ANSWER_ALREADY_GIVEN',
    });
  });

  it('before the offer of a re-offer that cannot be is refused', async () => {
    await start();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    await expect(world.calls.reoffer('c1', 'a', 'offer')).rejects.toMatchObject({
      code: 'ANSWER_BEFORE_OFFER',
    });
  });

  it('a re-offer tells both recorders of the streams as they are now', async () => {
    await start();
    await world.place('c1');
    await world.calls.reoffer('c1', 'b', 'offer');
    world.log.length = 0;
    await world.calls.answer('c1', 'answer');
    await settle();
    expect(world.log).toEqual(['told r1 sendonly', 'told r3 sendonly']);
  });

  it('a re-offer of a paused call keeps the recorders told that it is paused', async () => {
    await start();
    await world.place('c1');
    await world.calls.recording('c1', 'pause');
    await world.calls.reoffer('c1', 'b', 'offer');
    world.log.length = 0;
    await world.calls.answer('c1', 'answer');
    await settle();
    expect(world.log).toEqual(['told r1 inactive', 'told r3 inactive']);
  });

  it('with what flows while the bridge is still at it, is recorded from the first packet', async () => {
    await start();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    const first = world.next('c1', 'a');
    const { bridge } = world;
    const answerCall = bridge.answerCall.bind(bridge);
    bridge.answerCall = async (callId, answer) => {
      await world.talk(100);
      return answerCall(callId, answer);
    };
    await world.calls.answer('c1', 'answer');
    await world.talk(500);
    expect(world.has('c1', 1, 'a')[0]).toBe(first);
  });
});

describe('rejecting', () => {
  it('a re-offer takes the call back to where it was', async () => {
    await start();
    await world.place('c1');
    await world.calls.reoffer('c1', 'b', 'offer');
    await world.calls.rejectReoffer('c1');
    expect(world.calls.get('c1').state).toBe('answered');
    await world.calls.reoffer('c1', 'a', 'offer');
    expect(world.calls.get('c1').state).toBe('reoffered');
  });

  it('is refused where no re-offer waits', async () => {
    await start();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    const refusal = { code: 'CALL_STATE' };
    await expect(world.calls.rejectReoffer('c1')).rejects.toMatchObject(refusal);
    await world.calls.answer('c1', 'answer');
    await expect(world.calls.rejectReoffer('c1')).rejects.toMatchObject(refusal);
  });
});

describe('the recording of a call', () => {
  it('has new record ids when it was stopped and started again', async () => {
    await start();
    await world.place('c1');
    const before = [1, 2].map((leg) => world.leg('c1', leg as 1 | 2).recordId);
    await world.calls.recording('c1', 'stop');
    await world.calls.recording('c1', 'start');
    const after = [1, 2].map((leg) => world.leg('c1', leg as 1 | 2).recordId);
    expect(new Set([...before, ...after]).size).toBe(4);
  });

  it('cannot be paused when it was stopped', async () => {
    await start();
    await world.place('c1');
    await world.calls.recording('c1', 'stop');
    await expect(world.calls.recording('c1', 'pause')).rejects.toMatchObject({
      code: 'RECORDING_OFF',
    });
  });

  it('accounts for each leg once, also when it was stopped before the call ended', async () => {
    await start();
    await world.place('c1');
    await world.calls.recording('c1', 'stop');
    await world.calls.delete('c1');
    expect(world.observed.filter((line) => line.includes('ended -'))).toEqual([
      'leg 1 ended -0',
      'leg 2 ended -0',
    ]);
  });

  it('that cannot start for want of recorders leaves the stopped one to be read', async () => {
    await start({ recorders: { r1: 'east' } });
    await world.place('c1', { recording: { mode: 'single' } });
    await world.calls.recording('c1', 'stop');
    world.allocator.patch('r1', { state: 'standby' });
    await expect(world.calls.recording('c1', 'start')).rejects.toMatchObject({
      code: 'NO_RECORDER',
    });
    expect(world.leg('c1', 1).state).toBe('ended');
  });

  it('is not begun where it is off, and nobody is asked', async () => {
    await start();
    await world.place('c1', { recording: { mode: 'off' } });
    await world.talk(100);
    expect(world.client.invited).toEqual([]);
  });
});

describe('the end of a call', () => {
  it('before the answer frees everything', async () => {
    await start();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    await world.calls.delete('c1');
    expect(world.left()).toMatchObject({ ports: 0, allocations: 0 });
  });

  it('while its ports are being opened waits for them and frees them', async () => {
    await start();
    const opening = Promise.withResolvers<undefined>();
    world.bridge.opening = opening.promise;
    const created = world.calls.create({ id: 'c1', offer: 'offer' });
    const deleted = world.calls.delete('c1');
    opening.resolve(undefined);
    await Promise.all([created, deleted]);
    expect(world.left()).toMatchObject({ calls: 0, ports: 0, allocations: 0 });
  });

  it('while a recorder is asked waits for it, and what was said is there', async () => {
    await start();
    world.recorder('r1').answer = 'hold';
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    const last = world.next('c1', 'a') - 1;
    const deleted = world.calls.delete('c1');
    await world.talk(200);
    world.client.answer('r1');
    await world.during(deleted);
    expect(world.lacks('c1', 1, 'a', first, last)).toEqual([]);
    expect(world.calls.ledger('c1')).toMatchObject({ verdict: 'complete' });
  });

  it('does not wait for ever for recorders that do not answer', async () => {
    await start();
    for (const recorder of world.recorders.values()) recorder.answer = 'hold';
    await world.place('c1');
    await world.talk(1_000);
    const deletedAt = world.clock.now();
    await world.during(world.calls.delete('c1'));
    expect(world.clock.now() - deletedAt).toBeLessThanOrEqual(1_100);
    await world.talk(5_000);
    expect(world.leg('c1', 1)).toMatchObject({
      state: 'ended',
      streams: { a: { lostPackets: 50 } },
    });
  });

  it('waits for the BYE to be answered', async () => {
    await start();
    await world.place('c1');
    const bye = Promise.withResolvers<undefined>();
    const { client } = world;
    const end = client.end.bind(client);
    client.end = async (recordId) => {
      await end(recordId);
      await bye.promise;
    };
    let isOver = false;
    const deleted = world.calls.delete('c1').then(() => (isOver = true));
    await world.talk(200);
    expect(isOver).toBe(false);
    bye.resolve(undefined);
    await deleted;
  });

  it('does not wait for the BYE to a recorder that is gone for longer than an INVITE may take', async () => {
    await start();
    await world.place('c1');
    world.recorder('r1').health = 'hung';
    const deletedAt = world.clock.now();
    await world.during(world.calls.delete('c1'));
    expect(world.clock.now() - deletedAt).toBeLessThanOrEqual(4_100);
  });

  it('does not wait for a hand-over: its recorder is well', async () => {
    await start();
    await world.place('c1');
    world.recorder('r2').answer = 'hold';
    world.allocator.patch('r1', { state: 'draining' });
    const deletedAt = world.clock.now();
    await world.during(world.calls.delete('c1'));
    expect(world.clock.now() - deletedAt).toBeLessThan(100);
  });

  it('while failing over still brings the next recorder what the ring holds', async () => {
    await start();
    await world.place('c1');
    const first = world.next('c1', 'a');
    await world.talk(1_000);
    world.recorder('r2').answer = 'hold';
    world.recorder('r1').health = 'dead';
    await world.talk(200);
    const last = world.next('c1', 'a') - 1;
    const deleted = world.calls.delete('c1');
    await world.talk(100);
    world.client.answer('r2');
    await world.during(deleted);
    expect(world.lacks('c1', 1, 'a', first, last)).toEqual([]);
  });

  it('while failing over does not hold up the goodbyes of other calls any more', async () => {
    await start();
    await world.place('c1');
    await world.place('c2');
    await world.talk(500);
    world.recorder('r2').answer = 'hold';
    world.recorder('r1').health = 'dead';
    await world.talk(100);
    expect(world.leg('c1', 1).state).toBe('failing-over');
    const deleted = world.calls.delete('c1');
    await world.during(deleted);
    await world.talk(10_000);
    world.log.length = 0;
    const others = world.calls.delete('c2');
    await settle();
    expect(world.log.filter((line) => line.startsWith('bye'))).toEqual(['bye r2', 'bye r4']);
    await world.during(others);
  });

  it('twice at the same time is one end', async () => {
    await start();
    await world.place('c1');
    await Promise.all([world.calls.delete('c1'), world.calls.delete('c1')]);
    expect(world.observed.filter((line) => line === 'call ended')).toHaveLength(1);
  });

  it('frees everything though the bridge has lost the call', async () => {
    await start();
    await world.place('c1');
    await world.talk(200);
    world.bridge.calls.delete('c1');
    world.bridge.forkSets.clear();
    world.bridge.emit('callLost', { callId: 'c1', reason: 'gone' });
    await settle();
    expect(world.left()).toMatchObject({ calls: 0, allocations: 0, dialogs: 0 });
  });

  it('of one leg without a recorder leaves no attempt behind', async () => {
    await start({ recorders: { r1: 'east' } });
    world.recorder('r1').answer = new TandemError('SESSION_REFUSED', '486');
    await world.place('c1');
    await world.talk(100);
    await world.during(world.calls.delete('c1'));
    expect(world.left()).toMatchObject({ allocations: 0, inviting: 0 });
  });
});

describe('a leg that still looks for a recorder when its call ends', () => {
  it('is not put on the other leg’s recorder', async () => {
    await start({ recorders: { r1: 'east', r2: 'west' } });
    world.recorder('r2').answer = 'hold';
    await world.place('c1');
    await world.talk(1_000);
    const deleted = world.calls.delete('c1');
    await world.talk(500);
    expect(world.leg('c1', 1).state).toBe('ended');
    world.recorder('r2').health = 'dead';
    await world.talk(10_000);
    await deleted;
    const [first, second] = world.calls.get('c1').recordings;
    expect(first?.sessions.map(({ recorder }) => recorder)).toEqual(['r1']);
    expect(second?.sessions).toEqual([]);
    expect(world.calls.ledger('c1').legs[1]?.verdict).toMatch(/^missing /);
  });
});

describe('what is asked of a call while it is busy', () => {
  it('takes hold when it was asked', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_000);
    const bye = Promise.withResolvers<undefined>();
    const { client } = world;
    const end = client.end.bind(client);
    client.end = async (recordId) => {
      await end(recordId);
      await bye.promise;
    };
    const stopped = world.calls.recording('c1', 'stop');
    await world.talk(200);
    const started = world.calls.recording('c1', 'start');
    const first = world.next('c1', 'a');
    await world.talk(400);
    bye.resolve(undefined);
    await stopped;
    await started;
    await world.talk(600);
    expect(world.has('c1', 1, 'a')).toContain(first);
    expect(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1)).toEqual([]);
  });

  it('is refused beyond a bound', async () => {
    await start();
    await world.place('c1');
    world.recorder('r1').updates = 'hold';
    const asked = Array.from({ length: 70 }, () =>
      world.calls.recording('c1', 'pause').then(
        () => 'done',
        (error: unknown) => (error as TandemError).code,
      ),
    );
    const answers = await world.during(Promise.all(asked));
    expect(answers.filter((answer) => answer === 'CALL_LIMIT')).toHaveLength(5);
  });
});

describe('the end of a call that is busy', () => {
  it('goes before what waits, which is told that the call has ended', async () => {
    await start();
    await world.place('c1');
    for (const leg of [1, 2] as const) world.recorderOf('c1', leg).updates = 'hold';
    const asked = Array.from({ length: 20 }, () =>
      world.calls.recording('c1', 'pause').then(
        () => 'done',
        (error: unknown) => (error as TandemError).code,
      ),
    );
    await settle();
    const askedAt = world.clock.now();
    await world.during(world.calls.delete('c1'));
    expect(world.clock.now() - askedAt).toBeLessThan(1_000);
    expect(world.left()).toMatchObject({ calls: 0, ports: 0, dialogs: 0 });
    const [first, ...others] = await Promise.all(asked);
    expect(first).toBe('done');
    expect(new Set(others)).toEqual(new Set(['CALL_NOT_FOUND']));
  });

  it('says goodbye to recorders while the bridge hangs in a re-offer', async () => {
    await start();
    await world.place('c1');
    await world.talk(200);
    const carried = Promise.withResolvers<{ offer: string }>();
    world.bridge.reofferCall = () => carried.promise;
    const reoffered = world.calls.reoffer('c1', 'a', 'offer');
    const first = world.next('c1', 'a');
    const deleted = world.calls.delete('c1');
    await world.talk(500);
    expect(world.log.filter((line) => line.startsWith('bye'))).toEqual(['bye r1', 'bye r3']);
    expect([1, 2].flatMap((leg) => world.has('c1', leg as 1 | 2, 'a'))).not.toContain(first);
    carried.resolve({ offer: 'offer' });
    await world.during(Promise.all([reoffered, deleted]));
    expect(world.calls.ledger('c1').verdict).toBe('complete');
    expect(world.observed.filter((line) => line.includes('ended -'))).toHaveLength(2);
  });

  it('takes nothing more', async () => {
    await start();
    await world.place('c1');
    const carried = Promise.withResolvers<{ offer: string }>();
    world.bridge.reofferCall = () => carried.promise;
    const reoffered = world.calls.reoffer('c1', 'a', 'offer');
    const deleted = world.calls.delete('c1');
    await expect(world.calls.recording('c1', 'pause')).rejects.toMatchObject({
      code: 'CALL_NOT_FOUND',
    });
    carried.resolve({ offer: 'offer' });
    await world.during(Promise.all([reoffered, deleted]));
  });
});

describe('the ledger of a call that was recorded twice', () => {
  it('does not forget what the first recording lost', async () => {
    await start({ recorders: { r1: 'east' }, ringMs: 400 });
    await world.place('c1', { recording: { mode: 'single' } });
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    await world.talk(2_000);
    world.recorder('r1').health = 'well';
    await world.talk(10_000);
    await world.during(world.calls.recording('c1', 'stop'));
    await world.talk(500);
    await world.calls.recording('c1', 'start');
    await world.talk(2_000);
    expect(world.calls.ledger('c1').verdict).toMatch(/^missing /);
    expect(world.leg('c1', 1).sessions.length).toBeGreaterThan(2);
  });

  it('does not miss what was said in between', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_000);
    await world.during(world.calls.recording('c1', 'stop'));
    await world.talk(500);
    await world.calls.recording('c1', 'start');
    await world.talk(2_000);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('complete');
  });
});

describe('a call without media', () => {
  it('is told of while it lasts, by party, and when the party is heard', async () => {
    await start();
    await world.place('c1');
    const b = world.bridge.calls.get('c1')!.b;
    b.talks = false;
    await world.talk(20_000);
    expect(world.observed).toContain('c1 without media of b');
    b.talks = true;
    await world.talk(10_000);
    expect(world.observed).toContain('c1 without media of nobody');
  });

  it('is found without a visit to the edge for each call', async () => {
    await start();
    await world.place('c1');
    world.bridge.calls.get('c1')!.b.talks = false;
    const describeCall = vi.spyOn(world.bridge, 'describeCall');
    const describeCalls = vi.spyOn(world.bridge, 'describeCalls');
    await world.talk(20_000);
    world.calls.counts();
    expect(world.observed).toContain('c1 without media of b');
    expect(describeCall).not.toHaveBeenCalled();
    expect(describeCalls).not.toHaveBeenCalled();
  });

  it('has no complete recording', async () => {
    await start();
    await world.place('c1');
    for (const stream of Object.values(world.bridge.calls.get('c1')!)) stream.talks = false;
    await world.talk(2_000);
    await world.calls.delete('c1');
    expect(world.calls.ledger('c1')).toMatchObject({
      verdict: 'no-media',
      legs: [{ verdict: 'no-media' }, { verdict: 'no-media' }],
    });
  });
});

describe('a party that is not to send all the time', () => {
  /** What a's re-offer, and b's answer to it, make of b: on hold, or not. */
  async function renegotiate(sends: boolean): Promise<void> {
    world.bridge.negotiates = { a: true, b: sends };
    await world.calls.reoffer('c1', 'a', 'offer');
    await world.calls.answer('c1', 'answer');
  }

  it('and never did when it was to, is missed though the call ends on hold', async () => {
    await start();
    await world.place('c1');
    world.bridge.calls.get('c1')!.b.talks = false;
    await world.talk(20_000);
    await renegotiate(false);
    await world.talk(1_000);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('no-media');
  });

  it('and was to for a moment only is not missed', async () => {
    await start();
    world.bridge.negotiates = { a: true, b: false };
    await world.place('c1');
    world.bridge.calls.get('c1')!.b.talks = false;
    await world.talk(20_000);
    await renegotiate(true);
    await world.talk(100);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('complete');
  });

  it('is told of when it was to for long enough, not when it was on hold for so long', async () => {
    await start();
    world.bridge.negotiates = { a: true, b: false };
    await world.place('c1');
    world.bridge.calls.get('c1')!.b.talks = false;
    await world.talk(14_900);
    await renegotiate(true);
    await world.talk(5_200);
    expect(world.observed).not.toContain('c1 without media of b');
    await world.talk(10_000);
    expect(world.observed).toContain('c1 without media of b');
  });

  it('of a short call is missed when it was to all along', async () => {
    await start();
    await world.place('c1');
    world.bridge.calls.get('c1')!.b.talks = false;
    await world.talk(3_000);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').verdict).toBe('no-media');
  });
});

describe('a leg of which no recorder says anything', () => {
  it('is unproven when it ends, and told apart from one whose recorder reports', async () => {
    await start();
    world.recorder('r1').reportEveryMs = undefined;
    await world.place('c1');
    await world.talk(1_000);
    await world.during(world.calls.delete('c1'));
    expect(world.calls.ledger('c1').legs.map(({ verdict }) => verdict)).toEqual([
      'unproven',
      'complete',
    ]);
    expect(world.observed).toContain('leg 1 ended -0, unreported');
    expect(world.observed).toContain('leg 2 ended -0');
  });
});
