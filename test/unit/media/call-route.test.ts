import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { CallRoute } from '../../../src/media/call-route.ts';
import { WorkerSlot } from '../../../src/media/worker-pool.ts';
import type { WorkerPool } from '../../../src/media/worker-pool.ts';
import type { Payload } from '../../../src/recording/interfaces.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { ToldEdge } from '../../support/told-edge.ts';

const pcmu: Payload = { payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 };
const portIds = { a: 1, b: 2 };

/** What a `Relay` asks of a mediasoup worker. */
class WorkerStub {
  readonly pid = 1;
  closed = false;
  routers = 0;
  answers = true;
  #port = 30_000;
  #closeRouter = (): void => undefined;

  createRouter() {
    if (!this.answers) return new Promise(() => undefined);
    this.routers += 1;
    const transport = () => ({
      tuple: { localAddress: '127.0.0.1', localPort: this.#port++ },
      connect: () => Promise.resolve(),
      produce: () => Promise.resolve({ id: 'p' }),
      consume: () => Promise.resolve({}),
    });
    const router = {
      closed: false,
      rtpCapabilities: {},
      createPlainTransport: () => Promise.resolve(transport()),
      close: () => (router.closed = true),
    };
    this.#closeRouter = () => void router.close();
    return Promise.resolve(router);
  }

  die(): void {
    this.#closeRouter();
  }
}

let clock: ManualClock;
let edge: ToldEdge;
let worker: WorkerStub;
let slot: WorkerSlot;
let examined: number;
let fallbacks: number;
let isThere: boolean;
let route: CallRoute;

const stall = () => ({ portId: portIds.a, since: clock.now() - 160, at: clock.now() });
const kinds = () => [edge.routes.get(portIds.a)?.kind, edge.routes.get(portIds.b)?.kind];

beforeEach(async () => {
  clock = new ManualClock();
  edge = new ToldEdge();
  worker = new WorkerStub();
  slot = new WorkerSlot(0, worker as never);
  examined = 0;
  fallbacks = 0;
  isThere = true;
  const pool = {
    enterSoon: () => Promise.resolve(slot.enter()),
    enterSuccessor: () => Promise.resolve(isThere ? slot.enter() : undefined),
    examine: () => {
      examined += 1;
      return Promise.resolve(false);
    },
  };
  const port = { shard: 0, host: '127.0.0.1', latch: 'announced' } as const;
  const opened = { a: await edge.openPort(port), b: await edge.openPort(port) };
  route = new CallRoute({
    ...{ edge, opened, clock, wanted: 'mediasoup', logger: pino({ level: 'silent' }) },
    pool: pool as unknown as WorkerPool,
    relayAddress: edge.relayAddress(),
    relayPorts: { min: 1, max: 2 },
    onFallback: () => (fallbacks += 1),
  });
  await route.carry([pcmu], () => Promise.resolve());
});

describe('a call that mediasoup does not forward', () => {
  it('says to the edge what must come back, and where it goes if it does not', () => {
    expect(edge.routes.get(portIds.a)).toEqual({
      kind: 'relay',
      to: { ip: '127.0.0.1', port: 30_000 },
      peerPortId: portIds.b,
      payloadTypes: [0],
    });
    expect(route.path).toBe('mediasoup');
  });

  it('is told of once, and is direct until it is back where it was', async () => {
    expect(route.stall(stall())).toBe(slot);
    expect(route.stall(stall())).toBeUndefined();
    expect([route.path, route.isAway]).toEqual(['direct', true]);
    expect(await route.recover()).toBe(160);
    expect([route.path, route.isAway]).toEqual(['mediasoup', false]);
    expect(worker.routers).toBe(1);
    expect(kinds()).toEqual(['relay', 'relay']);
  });

  it('gets a Router of its own when that was not enough, and then does without mediasoup', async () => {
    for (const [routers, path] of [
      [1, 'mediasoup'],
      [2, 'mediasoup'],
      [2, 'direct'],
    ] as const) {
      route.stall(stall());
      await route.recover();
      expect([worker.routers, route.path]).toEqual([routers, path]);
    }
    expect(kinds()).toEqual(['bypass', 'bypass']);
    expect(fallbacks).toBe(1);
    expect(slot.calls).toBe(0);
  });

  it('begins anew with stalls that lie far apart', async () => {
    for (let times = 0; times < 5; times += 1) {
      route.stall(stall());
      await route.recover();
      await clock.advance(60_000);
    }
    expect([worker.routers, route.path, fallbacks]).toEqual([1, 'mediasoup', 0]);
  });

  it('is brought back by a re-offer, too', async () => {
    route.stall(stall());
    await route.carry([pcmu], () => Promise.resolve());
    expect([route.path, route.isAway, worker.routers]).toEqual(['mediasoup', false, 2]);
    expect(await route.recover()).toBeUndefined();
  });
});

describe('while the edge turns to mediasoup', () => {
  const turning = (): Promise<number | undefined> => {
    route.stall(stall());
    edge.slow([50]);
    return route.recover();
  };

  it('what it says of stalls is of before', async () => {
    const back = turning();
    await settle();
    expect(route.stall(stall())).toBeUndefined();
    await edge.pass(100);
    expect(await back).toBe(160);
    expect(route.stall(stall())).toBe(slot);
  });

  it('a worker may die, and the way around it is the last that the edge is told', async () => {
    const back = turning();
    await settle();
    expect(route.lose(slot, clock.now())).toBe(true);
    await edge.pass(100);
    await back;
    await settle();
    expect(kinds()).toEqual(['bypass', 'bypass']);
    expect(route.isAway).toBe(true);
  });

  it('the call may be closed: no Router is left', async () => {
    route.stall(stall());
    await route.recover();
    route.stall(stall());
    edge.slow([50]);
    // A Router of its own this time.
    const back = route.recover();
    await settle();
    route.close();
    await edge.pass(100);
    await back;
    expect(slot.calls).toBe(0);
  });
});

describe('a worker that died', () => {
  it('is left for the way around it at once', async () => {
    expect(route.lose(new WorkerSlot(1, worker as never), clock.now())).toBe(false);
    expect(route.lose(slot, clock.now())).toBe(true);
    expect(kinds()).toEqual(['bypass', 'bypass']);
    expect(await route.recover()).toBe(0);
    expect(kinds()).toEqual(['relay', 'relay']);
  });

  it('and has no successor yet is gone around until there is one', async () => {
    isThere = false;
    worker.die();
    route.lose(slot, clock.now());
    expect(await route.recover()).toBe(0);
    expect(await route.recover()).toBeUndefined();
    expect([route.path, route.isAway, kinds()]).toEqual(['direct', true, ['bypass', 'bypass']]);
    isThere = true;
    expect(await route.recover()).toBeUndefined();
    expect([route.path, route.isAway, kinds()]).toEqual(['mediasoup', false, ['relay', 'relay']]);
    expect(fallbacks).toBe(0);
  });
});

it('asks whether a worker is there that makes nothing, and does not wait for it for ever', async () => {
  worker.answers = false;
  let switched = false;
  const opus = { payloadType: 111, encodingName: 'opus', clockRate: 48_000, channels: 2 };
  const carried = route.carry([opus], () => {
    switched = true;
    return Promise.resolve();
  });
  await settle();
  await clock.advance(299);
  expect(examined).toBe(0);
  await clock.advance(1);
  expect(examined).toBe(1);
  await clock.advance(6_000);
  await carried;
  expect([switched, route.path, fallbacks]).toEqual([true, 'direct', 1]);
  expect(clock.pending).toBe(0);
});
