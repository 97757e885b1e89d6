import { afterEach, describe, expect, it } from 'vitest';
import type { LegStreamLedger, StreamLedger } from '../../../src/recording/ledger.ts';
import { count } from '../../../src/rtp/ranges.ts';
import { RecordingWorld } from '../../support/recording-world.ts';
import type { WorldOptions } from '../../support/recording-world.ts';

let world: RecordingWorld;

async function start(options?: WorldOptions): Promise<RecordingWorld> {
  world = await RecordingWorld.create(options);
  return world;
}

afterEach(() => world.finish());

function streamA(): StreamLedger {
  const stream = world.ledger('c1').streams.find(({ party }) => party === 'a');
  if (stream === undefined) throw new Error('no stream');
  return stream;
}

function legA(leg: 1 | 2): LegStreamLedger {
  const found = streamA().legs.find((entry) => entry.leg === leg);
  if (found === undefined) throw new Error('no leg');
  return found;
}

/** Packets that the network before us loses. */
function skip(party: 'a' | 'b', packets: number): void {
  const stream = world.bridge.calls.get('c1')?.[party];
  if (stream !== undefined) stream.next += packets;
}

describe('the verdict', () => {
  it('is complete when both legs have everything', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    expect(world.ledger('c1')).toMatchObject({
      verdict: 'complete',
      legs: [
        { leg: 1, verdict: 'complete' },
        { leg: 2, verdict: 'complete' },
      ],
    });
  });

  it('is complete by merge when what one leg lacks is on the other', async () => {
    await start({ settings: { replay: false } });
    await world.place('c1');
    await world.talk(500);
    world.recorder('r2').answer = 'hold';
    world.recorder('r1').health = 'dead';
    await world.talk(500);
    world.client.answer('r2');
    await world.talk(500);
    const lacking = count(legA(1).missing);
    expect(lacking).toBeGreaterThan(20);
    expect(world.ledger('c1')).toMatchObject({
      verdict: 'complete-by-merge',
      legs: [
        { leg: 1, verdict: `missing ${2 * 20 * lacking} ms` },
        { leg: 2, verdict: 'complete' },
      ],
    });
  });

  it('names the time that no leg has', async () => {
    await start({ settings: { replay: false }, recorders: { r1: 'east' } });
    await world.place('c1', { recording: { mode: 'single' } });
    const first = world.next('c1', 'a');
    await world.talk(500);
    world.recorder('r1').health = 'dead';
    await world.talk(1_000);
    world.recorder('r1').health = 'well';
    await world.talk(6_000);
    const lacking = count(world.lacks('c1', 1, 'a', first, world.next('c1', 'a') - 1));
    expect(lacking).toBeGreaterThan(40);
    expect(world.ledger('c1').verdict).toBe(`missing ${2 * 20 * lacking} ms`);
    expect(count(streamA().missingFromUnion)).toBe(lacking);
  });

  it('does not call missing what is still on its way out of the ring', async () => {
    await start();
    world.recorder('r1').answer = 'hold';
    world.recorder('r3').answer = 'hold';
    await world.place('c1');
    await world.talk(1_000);
    expect(world.ledger('c1').verdict).toBe('complete');
    world.client.answer('r1');
    world.client.answer('r3');
    await world.talk(40);
    expect(world.ledger('c1').verdict).toBe('complete');
  });
});

describe('the account of a stream', () => {
  it('says what was lost before us, when, and blames no leg for it', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    const first = world.next('c1', 'a');
    const at = world.clock.now();
    skip('a', 5);
    await world.talk(500);
    const [lost] = streamA().lostBeforeUs;
    expect(lost).toMatchObject({ first, last: first + 4 });
    expect(Date.parse(lost?.firstAt ?? '')).toBeGreaterThanOrEqual(at);
    expect(Date.parse(lost?.lastAt ?? '')).toBeLessThanOrEqual(at + 20);
    expect(world.ledger('c1').verdict).toBe('complete');
  });

  it('has as confirmed what receiver reports cover', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_100);
    expect(count(legA(1).confirmed)).toBe(50);
    expect(count(legA(1).unconfirmed)).toBe(5);
  });

  it('has as unconfirmed all that goes to a recorder without receiver reports', async () => {
    await start();
    world.recorder('r1').reportEveryMs = undefined;
    await world.place('c1');
    await world.talk(1_000);
    expect(legA(1).confirmed).toEqual([]);
    expect(count(legA(1).unconfirmed)).toBe(50);
  });

  it('believes a recorder that reports loss, and the other one that has all', async () => {
    await start();
    world.recorder('r1').cumulativeLost = 3;
    await world.place('c1');
    await world.talk(1_100);
    expect(legA(1)).toMatchObject({ confirmed: [], reportedLostPackets: 3 });
    const { legs, verdict } = world.ledger('c1');
    expect(legs).toEqual([
      { leg: 1, verdict: 'missing 120 ms' },
      { leg: 2, verdict: 'complete' },
    ]);
    expect(verdict).toBe('complete-by-merge');
  });

  it('does not call a call complete when both recorders report loss on a stream', async () => {
    await start();
    for (const id of ['r1', 'r2', 'r3', 'r4']) world.recorder(id).cumulativeLost = 3;
    await world.place('c1');
    await world.talk(1_100);
    expect(world.ledger('c1').verdict).toBe('missing 120 ms');
  });

  it('counts the last packets when the recorder’s last report lacks them, and confirms the others', async () => {
    await start();
    world.recorder('r1').tailLost = 2;
    await world.place('c1');
    await world.talk(1_000);
    await world.during(world.calls.delete('c1'));
    expect(legA(1)).toMatchObject({ reportedLostPackets: 2, missing: [] });
    const packets = count(streamA().received);
    expect([count(legA(1).confirmed), count(legA(1).unconfirmed)]).toEqual([packets - 2, 2]);
    expect(count(legA(2).confirmed)).toBe(packets);
    const { legs, verdict } = world.ledger('c1');
    expect(legs.map((leg) => leg.verdict)).toEqual(['missing 80 ms', 'complete']);
    expect(verdict).toBe('complete-by-merge');
    expect(world.calls.get('c1').recordings[0]?.streams.a).toMatchObject({
      lostPackets: 2,
      lostMs: 40,
    });
  });

  it('has the last report of a recorder that was left in good health', async () => {
    await start();
    world.recorder('r1').cumulativeLost = 3;
    await world.place('c1');
    await world.talk(600);
    expect(legA(1).reportedLostPackets).toBe(3);
    world.recorder('r1').cumulativeLost = 4;
    world.allocator.patch('r1', { state: 'draining' });
    await world.talk(200);
    expect(world.calls.get('c1').recordings[0]?.recorder).not.toBe('r1');
    expect(legA(1).reportedLostPackets).toBe(4);
  });

  it('does not wait for the last report of a recorder for long', async () => {
    await start();
    world.bridge.endForks = () => new Promise(() => undefined);
    await world.place('c1');
    await world.talk(500);
    const askedAt = world.clock.now();
    await world.during(world.calls.delete('c1'));
    expect(world.clock.now() - askedAt).toBeLessThanOrEqual(260);
    expect(world.bridge.forkSets.size).toBe(0);
    expect(world.log.filter((line) => line.startsWith('bye'))).toHaveLength(2);
  });

  it('does not take what never arrived for loss on the way to a recorder', async () => {
    await start();
    for (const id of ['r1', 'r2', 'r3', 'r4']) world.recorder(id).cumulativeLost = 5;
    await world.place('c1');
    await world.talk(500);
    skip('a', 5);
    skip('b', 5);
    await world.talk(600);
    expect(legA(1)).toMatchObject({ reportedLostPackets: 0 });
    expect(world.ledger('c1').verdict).toBe('complete');
  });

  it('shows what was replayed', async () => {
    await start();
    await world.place('c1');
    await world.talk(1_000);
    world.recorder('r1').health = 'dead';
    await world.talk(1_000);
    expect(count(legA(1).replayed)).toBeGreaterThanOrEqual(10);
    expect(legA(1).missing).toEqual([]);
  });

  it('has nothing lost in us, whatever happens to recorders', async () => {
    await start({ ringMs: 1_000, recorders: { r1: 'east' } });
    await world.place('c1', { recording: { mode: 'single' } });
    await world.talk(500);
    world.recorder('r1').health = 'dead';
    await world.talk(4_000);
    world.recorder('r1').health = 'well';
    await world.talk(8_000);
    expect(legA(1).missingMs).toBeGreaterThan(0);
    expect(streamA().lostInUs).toEqual({ ranges: [], kernelDrops: 0 });
  });

  it('is the same after the end', async () => {
    await start();
    await world.place('c1');
    await world.talk(500);
    const before = world.ledger('c1').verdict;
    await world.during(world.calls.delete('c1'));
    expect(world.ledger('c1').verdict).toBe(before);
  });
});
