import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallState } from '../../src/recording/call-state.ts';
import { plainSdp } from '../support/sdp-samples.ts';
import { TandemProcess } from '../support/tandem-process.ts';
import type { RecorderInfo } from '../support/tandem-process.ts';

const calls = 100;
const dir = mkdtempSync(join(tmpdir(), 'tandem-fleet-'));
const config = {
  recorders: {
    embedded: { count: 6, dir: join(dir, 'recordings'), zones: ['east', 'west'], capacity: 60 },
  },
};

/** 100 calls over four recorders in two zones; a fifth is drained, a sixth stands by. */
describe('a fleet of recorders', () => {
  let tandem: TandemProcess;
  let recorders: readonly RecorderInfo[];
  let states: readonly CallState[];

  beforeAll(async () => {
    tandem = await TandemProcess.start(config, dir);
    await tandem.api('PATCH', '/v1/recorders/r5', { state: 'draining' });
    await tandem.api('PATCH', '/v1/recorders/r6', { state: 'standby' });
    const sdp = (port: number): string => plainSdp({ formats: '0', port, ip: '127.0.0.1' });
    await Promise.all(
      Array.from({ length: calls }, async (_, index) => {
        const id = `fleet-${index}`;
        await tandem.api('POST', '/v1/calls', { id, offer: sdp(4_000 + index * 4) });
        await tandem.api('POST', `/v1/calls/${id}/answer`, { answer: sdp(4_002 + index * 4) });
      }),
    );
    const legs = (all: readonly CallState[]) => all.flatMap(({ recordings }) => recordings);
    states = await tandem.until(
      async () => (await tandem.api<{ calls: CallState[] }>('GET', '/v1/calls?limit=1000')).calls,
      (all) => legs(all).filter(({ state }) => state === 'recording').length === 2 * calls,
    );
    recorders = await tandem.recorders();
  });

  afterAll(async () => {
    await tandem.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const zoneOf = (id: string | null): string | undefined =>
    recorders.find((recorder) => recorder.id === id)?.zone;

  it('carries the sessions evenly, within its capacities', () => {
    const able = recorders.filter(({ state }) => state === 'up').map(({ sessions }) => sessions);
    expect(able).toHaveLength(4);
    expect(able.reduce((sum, sessions) => sum + sessions, 0)).toBe(2 * calls);
    expect(Math.max(...able) - Math.min(...able)).toBeLessThanOrEqual(1);
    expect(recorders.every(({ sessions, capacity }) => sessions <= capacity)).toBe(true);
  });

  it('gives the drained and the standby recorder nothing', () => {
    const [drained, standby] = [recorders[4], recorders[5]];
    expect(drained).toMatchObject({ id: 'r5', state: 'draining', sessions: 0 });
    expect(standby).toMatchObject({ id: 'r6', state: 'standby', sessions: 0 });
  });

  it('has no call with both legs on one recorder or in one zone', () => {
    expect(states).toHaveLength(calls);
    for (const { recordings } of states) {
      const [first, second] = recordings.map(({ recorder }) => recorder);
      expect(first).not.toBe(second);
      expect(zoneOf(first ?? null)).not.toBe(zoneOf(second ?? null));
    }
  });

  it('gives every recording session a record identifier of its own', () => {
    const ids = states.flatMap(({ recordings }) => recordings.map(({ recordId }) => recordId));
    expect(new Set(ids).size).toBe(2 * calls);
  });
});
