import { setTimeout as delay } from 'node:timers/promises';
import { TandemError } from '../errors.ts';
import type { Ledger } from '../recording/account/ledger.ts';
import type { CallState } from '../recording/call-state.ts';
import { parties } from '../recording/interfaces.ts';
import type { Party } from '../recording/interfaces.ts';
import { DemoParty } from './demo-party.ts';
import type { Display } from './display.ts';
import type { MediaSource } from './media-source.ts';
import { readMediaAddress, writePartySdp } from './party-sdp.ts';
import { play } from './player.ts';
import { ProgressLine } from './progress-line.ts';
import type { RecorderInfo, TandemClient } from './tandem-client.ts';

const callId = 'demo';
const pollMs = 250;
/** For the last packets to come through. */
const settleMsMax = 2_000;
const settleStepMs = 50;

export interface KilledRecorder {
  readonly recorder: string;
  readonly zone: string;
  readonly pid: number;
  /** From the first packet of the call. */
  readonly atMs: number;
}

export interface RecordedCall {
  readonly callId: string;
  /** After its end. */
  readonly state: CallState;
  readonly ledger: Ledger;
  readonly killed: KilledRecorder;
  readonly recorders: readonly RecorderInfo[];
  readonly parties: Readonly<Record<Party, DemoParty>>;
}

/** Places the call, plays it, kills the recorder of leg 1 a third of the way in, and ends it. */
export async function recordCall(
  client: TandemClient,
  source: MediaSource,
  display: Display,
  signal: AbortSignal,
): Promise<RecordedCall> {
  const both = { a: await DemoParty.create(), b: await DemoParty.create() };
  try {
    await placeCall(client, source, both);
    const startAt = performance.now();
    const playing = play(
      source,
      (party, bytes) => {
        both[party].send(bytes);
      },
      startAt,
      signal,
    );
    const recorders = await client.listRecorders();
    const progress = new ProgressLine(display, source.durationMs, startAt, both);
    const stopWatching = new AbortController();
    const watching = watch(client, progress, AbortSignal.any([signal, stopWatching.signal]));
    const killing = killRecorder(client, progress, startAt, source.durationMs / 3, signal);
    const [, killed] = await Promise.all([playing, killing]).finally(() => {
      stopWatching.abort();
    });
    await watching;
    await settle(client, both);
    progress.update(await client.getCall(callId));
    await client.deleteCall(callId);
    const [state, ledger] = await Promise.all([client.getCall(callId), client.getLedger(callId)]);
    return { callId, state, ledger, killed, recorders, parties: both };
  } finally {
    for (const party of parties) both[party].close();
  }
}

async function placeCall(
  client: TandemClient,
  source: MediaSource,
  both: Readonly<Record<Party, DemoParty>>,
): Promise<void> {
  const { a, b } = both;
  const { offer } = await client.createCall({
    id: callId,
    offer: writePartySdp('a', a.local, source.payloads),
    parties: {
      a: { aor: 'sip:alice@north-harbour.example', name: 'Alice' },
      b: { aor: 'sip:customer@example.net', name: 'A customer' },
    },
  });
  b.connect(readMediaAddress(offer));
  const answer = writePartySdp('b', b.local, source.payloads);
  a.connect(readMediaAddress((await client.answerCall(callId, answer)).answer));
}

async function killRecorder(
  client: TandemClient,
  progress: ProgressLine,
  startAt: number,
  atMs: number,
  signal: AbortSignal,
): Promise<KilledRecorder> {
  await delay(Math.max(0, startAt + atMs - performance.now()), undefined, { signal });
  const [call, recorders] = await Promise.all([client.getCall(callId), client.listRecorders()]);
  const id = call.recordings.find(({ leg }) => leg === 1)?.recorder;
  const recorder = recorders.find((one) => one.id === id);
  if (recorder?.pid === undefined) {
    throw new TandemError('NO_RECORDER', 'leg 1 is on no recorder that could be killed');
  }
  const killedAtMs = performance.now() - startAt;
  process.kill(recorder.pid, 'SIGKILL');
  progress.event(
    `killed ${recorder.id}, the recorder of leg 1 (SIGKILL to process ${recorder.pid})`,
  );
  return { recorder: recorder.id, zone: recorder.zone, pid: recorder.pid, atMs: killedAtMs };
}

/** Keeps the progress line fresh until told to stop. */
async function watch(
  client: TandemClient,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      progress.update(await client.getCall(callId));
      await delay(pollMs, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Until Tandem has what was sent, and the parties have what it passed on. */
async function settle(
  client: TandemClient,
  both: Readonly<Record<Party, DemoParty>>,
): Promise<void> {
  const endAt = performance.now() + settleMsMax;
  while (performance.now() < endAt) {
    const call = await client.getCall(callId);
    const arrived = parties.every(
      (party) => call.parties[party].packets >= both[party].sent.length,
    );
    const heard =
      both.a.received.length >= both.b.sent.length && both.b.received.length >= both.a.sent.length;
    if (arrived && heard) return;
    await delay(settleStepMs);
  }
}
