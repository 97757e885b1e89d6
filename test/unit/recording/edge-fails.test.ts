import { afterEach, describe, expect, it, vi } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import type { Bridge } from '../../../src/recording/interfaces.ts';
import { mediaAddress } from '../../support/bridge-stub.ts';
import { settle } from '../../support/manual-clock.ts';
import { RecordingWorld } from '../../support/recording-world.ts';

const failed = (): never => {
  throw new TandemError('EDGE_FAILED', 'no');
};

/** From now on, until the test is over. */
function breaks(world: RecordingWorld, method: keyof Bridge): void {
  vi.spyOn(world.bridge, method as 'forkReports').mockImplementation(failed);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('when the edge does not do what it is asked', () => {
  it('a call ends, though the account of a lost recorder cannot be had', async () => {
    const world = await RecordingWorld.create({ recorders: { r1: 'east' } });
    await world.place('c1');
    await world.talk(200);
    world.recorder('r1').health = 'dead';
    breaks(world, 'takeStock');
    await world.talk(2_000);
    await world.during(world.calls.close());
    expect(world.left()).toMatchObject({ calls: 0, allocations: 0, routes: 0 });
  });

  it('a pause is acknowledged, and the call can be ended, though it is not known what is sent', async () => {
    const world = await RecordingWorld.create();
    await world.place('c1');
    await world.talk(200);
    breaks(world, 'forkReports');
    // What it looks like then cannot be said, either.
    await expect(world.during(world.calls.recording('c1', 'pause'))).rejects.toThrow('no');
    expect(world.client.log).toEqual(expect.arrayContaining(['edge paused', 'told r1 inactive']));
    vi.restoreAllMocks();
    await world.finish();
  });

  it('a call is answered and ends, though its media could never be seen', async () => {
    const world = await RecordingWorld.create();
    await world.calls.create({ id: 'c1', offer: 'offer' });
    breaks(world, 'describeCall');
    await world.calls.answer('c1', 'answer');
    await world.during(world.calls.close());
    expect(world.left()).toMatchObject({ calls: 0, forks: 0, allocations: 0, routes: 0 });
  });

  it('a call ends, though its ports cannot be closed', async () => {
    const world = await RecordingWorld.create();
    await world.place('c1');
    breaks(world, 'closeCall');
    await world.during(world.calls.close());
    expect(world.calls.count).toBe(0);
  });

  it('a recorder that moves its media to where it cannot be sent is not recording', async () => {
    const world = await RecordingWorld.create({
      recorders: { r1: 'east', r2: 'west', r3: 'west' },
    });
    await world.place('c1');
    await world.talk(200);
    const { id } = world.recorderOf('c1', 1);
    breaks(world, 'retargetForks');
    const elsewhere = mediaAddress('192.0.2.77');
    world.client.changeMedia(id, { a: elsewhere, b: elsewhere });
    await world.talk(200);
    expect(world.recorderOf('c1', 1).id).not.toBe(id);
    expect(world.leg('c1', 1).state).toBe('recording');
    await world.finish();
  });
});

describe('a call of which more is asked than can be done', () => {
  it('ends all the same', async () => {
    const world = await RecordingWorld.create();
    await world.place('c1');
    world.recorder('r1').updates = 'hold';
    const asked = Array.from({ length: 80 }, () => world.calls.recording('c1', 'pause'));
    const answers = Promise.allSettled(asked);
    await settle();
    await world.during(world.calls.delete('c1'));
    await world.during(answers);
    await world.finish();
  });
});
