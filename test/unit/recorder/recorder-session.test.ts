import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Edge } from '../../../src/edge/edge.ts';
import type { CaptureRemote, CaptureReport } from '../../../src/edge/types.ts';
import type { FinishRequest } from '../../../src/recorder/finish-recording.ts';
import { RecorderSession } from '../../../src/recorder/recorder-session.ts';
import { readSession } from '../../../src/recorder/session-file.ts';
import type { OfferedStream } from '../../../src/siprec/srs-session.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const address = (port: number) => ({ ip: '127.0.0.1', port });
const remote = { rtp: address(9_000), rtcp: address(9_001) };
const payloads = [{ payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 }];
const stream: OfferedStream = {
  position: 0,
  label: '1',
  remote,
  active: true,
  reportRanges: false,
  payloads,
};

let dir: string;
let clock: ManualClock;
let report: CaptureReport;
let remotes: CaptureRemote[];
let ended: FinishRequest[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-session-'));
  clock = new ManualClock();
  report = { captureId: 1, fileBytes: 0, restored: 0, streams: [] };
  remotes = [];
  ended = [];
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

function open(streams: readonly OfferedStream[] = [stream]): RecorderSession {
  const edge: Partial<Edge> = {
    openCapture: () => ({ captureId: 1, streams: [remote] }),
    setCaptureRemote: (_id, _index, to) => remotes.push(to),
    captureReport: () => report,
    closeCapture: () => report,
  };
  const session = RecorderSession.create({
    recordId: 'r',
    recorder: 'r1',
    folder: join(dir, 'r'),
    sipCallId: 'c',
    source: '',
    host: '127.0.0.1',
    latch: 'announced',
    edge: edge as Edge,
    clock,
    logger: pino({ level: 'silent' }),
    onEnded: (request) => ended.push(request),
    onAbandoned: () => undefined,
  });
  session.offered(streams);
  return session;
}

test('is found out to have failed, should the edge’s word of it be lost', () => {
  const session = open();
  expect(session.unnoticedFailure).toBeUndefined();
  report = { ...report, failed: 'ENOSPC' };
  expect(session.unnoticedFailure).toBe('ENOSPC');
  session.fail('ENOSPC');
  expect(session.unnoticedFailure).toBeUndefined();
});

test('writes the times of the machine’s clock, and measures silence by another', async () => {
  const session = open();
  const startedAt = clock.now();
  await clock.advance(1_000);
  clock.wallOf = (at) => at + 3_600_000;
  session.offered([{ ...stream, payloads: [] }]);
  session.ended('bye');
  const [request] = ended;
  expect(session.lastMediaAt).toBe(startedAt);
  expect(request?.endedAt).toBe(startedAt + 3_601_000);
  expect(request?.session.streams[0]?.epochs.map(({ at }) => at)).toEqual([
    startedAt,
    startedAt + 3_601_000,
  ]);
});

test('is told by each offer whether reports by range are wanted', () => {
  const session = open();
  session.offered([{ ...stream, reportRanges: true }]);
  expect(remotes).toEqual([{ ...remote, reportRanges: true }]);
});

test('remembers whether media was ever to come, and what was not taken', () => {
  const session = open([{ ...stream, active: false }]);
  expect(readSession(join(dir, 'r'))?.streams[0]?.inactive).toBe(true);
  session.offered([{ ...stream, active: true }]);
  session.offered([{ ...stream, active: false }]);
  const declined = { position: 1, label: '3', mediaType: 'audio', protocol: 'RTP/AVP' };
  session.declined([declined]);
  session.declined([{ ...declined, label: 'again' }]);
  const { streams, declined: written } = readSession(join(dir, 'r')) ?? {};
  expect(streams?.[0]?.inactive).toBeUndefined();
  expect(written?.map(({ label }) => label)).toEqual(['3']);
});

test('writes its files again where its capture had to be made again', () => {
  const session = open();
  const xml = Buffer.from('<recording/>');
  const nothing = {
    ...{ groups: [], sessions: [], participants: [], streams: [] },
    ...{ sessionRecordings: [], participantSessions: [], participantStreams: [] },
  };
  session.snapshot({ xml, metadata: { dataMode: 'complete', ...nothing } });
  rmSync(join(dir, 'r', 'metadata.xml'));
  rmSync(join(dir, 'r', 'recording.partial.json'));
  session.restored();
  expect(readFileSync(join(dir, 'r', 'metadata.xml'))).toEqual(xml);
  expect(readSession(join(dir, 'r'))?.recordId).toBe('r');
});
