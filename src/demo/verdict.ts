import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LegState } from '../recording/call-state.ts';
import { parties } from '../recording/interfaces.ts';
import type { MediaPath, Party } from '../recording/interfaces.ts';
import { compareHearing, compareRecording, countKnown, countNotIn } from './comparison.ts';
import type { RecordingComparison } from './comparison.ts';
import type { Check, DemoResult, LegResult } from './demo-result.ts';
import type { MediaSource } from './media-source.ts';
import type { LoggedPacket } from './packet-log.ts';
import type { RecordedCall } from './recorded-call.ts';
import { foldersOf, readSession } from './recording-folders.ts';
import { readWavFile } from './wav-file.ts';

interface LegFiles {
  readonly result: LegResult;
  /** By party, one list of packets for each session. */
  readonly sessions: Readonly<Record<Party, readonly (readonly LoggedPacket[])[]>>;
  readonly comparisons: Readonly<Record<Party, RecordingComparison>>;
}

/** A recording may begin and end with a packet more or less of silence. */
const wavToleranceMs = 100;

/** Reads the recordings and holds them against what the parties sent; also writes the parties' logs. */
export function judge(
  call: RecordedCall,
  source: MediaSource,
  options: { readonly dir: string; readonly path: MediaPath; readonly replay: boolean },
  unfinished: readonly string[],
): DemoResult {
  const { dir, replay } = options;
  const legs = call.state.recordings.map((recording) => readLeg(call, recording, dir));
  const other = { a: 'b', b: 'a' } as const;
  const partyResult = (party: Party) => {
    const log = join(dir, `sent-${party}.jsonl`);
    const { sent, received } = call.parties[party];
    writeFileSync(log, sent.map((packet) => `${JSON.stringify(packet)}\n`).join(''));
    const hearing = compareHearing(call.parties[other[party]].sent, received);
    return { sentPackets: sent.length, log, hearing };
  };
  const results = { a: partyResult('a'), b: partyResult('b') };
  const [moved, kept] = legs;
  const checks = [
    ...parties.map((party) => hearingCheck(party, other[party], results)),
    ...failoverChecks(legs.map(({ result }) => result)),
    wholeCheck(unfinished, legs),
    ...(kept === undefined ? [] : parties.map((party) => recordingCheck(kept, party, true))),
    ...(moved === undefined ? [] : parties.map((party) => recordingCheck(moved, party, replay))),
    ...(moved === undefined || kept === undefined ? [] : [identityCheck(moved, kept)]),
    ...legs.map((leg) => ledgerCheck(leg)),
    ...(source.payloads[0]?.encodingName === 'PCMU' && kept !== undefined
      ? [wavCheck(kept, source.durationMs)]
      : []),
  ];
  return {
    ok: checks.every(({ ok }) => ok),
    ...options,
    path: call.state.path,
    callId: call.callId,
    source: source.description,
    durationMs: source.durationMs,
    killed: call.killed,
    parties: results,
    legs: legs.map(({ result }) => result),
    checks,
  };
}

function readLeg(call: RecordedCall, recording: LegState, dir: string): LegFiles {
  const folders = foldersOf(dir, recording);
  const files = folders.map(readSession);
  const packetsOf = (party: Party) =>
    files.map((streams) => streamOf(call.parties[party].sent, [...streams.values()]));
  const sessions = { a: packetsOf('a'), b: packetsOf('b') };
  const compare = (party: Party) => compareRecording(call.parties[party].sent, sessions[party]);
  const comparisons = { a: compare('a'), b: compare('b') };
  const failovers = call.state.failovers.filter(({ leg }) => leg === recording.leg);
  const recorders = recording.sessions.map(({ recorder }) => recorder);
  const { a, b } = recording.streams;
  const result = {
    leg: recording.leg,
    recordIds: recording.sessions.map(({ recordId }) => recordId),
    recorders,
    zones: recorders.map((id) => call.recorders.find((one) => one.id === id)?.zone ?? '?'),
    folders,
    packets: comparisons.a.packets + comparisons.b.packets,
    lostPackets: a.lostPackets + b.lostPackets,
    lostPacketsOf: { a: a.lostPackets, b: b.lostPackets },
    lostMs: a.lostMs + b.lostMs,
    unprovenPackets: call.ledger.streams
      .flatMap(({ legs }) => legs.filter(({ leg }) => leg === recording.leg))
      .reduce((sum, { unprovenPackets }) => sum + unprovenPackets, 0),
    missingPackets: comparisons.a.missing + comparisons.b.missing,
    replayedPackets: failovers.reduce((sum, { replayedPackets }) => sum + replayedPackets, 0),
    failovers,
  };
  return { result, sessions, comparisons };
}

/** The stream that most resembles what the party sent. */
function streamOf(
  sent: readonly LoggedPacket[],
  streams: readonly (readonly LoggedPacket[])[],
): readonly LoggedPacket[] {
  const [best] = streams
    .map((packets) => ({ packets, known: countKnown(sent, packets) }))
    .filter(({ known }) => known > 0)
    .sort((x, y) => y.known - x.known);
  return best?.packets ?? [];
}

function check(name: string, ok: boolean, detail: string): Check {
  return ok ? { name, ok } : { name, ok, detail };
}

function hearingCheck(party: Party, other: Party, results: DemoResult['parties']): Check {
  const { heard, missing, foreign } = results[party].hearing;
  return check(
    `${party} heard all ${results[other].sentPackets} packets of ${other}, payloads as sent`,
    heard > 0 && missing === 0 && foreign === 0,
    `heard ${heard}, missing ${missing}, of unknown origin ${foreign}`,
  );
}

function failoverChecks(legs: readonly LegResult[]): Check[] {
  const [moved, kept] = legs;
  const [failover] = moved?.failovers ?? [];
  const isMoved = typeof failover?.to === 'string' && moved?.recorders.length === 2;
  const apart = legs.every(({ recorders, zones, leg }) =>
    legs.every(
      (other) =>
        other.leg === leg ||
        (!other.recorders.some((id) => recorders.includes(id)) &&
          !other.zones.some((zone) => zones.includes(zone))),
    ),
  );
  return [
    check(
      'leg 1 moved to another recorder, leg 2 stayed where it was',
      isMoved && kept?.recorders.length === 1,
      legs.map(({ leg, recorders }) => `leg ${leg}: ${recorders.join(' → ') || 'none'}`).join(', '),
    ),
    check(
      'at no time did the legs share a recorder or a zone',
      legs.length === 2 && apart,
      legs.map(({ leg, zones }) => `leg ${leg}: ${zones.join(' → ') || 'none'}`).join(', '),
    ),
  ];
}

function wholeCheck(unfinished: readonly string[], legs: readonly LegFiles[]): Check {
  const folders = legs.reduce((sum, { result }) => sum + result.folders.length, 0);
  return check(
    `all ${folders} recording folders are whole, the killed recorder's too`,
    unfinished.length === 0 && folders > 0,
    unfinished.join(', '),
  );
}

function recordingCheck(leg: LegFiles, party: Party, complete: boolean): Check {
  const { packets, missing, differing, foreign, misplaced } = leg.comparisons[party];
  const what = complete ? `all ${packets + missing - foreign} packets` : 'what it received';
  return check(
    `leg ${leg.result.leg} holds ${what} of ${party}, as sent and in order`,
    packets > 0 && differing + foreign + misplaced === 0 && (!complete || missing === 0),
    `missing ${missing}, differing ${differing}, never sent ${foreign}, out of order ${misplaced}`,
  );
}

function identityCheck(moved: LegFiles, kept: LegFiles): Check {
  const counts = parties.map((party) =>
    countNotIn(moved.sessions[party].flat(), kept.sessions[party].flat()),
  );
  return check(
    'both legs carry the same SSRC, sequence numbers, timestamps and payloads',
    moved.result.packets > 0 && counts.every((count) => count === 0),
    `in leg 1 only: ${counts.join(' of a, ')} of b`,
  );
}

function ledgerCheck({ result, comparisons }: LegFiles): Check {
  const { leg, lostPackets, lostPacketsOf, missingPackets, unprovenPackets } = result;
  const doubt = unprovenPackets === 0 ? '' : ` and ${unprovenPackets} unproven`;
  return check(
    `leg ${leg}: the ledger says ${lostPackets} lost${doubt}, senders' logs and files say ${missingPackets}`,
    missingPackets >= lostPackets - parties.length &&
      missingPackets <= lostPackets + Math.max(1, unprovenPackets),
    parties
      .map((party) => `${party}: ${lostPacketsOf[party]} and ${comparisons[party].missing}`)
      .join(', '),
  );
}

function wavCheck(leg: LegFiles, durationMs: number): Check {
  const file = join(leg.result.folders[0] ?? '', 'recording.wav');
  const name = `leg ${leg.result.leg}: recording.wav has two channels and ${(durationMs / 1_000).toFixed(1)} s`;
  if (!existsSync(file)) return check(name, false, `no ${file}`);
  const { channels, sampleRate } = readWavFile(file);
  const wavMs = ((channels[0]?.length ?? 0) * 1_000) / sampleRate;
  return check(
    name,
    channels.length === 2 && Math.abs(wavMs - durationMs) <= wavToleranceMs,
    `${channels.length} channels, ${(wavMs / 1_000).toFixed(2)} s`,
  );
}
