import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ledgerBody } from '../../src/control/schemas/ledger.ts';
import type { Ledger, TimedRange } from '../../src/recording/account/ledger.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { SilentRecorder } from '../support/silent-recorder.ts';
import { TandemProcess } from '../support/tandem-process.ts';

let silent: SilentRecorder;
let tandem: TandemProcess;

beforeAll(async () => {
  silent = await SilentRecorder.start();
  const dir = mkdtempSync(join(tmpdir(), 'tandem-ledger-'));
  const recorders = {
    embedded: { count: 1, zones: ['east'], dir: join(dir, 'recordings') },
    list: [{ id: 'silent', uri: silent.uri, zone: 'west' }],
  };
  tandem = await TandemProcess.start({ recorders }, dir);
});

afterAll(async () => {
  await tandem.dispose();
  await silent.close();
});

const count = (ranges: readonly TimedRange[]): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);

/** As the API shows it, checked against what the OpenAPI document says. */
async function ledgerOf(call: PlacedCall): Promise<Ledger> {
  return ledgerBody.parse(await tandem.api('GET', `/v1/calls/${call.id}/ledger`));
}

/** The one that was written when the call ended. */
async function ledgerOnDisk(call: PlacedCall): Promise<Ledger> {
  const dir = join(tandem.dir, 'ledgers');
  const find = (): string | undefined =>
    readdirSync(dir).find((name) => name.endsWith(`Z-${call.id}.json`));
  const name = await tandem.until(
    () => Promise.resolve(find()),
    (found) => found !== undefined,
  );
  return JSON.parse(readFileSync(join(dir, name ?? ''), 'utf8')) as Ledger;
}

const streamOf = (ledger: Ledger, party: 'a' | 'b') =>
  ledger.streams.find((stream) => stream.party === party)!;

/** The recorder that does not report proves nothing, the other one all. */
async function expectOneProven(call: PlacedCall, ledger: Ledger): Promise<void> {
  const { recordings } = await call.state();
  const verdicts = recordings.map(({ leg, sessions }) => {
    return { leg, verdict: sessions[0]?.recorder === 'silent' ? 'unproven' : 'complete' };
  });
  expect(verdicts.map(({ verdict }) => verdict).toSorted()).toEqual(['complete', 'unproven']);
  expect(ledger.legs).toEqual(verdicts);
  expect(ledger.verdict).toBe('complete-by-merge');
}

it('puts what its sender never sent down to the way before Tandem, and blames no leg', async () => {
  const call = await PlacedCall.place(tandem, { id: 'upstream' });
  await call.recording();
  await call.talk(20);
  // 3 packets, and later 5, that never arrive.
  for (const skipped of [3, 5]) {
    call.a.sequence += skipped;
    call.a.timestamp += skipped * 160;
    await call.talk(20);
  }
  await tandem.until(
    () => call.state(),
    ({ parties }) => parties.a.packets === 60 && parties.b.packets === 60,
  );
  await call.hangUp();
  const ledger = await ledgerOf(call);
  const a = streamOf(ledger, 'a');
  const begin = a.received[0]!.first;
  const ranges = a.lostBeforeUs.map(({ first, last }) => [first - begin, last - begin]);
  expect(ranges).toEqual([
    [20, 22],
    [43, 47],
  ]);
  expect(a).toMatchObject({ receivedPackets: 60, lostBeforeUsPackets: 8, missingFromUnion: [] });
  expect(a.lostInUs).toEqual({ ranges: [], kernelDrops: 0 });
  expect(streamOf(ledger, 'b')).toMatchObject({ lostBeforeUs: [], receivedPackets: 60 });
  await expectOneProven(call, ledger);
  for (const leg of a.legs) expect(leg).toMatchObject({ missing: [], missingMs: 0 });
  expect((await call.state()).parties.a.upstreamLostPackets).toBe(8);
  expect(await ledgerOnDisk(call)).toEqual(ledger);
  call.a.close();
  call.b.close();
});

it('has all of it confirmed at the end, though no report was due', async () => {
  const before = silent.media.received.length;
  const call = await PlacedCall.place(tandem, { id: 'final' });
  await call.recording();
  await call.talk(20);
  const reported = await tandem.until(
    () => ledgerOf(call),
    ({ streams }) =>
      streams.every(({ legs }) => legs.some(({ confirmed }) => confirmed.length > 0)),
  );
  for (const { legs } of reported.streams) {
    expect(legs.every(({ reportedLostPackets }) => reportedLostPackets === 0)).toBe(true);
  }
  await call.talk(15);
  await silent.media.gets(before + 70);
  await call.hangUp();
  for (const { legs } of (await ledgerOf(call)).streams) {
    const counts = legs.map(({ confirmed, unconfirmed }) => [count(confirmed), count(unconfirmed)]);
    expect(counts.sort()).toEqual([
      [0, 35],
      [35, 0],
    ]);
  }
  call.a.close();
  call.b.close();
});

it('calls confirmed only what a recorder has confirmed', async () => {
  const before = silent.media.received.length;
  const call = await PlacedCall.place(tandem, { id: 'confirmed' });
  await call.recording();
  await call.talk(100);
  const reported = await tandem.until(
    () => ledgerOf(call),
    (ledger) =>
      ledger.streams.every(
        ({ legs, receivedPackets }) =>
          receivedPackets === 100 && legs.some(({ confirmed }) => count(confirmed) === 100),
      ),
  );
  const { recordings } = await call.state();
  const silentLeg = recordings.find(({ recorder }) => recorder === 'silent')!.leg;
  for (const { legs } of reported.streams) {
    for (const { leg, confirmed, unconfirmed } of legs) {
      const expected = leg === silentLeg ? [0, 100] : [100, 0];
      expect([count(confirmed), count(unconfirmed)]).toEqual(expected);
    }
  }
  await call.hangUp();
  expect(await silent.media.gets(before + 200)).toHaveLength(before + 200);
  const ledger = await ledgerOf(call);
  // What nobody confirms is held neither to be lost nor to be there.
  await expectOneProven(call, ledger);
  for (const { legs } of ledger.streams) {
    const entry = legs.find(({ leg }) => leg === silentLeg)!;
    expect(entry.confirmed).toEqual([]);
    expect(count(entry.unconfirmed)).toBe(100);
  }
  expect(await ledgerOnDisk(call)).toEqual(ledger);
  call.a.close();
  call.b.close();
});
