import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallState, LegState } from '../../src/recording/call-state.ts';
import { hashPayload } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { TandemProcess } from '../support/tandem-process.ts';

let tandem: TandemProcess;

beforeAll(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tandem-failover-'));
  tandem = await TandemProcess.start(
    {
      recorders: { embedded: { count: 4, dir: join(dir, 'recordings'), zones: ['east', 'west'] } },
      alarms: { singleLegMs: 1, gatherMs: 1 },
    },
    dir,
  );
});

afterAll(async () => {
  await tandem.dispose();
});

async function pidOf(leg: LegState | undefined): Promise<number> {
  const recorders = await tandem.recorders();
  return recorders.find(({ id }) => id === leg?.recorder)?.pid ?? 0;
}

async function allUp(): Promise<void> {
  await tandem.until(
    () => tandem.recorders(),
    (recorders) => recorders.every(({ state }) => state === 'up'),
  );
}

/** Resolves when this many moves are done and all legs record. */
function moved(call: PlacedCall, count: number): Promise<CallState> {
  return tandem.until(
    () => call.state(),
    ({ failovers, recordings }) =>
      failovers.filter(({ to }) => to !== null).length >= count &&
      recordings.every(({ state }) => state === 'recording'),
  );
}

/** Both parties talk until the fault has been dealt with, and a little longer; each hears all that the other sends. */
async function talkThrough(call: PlacedCall, fault: () => Promise<void>): Promise<void> {
  const talk = new AbortController();
  const { signal } = talk;
  const talking = [
    call.a.stream(call.ports.a, { signal }),
    call.b.stream(call.ports.b, { signal }),
  ];
  await tandem.until(
    () => Promise.resolve(call.b.received.length),
    (count) => count > 100,
  );
  await fault();
  const before = call.b.received.length;
  await tandem.until(
    () => Promise.resolve(call.b.received.length),
    (count) => count > before + 50,
  );
  talk.abort();
  await Promise.all(talking);
  await tandem.until(
    () => Promise.resolve([call.a.received.length, call.b.received.length]),
    ([a, b]) => a === call.b.sent.length && b === call.a.sent.length,
  );
}

/** Every packet of both parties is on each leg, and the ledger says so. */
async function expectNothingLost(call: PlacedCall): Promise<void> {
  const { parties } = await call.state();
  const legs = await call.end();
  const ledger = await tandem.api<{ verdict: string }>('GET', `/v1/calls/${call.id}/ledger`);
  expect(ledger.verdict).toBe('complete');
  for (const leg of legs) {
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const party of ['a', 'b'] as const) {
      const missing = call[party].sent.filter(({ payload }) => !recorded.has(hashPayload(payload)));
      expect(missing.map(({ sequence }) => sequence)).toEqual([]);
      expect(leg.streams[party]).toMatchObject({
        lostPackets: 0,
        sentPackets: parties[party].packets,
      });
    }
  }
}

async function place(id: string): Promise<PlacedCall> {
  await allUp();
  const call = await PlacedCall.place(tandem, { id });
  await call.recording();
  return call;
}

it('loses nothing when a recorder is killed', async () => {
  const call = await place('kill');
  await talkThrough(call, async () => {
    process.kill(await pidOf((await call.state()).recordings[0]), 'SIGKILL');
    const { failovers } = await moved(call, 1);
    expect(failovers).toMatchObject([{ leg: 1, reason: 'icmp', lostPackets: 0 }]);
  });
  await expectNothingLost(call);
});

it('loses nothing when a recorder hangs', async () => {
  const call = await place('stop');
  let pid = 0;
  await talkThrough(call, async () => {
    pid = await pidOf((await call.state()).recordings[1]);
    process.kill(pid, 'SIGSTOP');
    const { failovers } = await moved(call, 1);
    expect(failovers).toMatchObject([{ leg: 2, lostPackets: 0 }]);
    expect(['options_timeout', 'rtcp_silence']).toContain(failovers[0]?.reason);
  });
  process.kill(pid, 'SIGCONT');
  await expectNothingLost(call);
});

it('does not move a leg off a recorder that stood still for 300 ms', async () => {
  const call = await place('slow');
  await talkThrough(call, async () => {
    const pid = await pidOf((await call.state()).recordings[0]);
    process.kill(pid, 'SIGSTOP');
    const before = call.b.received.length;
    // 15 packets of 20 ms.
    await tandem.until(
      () => Promise.resolve(call.b.received.length),
      (count) => count >= before + 15,
    );
    process.kill(pid, 'SIGCONT');
  });
  expect((await call.state()).failovers).toEqual([]);
  await expectNothingLost(call);
});

it('moves a leg before its recorder goes on SIGTERM', async () => {
  const call = await place('term');
  await talkThrough(call, async () => {
    process.kill(await pidOf((await call.state()).recordings[0]), 'SIGTERM');
    const { failovers } = await moved(call, 1);
    expect(failovers).toMatchObject([{ leg: 1, reason: 'operator', lostPackets: 0 }]);
  });
  await expectNothingLost(call);
});

it('empties a recorder that the operator drains', async () => {
  const call = await place('drain');
  const recorder = (await call.state()).recordings[1]?.recorder;
  await talkThrough(call, async () => {
    await tandem.api('PATCH', `/v1/recorders/${recorder}`, { state: 'draining' });
    const { failovers } = await moved(call, 1);
    expect(failovers).toMatchObject([{ leg: 2, from: recorder, reason: 'operator' }]);
  });
  await expectNothingLost(call);
  await tandem.api('PATCH', `/v1/recorders/${recorder}`, { state: 'up' });
});

it('loses nothing when both recorders of a call are killed at once', async () => {
  const call = await place('both');
  await talkThrough(call, async () => {
    const { recordings } = await call.state();
    for (const pid of await Promise.all(recordings.map(pidOf))) process.kill(pid, 'SIGKILL');
    await moved(call, 2);
  });
  await expectNothingLost(call);
});

it('loses nothing when no recorder is left, and one is back within the reach of the ring', async () => {
  const call = await place('none-left');
  await talkThrough(call, async () => {
    for (const { pid } of await tandem.recorders()) process.kill(pid ?? 0, 'SIGKILL');
    await moved(call, 2);
  });
  const alarms = await tandem.api<{ alarms: { kind: string; callId: string }[] }>(
    'GET',
    '/v1/alarms',
  );
  expect(
    alarms.alarms.filter(({ callId }) => callId === 'none-left').map(({ kind }) => kind),
  ).toContain('leg-without-recorder');
  await expectNothingLost(call);
});
