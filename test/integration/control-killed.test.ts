import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashPayload } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { TandemProcess } from '../support/tandem-process.ts';

let tandem: TandemProcess;

afterEach(async () => {
  await tandem.dispose();
});

const pidOf = async (role: string, id = role): Promise<number> => {
  const processes = await tandem.processes();
  return processes.find((one) => one.role === role && one.id === id)!.pid;
};

/** SIGKILL; resolves when its successor answers. */
async function killControl(): Promise<void> {
  const pid = await pidOf('control');
  process.kill(pid, 'SIGKILL');
  await tandem.until(
    () => tandem.processes().catch(() => []),
    (processes) => processes.some((one) => one.role === 'control' && one.pid !== pid),
  );
}

const recordIds = (call: Awaited<ReturnType<PlacedCall['state']>>): string[] =>
  call.recordings.map(({ recordId }) => recordId ?? '');

/** All that was said was heard by the other party, once, and is in both recordings. */
async function expectWhole(call: PlacedCall): Promise<void> {
  await call.heardAll();
  const { a, b } = call;
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const heard = to.received.map(({ payload }) => hashPayload(payload));
    expect(heard).toEqual(from.sent.map(({ payload }) => hashPayload(payload)));
    expect(new Set(to.received.map(({ ssrc }) => ssrc)).size).toBe(1);
  }
  const legs = await call.end();
  expect(legs).toHaveLength(2);
  for (const leg of legs) {
    expect(leg.sessions).toHaveLength(1);
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    for (const { payload } of [...a.sent, ...b.sent]) {
      expect(recorded).toContain(hashPayload(payload));
    }
  }
  const { state } = await call.state();
  expect(state).toBe('ended');
}

describe.each(['mediasoup', 'direct'] as const)('control that is killed, %s path', (path) => {
  beforeEach(async () => {
    tandem = await TandemProcess.start({ media: { path, workers: 1 } });
  });

  it('is followed by one that goes on with its calls: same ids, same sessions, no packet lost', async () => {
    const [call] = (await PlacedCall.placeMany(tandem, 1, () => ({ id: 'c1' }))) as [PlacedCall];
    const before = await call.state();
    const edge = await pidOf('edge');
    const talk = new AbortController();
    const talking = call.talkUntil(talk.signal);
    await killControl();
    expect(await pidOf('edge')).toBe(edge);
    const after = await tandem.until(
      () => call.state(),
      (state) => state.path === path,
    );
    expect(recordIds(after)).toEqual(recordIds(before));
    expect(after.recordings.map(({ state }) => state)).toEqual(['recording', 'recording']);
    await killControl();
    talk.abort();
    await talking;
    await expectWhole(call);
  });

  it('leaves nothing behind when all ends', async () => {
    const [call] = (await PlacedCall.placeMany(tandem, 1, () => ({ id: 'c1' }))) as [PlacedCall];
    await killControl();
    await call.talk(20);
    await expectWhole(call);
    const text = await tandem.api<string>('GET', '/metrics');
    expect(text).toMatch(/^tandem_edge_ports 0$/m);
    expect(text).toMatch(/^tandem_edge_forks 0$/m);
  });
});
