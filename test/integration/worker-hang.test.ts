import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import { mediasoupWorkerOf } from '../support/mediasoup-worker.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { TandemProcess } from '../support/tandem-process.ts';

const calls = 10;
let tandem: TandemProcess;

beforeAll(async () => {
  tandem = await TandemProcess.start({ media: { workers: 1 } });
});

afterAll(async () => {
  await tandem.dispose();
});

/** A machine that is busy may let one of them wait once more. */
const interruptions = (metrics: string): number =>
  Number(/^tandem_media_interruption_seconds_count (\d+)$/m.exec(metrics)?.[1]);

const health = () => tandem.api<{ status: string; problems: string[] }>('GET', '/healthz');

it('carries the calls of a mediasoup worker that hangs, says so, and gives them to another', async () => {
  const placed = await PlacedCall.placeMany(tandem, calls, (index) => ({
    id: `h${index}`,
    stream: { ssrc: 0x6000 + index },
  }));
  const talk = new AbortController();
  const talking = placed.map((call) => call.talkUntil(talk.signal));
  const heardMore = async (packets: number): Promise<void> => {
    const ends = placed.flatMap(({ a, b }) => [a, b]);
    const before = ends.map(({ received }) => received.length);
    await tandem.until(
      () => Promise.resolve(ends),
      (now) => now.every(({ received }, index) => received.length >= before[index]! + packets),
    );
  };
  await heardMore(10);

  const hung = await mediasoupWorkerOf(tandem);
  process.kill(hung, 'SIGSTOP');
  const told = tandem.until(health, ({ problems }) =>
    problems.some((problem) => problem.includes('mediasoup')),
  );
  expect((await told).status).toBe('degraded');
  await tandem.until(
    () => Promise.resolve(tandem.log.split('it flows again').length - 1),
    (count) => count >= calls,
  );
  await heardMore(10);
  await tandem.until(health, ({ problems }) =>
    problems.every((text) => !text.includes('mediasoup')),
  );
  for (const call of placed) {
    await tandem.until(
      () => call.state(),
      ({ path }) => path === 'mediasoup',
    );
  }
  expect(await mediasoupWorkerOf(tandem)).not.toBe(hung);

  talk.abort();
  await Promise.all(talking);
  // What is on its way arrives; nothing of it can be waited for by number.
  await tandem.until(
    () => tandem.api<string>('GET', '/metrics'),
    (text) =>
      Number(/^tandem_edge_packets_received_total (\d+)$/m.exec(text)?.[1]) >=
      placed.reduce((sum, { a, b }) => sum + a.sent.length + b.sent.length, 0),
  );
  const metrics = await tandem.api<string>('GET', '/metrics');
  expect(metrics).toContain('tandem_mediasoup_workers_hung_total 1');
  expect(interruptions(metrics)).toBeGreaterThanOrEqual(calls);
  expect(tandem.log).toContain('nothing comes back out of mediasoup');

  for (const call of placed) {
    await call.heardAll();
    const { a, b } = call;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const heard = to.received.map(({ payload }) => hashPayload(payload));
      expect(new Set(heard).size).toBe(heard.length);
      expect(new Set(to.received.map(({ ssrc }) => ssrc)).size).toBe(1);
      expect(heard).toHaveLength(from.sent.length);
    }
  }
  const [call] = placed as [PlacedCall];
  for (const leg of await call.end()) {
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const { payload } of call.a.sent) expect(recorded).toContain(hashPayload(payload));
  }
  await Promise.all(placed.slice(1).map((other) => other.end()));
});
