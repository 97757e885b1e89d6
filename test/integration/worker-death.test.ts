import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import { mediasoupWorkerOf } from '../support/mediasoup-worker.ts';
import { PlacedCall } from '../support/placed-call.ts';
import type { RtpSample } from '../support/rtp-party.ts';
import { TandemProcess } from '../support/tandem-process.ts';

const calls = 50;
let tandem: TandemProcess;

beforeAll(async () => {
  tandem = await TandemProcess.start({ media: { workers: 1 } });
});

afterAll(async () => {
  await tandem.dispose();
});

/** Of each packet, as often as it is there. */
const payloadsOf = (packets: readonly RtpSample[]): string[] =>
  packets.map(({ payload }) => hashPayload(payload)).sort();

it('brings 50 calls back on the same ports when their mediasoup worker is killed: parties lose nothing, and it records on', async () => {
  const placed = await PlacedCall.placeMany(tandem, calls, (index) => ({
    id: `w${index}`,
    stream: { ssrc: 0x5000 + index },
  }));
  const talk = new AbortController();
  const talking = placed.map((call) => call.talkUntil(talk.signal));
  const heard = (): number =>
    Math.min(...placed.flatMap(({ a, b }) => [a.received.length, b.received.length]));
  await tandem.until(
    () => Promise.resolve(heard()),
    (count) => count > 10,
  );
  process.kill(await mediasoupWorkerOf(tandem), 'SIGKILL');
  await tandem.until(
    () => Promise.resolve(tandem.log.split('it flows again').length - 1),
    (count) => count >= calls,
  );
  const before = placed.map(({ b }) => b.received.length);
  await tandem.until(
    () =>
      Promise.resolve(
        placed.every(({ b }, index) => b.received.length > (before[index] ?? 0) + 10),
      ),
    (again) => again,
  );
  talk.abort();
  await Promise.all(talking);
  for (const call of placed) {
    await call.heardAll();
    expect(payloadsOf(call.b.received)).toEqual(payloadsOf(call.a.sent));
    expect(payloadsOf(call.a.received)).toEqual(payloadsOf(call.b.sent));
  }
  for (const call of placed) {
    const { parties } = await tandem.until(
      () => call.state(),
      ({ path }) => path === 'mediasoup',
    );
    expect(parties.a.local).toEqual(call.ports.a);
  }
  const metrics = await tandem.api<string>('GET', '/metrics');
  expect(metrics).toContain('tandem_mediasoup_workers_died_total 1');
  expect(metrics).toContain(`tandem_media_interruption_seconds_count ${calls}`);
  const [call] = placed as [PlacedCall];
  const legs = await call.end();
  for (const leg of legs) {
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const { payload } of call.a.sent) expect(recorded).toContain(hashPayload(payload));
  }
  await Promise.all(placed.slice(1).map((other) => other.end()));
});
