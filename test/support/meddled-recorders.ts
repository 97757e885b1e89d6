import { readFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { ledgerBody } from '../../src/control/schemas/ledger.ts';
import { callState } from '../../src/control/schemas/call.ts';
import type { Ledger } from '../../src/recording/account/ledger.ts';
import type { CallState, LegState } from '../../src/recording/call-state.ts';
import type { Party } from '../../src/recording/interfaces.ts';
import { MeddlingProxy } from './meddling-proxy.ts';
import { hashPayload } from './media-compare.ts';
import { PlacedCall } from './placed-call.ts';
import type { CallPlan } from './placed-call.ts';
import { RecorderProcess } from './recorder-process.ts';
import type { RecordingDocument } from './recorder-process.ts';
import { TandemProcess } from './tandem-process.ts';

/**
 * A real Tandem and real recorders: `m1` and `m2` behind proxies that meddle with their answers and their media, `spare` that is
 * put to work where a test needs a third. What was sent is held against what is on disk.
 */

export const mediaHost = '127.66.77.99';
export let tandem: TandemProcess;
export let m1: MeddlingProxy;
export let m2: MeddlingProxy;
const recorders: RecorderProcess[] = [];
const calls: PlacedCall[] = [];
const talks: (() => Promise<void>)[] = [];

/** For all tests of a file. */
export function useMeddledRecorders(): void {
  beforeAll(async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tandem-hostile-'));
    const start = async (id: string): Promise<RecorderProcess> => {
      const flags = ['--id', id, '--rtcp-interval', '100'];
      const own = mkdtempSync(join(tmpdir(), 'tandem-recorder-'));
      const recorder = await RecorderProcess.start(flags, own, join(dir, 'recordings', id));
      recorders.push(recorder);
      return recorder;
    };
    const [first, second, spare] = await Promise.all(['m1', 'm2', 'spare'].map(start));
    m1 = await MeddlingProxy.open(first!.port, mediaHost);
    m2 = await MeddlingProxy.open(second!.port);
    tandem = await TandemProcess.start(
      {
        recording: { mediaTimeoutMs: 300 },
        calls: { noMediaMs: 300 },
        // The proxies stand still while tshark reads what was recorded.
        resource: { health: { timeoutMs: 5_000, failures: 10 } },
        alarms: { singleLegMs: 50, gatherMs: 50 },
        recorders: {
          list: [
            { id: 'm1', uri: m1.uri, zone: 'east' },
            { id: 'm2', uri: m2.uri, zone: 'west' },
            { id: 'spare', uri: spare!.uri, zone: 'north', state: 'standby' },
          ],
        },
      },
      dir,
    );
  });

  afterEach(async () => {
    for (const quiet of talks.splice(0)) await quiet();
    for (const { a, b } of calls.splice(0)) for (const party of [a, b]) party.close();
    for (const proxy of [m1, m2]) proxy.behave();
    await assign('spare', 'standby');
    await assign('m1', 'up');
    await tandem.until(
      () => tandem.recorders(),
      (all) => all.filter(({ state }) => state === 'up').length === 2,
    );
  });

  afterAll(async () => {
    await tandem.dispose();
    await Promise.all([m1.close(), m2.close()]);
    await Promise.all(recorders.map((recorder) => recorder.dispose()));
  });
}

export async function assign(recorder: string, state: string): Promise<void> {
  await tandem.api('PATCH', `/v1/recorders/${recorder}`, { state });
}

/** Both parties talk until the test is done with it. */
export function talkOn(call: PlacedCall): () => Promise<void> {
  const talking = new AbortController();
  const { signal } = talking;
  const talk = Promise.all([
    call.a.stream(call.ports.a, { signal }),
    call.b.stream(call.ports.b, { signal }),
  ]);
  const quiet = async (): Promise<void> => {
    talking.abort();
    await talk;
  };
  talks.push(quiet);
  return async () => {
    await quiet();
    await arrived(call, Math.max(call.a.sent.length, call.b.sent.length));
  };
}

export async function place(plan: CallPlan): Promise<PlacedCall> {
  const call = await PlacedCall.place(tandem, plan);
  calls.push(call);
  return call;
}

export async function arrived(call: PlacedCall, count: number): Promise<void> {
  await tandem.until(
    () => call.state(),
    ({ parties }) => parties.a.packets >= count && parties.b.packets >= count,
  );
}

/** As the OpenAPI document says. */
export async function ledgerOf({ id }: PlacedCall): Promise<Ledger> {
  return ledgerBody.parse(await tandem.api('GET', `/v1/calls/${id}/ledger`));
}

export async function alarmsOf(call: PlacedCall): Promise<{ kind: string; leg?: number }[]> {
  const { alarms } = await tandem.api<{
    alarms: {
      kind: string;
      callId?: string;
      leg?: number;
      details: { legs?: { callId: string }[] };
    }[];
  }>('GET', '/v1/alarms');
  const about = (id: string | undefined): boolean => id === call.id;
  return alarms.filter(
    ({ callId, details }) => about(callId) || details.legs?.some((leg) => about(leg.callId)),
  );
}

const kindsOf = async (call: PlacedCall): Promise<string[]> =>
  (await alarmsOf(call)).map(({ kind }) => kind);

export function told(call: PlacedCall, ...kinds: string[]): Promise<string[]> {
  return tandem.until(
    () => kindsOf(call),
    (all) => kinds.some((kind) => all.includes(kind)),
  );
}

interface Ended {
  readonly state: CallState;
  readonly ledger: Ledger;
  /** Of each leg: numbers of sent packets, from 0, that none of its files holds. */
  readonly missing: readonly Readonly<Record<Party, number[]>>[];
}

export async function end(call: PlacedCall): Promise<Ended> {
  await tandem.api('DELETE', `/v1/calls/${call.id}`);
  return ended(call);
}

/** What there is in the end, once all files are whole. */
export async function ended(call: PlacedCall): Promise<Ended> {
  const last = await tandem.until(
    () => call.state(),
    ({ state }) => state === 'ended',
  );
  const state = callState.parse(last);
  await call.whole(state.recordings.flatMap((leg) => call.folders(leg)));
  const missing = state.recordings.map((leg) => {
    const recorded = new Set(call.recorded(leg).map(({ payloadHash }) => payloadHash));
    const of = (party: Party): number[] =>
      call[party].sent.flatMap(({ payload }, at) =>
        recorded.has(hashPayload(payload)) ? [] : [at],
      );
    return { a: of('a'), b: of('b') };
  });
  return { state, ledger: await ledgerOf(call), missing };
}

export const nothing = { a: [], b: [] };

export function expectWhole({ ledger, missing }: Ended): void {
  expect(missing).toEqual([nothing, nothing]);
  expect(ledger).toMatchObject({
    verdict: 'complete',
    legs: [{ verdict: 'complete' }, { verdict: 'complete' }],
  });
}

export function legOn(recorder: string, { recordings }: CallState): LegState {
  return recordings.find(({ sessions }) =>
    sessions.some((session) => session.recorder === recorder),
  )!;
}

export const recordersOf = ({ recordings }: CallState): (string | null)[] =>
  recordings.map(({ recorder }) => recorder).sort();

export function recordingOf(call: PlacedCall, leg: LegState): RecordingDocument {
  const [folder = ''] = call.folders(leg);
  return JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8')) as RecordingDocument;
}
