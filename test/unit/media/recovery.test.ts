import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RelayStall } from '../../../src/edge/types.ts';
import { Recovery, type CarriedCall } from '../../../src/media/recovery.ts';
import { WorkerSlot, type WorkerPoolEvents } from '../../../src/media/worker-pool.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

class PoolStub extends EventEmitter<WorkerPoolEvents> {
  readonly examined: WorkerSlot[] = [];
  hangs = false;

  examine(slot: WorkerSlot): Promise<boolean> {
    this.examined.push(slot);
    return Promise.resolve(this.hangs);
  }
}

const slot = new WorkerSlot(0, { pid: 1 } as never);
const other = new WorkerSlot(1, { pid: 2 } as never);

/** A call on a worker, as a `CallRoute` has it. */
class RouteStub {
  readonly log: string[] = [];
  readonly #slot: WorkerSlot;
  isAway = false;
  fails: Error | undefined;

  constructor(on: WorkerSlot) {
    this.#slot = on;
  }

  lose(dead: WorkerSlot): boolean {
    if (this.fails) throw this.fails;
    if (dead === this.#slot) this.log.push('lost');
    return dead === this.#slot;
  }

  stall(): WorkerSlot | undefined {
    if (this.log.includes('stalled')) return undefined;
    this.log.push('stalled');
    return this.#slot;
  }

  recover(): Promise<number | undefined> {
    if (this.fails) return Promise.reject(this.fails);
    this.log.push('back');
    return Promise.resolve(160);
  }
}

let clock: ManualClock;
let pool: PoolStub;
let stalls: RelayStall[];
let routes: RouteStub[];
let told: unknown[];
let recovery: Recovery;

beforeEach(() => {
  clock = new ManualClock();
  pool = new PoolStub();
  stalls = [];
  routes = [new RouteStub(slot), new RouteStub(slot), new RouteStub(other)];
  told = [];
  recovery = new Recovery({
    pool,
    edge: { relayStalls: () => stalls },
    clock,
    logger: pino({ level: 'silent' }),
    calls: () =>
      routes.map((route, index): CarriedCall => ({
        callId: `c${index}`,
        route,
        portIds: [2 * index, 2 * index + 1],
      })),
    onWorkerDied: () => told.push('died'),
    onBack: (callId, ms) => told.push([callId, ms]),
    onLost: (callId, reason) => told.push([callId, reason]),
  });
  recovery.start();
});

describe('the calls of a mediasoup worker', () => {
  it('come back when it died, and no others', async () => {
    pool.emit('died', slot, clock.now());
    await settle();
    expect(told).toEqual(['died', ['c0', 160], ['c1', 160]]);
    expect(routes[2]?.log).toEqual([]);
  });

  it('are lost when the edge cannot carry them on, one by one', async () => {
    routes[0]!.fails = new Error('no port 7');
    pool.emit('died', slot, clock.now());
    await settle();
    expect(told).toEqual(['died', ['c0', 'no port 7'], ['c1', 160]]);
  });

  it('come back when there is a worker again, if there was none at first', async () => {
    routes[1]!.isAway = true;
    pool.emit('restarted');
    await settle();
    expect(told).toEqual([['c1', 160]]);
  });

  it('come back by themselves when it does not hang but does not forward', async () => {
    stalls = [{ portId: 3, since: 1, at: 2 }];
    recovery.look();
    recovery.look();
    await settle();
    expect(pool.examined).toEqual([slot]);
    expect(told).toEqual([['c1', 160]]);
    expect(routes[0]?.log).toEqual([]);
  });

  it('wait for its death when it hangs', async () => {
    pool.hangs = true;
    stalls = [
      { portId: 0, since: 1, at: 2 },
      { portId: 5, since: 1, at: 2 },
    ];
    recovery.look();
    await settle();
    expect(pool.examined).toEqual([slot, other]);
    expect(told).toEqual([]);
    pool.emit('died', slot, clock.now());
    await settle();
    expect(told).toEqual(['died', ['c0', 160], ['c1', 160]]);
  });

  it('are looked after also when the event of the edge is lost', async () => {
    stalls = [{ portId: 0, since: 1, at: 2 }];
    await clock.advance(1_000);
    expect(told).toEqual([['c0', 160]]);
    recovery.close();
    expect(clock.pending).toBe(0);
  });
});
