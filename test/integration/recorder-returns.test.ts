import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { TandemProcess } from '../support/tandem-process.ts';

let tandem: TandemProcess;

beforeAll(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tandem-returns-'));
  const embedded = { count: 2, dir: join(dir, 'recordings'), zones: ['east', 'west'] };
  tandem = await TandemProcess.start({ recorders: { embedded } }, dir);
});

afterAll(async () => {
  await tandem.dispose();
});

it('goes on with the only recorder there is when that is back after 3 s, and loses nothing', async () => {
  await tandem.until(
    () => tandem.recorders(),
    (recorders) => recorders.every(({ state }) => state === 'up'),
  );
  const call = await PlacedCall.place(tandem, { id: 'returns' });
  await call.recording();
  const { recordings } = await call.state();
  const recorders = await tandem.recorders();
  const pid = recorders.find(({ id }) => id === recordings[0]?.recorder)?.pid ?? 0;
  const talk = new AbortController();
  const { signal } = talk;
  const talking = [
    call.a.stream(call.ports.a, { signal }),
    call.b.stream(call.ports.b, { signal }),
  ];
  /** Of 20 ms each. */
  const packets = async (count: number): Promise<void> => {
    const before = call.b.received.length;
    await tandem.until(
      () => Promise.resolve(call.b.received.length),
      (received) => received >= before + count,
    );
  };
  await packets(100);
  process.kill(pid, 'SIGSTOP');
  await packets(150);
  expect((await call.state()).recordings[0]?.state).not.toBe('recording');
  process.kill(pid, 'SIGCONT');
  await tandem.until(
    () => call.state(),
    (state) => state.recordings.every((leg) => leg.state === 'recording'),
  );
  await packets(50);
  talk.abort();
  await Promise.all(talking);
  const legs = await call.end();
  for (const leg of legs) {
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const party of ['a', 'b'] as const) {
      const missing = call[party].sent.filter(({ payload }) => !recorded.has(hashPayload(payload)));
      expect(missing.map(({ sequence }) => sequence)).toEqual([]);
    }
    expect(leg.streams).toMatchObject({ a: { lostPackets: 0 }, b: { lostPackets: 0 } });
  }
}, 60_000);
