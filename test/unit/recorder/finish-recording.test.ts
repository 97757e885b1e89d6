import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CaptureReport } from '../../../src/edge/types.ts';
import { finishRecording } from '../../../src/recorder/finish-recording.ts';
import { findLeftovers } from '../../../src/recorder/leftovers.ts';
import { writeSession } from '../../../src/recorder/session-file.ts';
import type { SessionDescription } from '../../../src/recorder/session-file.ts';
import type { Taken } from '../../../src/recorder/verdict.ts';
import { writeRtpPacket } from '../../../src/rtp/header.ts';
import { writePcapng } from '../../support/pcapng.ts';

const startedAt = Date.UTC(2026, 10, 21);
/** No process has it: the kernel's numbers end at 2^22. */
const deadPid = 2 ** 22 + 1;
/** The packet that is missing; extended numbers begin one cycle up, so that older ones have room. */
const gap = 65_536 + 20;
const whole = ['media.pcapng', 'recording.json', 'recording.wav'];
let dir: string;
let folder: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-finish-'));
  folder = join(dir, 'r');
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const payloads = [{ payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 }];

function session(change: Partial<SessionDescription> = {}): SessionDescription {
  return {
    recordId: 'r',
    recorder: 'r1',
    pid: deadPid,
    sipCallId: 'c',
    source: '127.0.0.1:5060',
    sessionId: null,
    startedAt,
    streams: ['1', '2'].map((label) => ({
      label,
      party: null,
      epochs: [{ at: startedAt, payloads }],
    })),
    ...change,
  };
}

/** What a recorder leaves that dies in a session: 50 packets of each party, but for one. */
function crash(description = session()): void {
  const packets = Array.from({ length: 100 }, (_, index) => {
    const from = index % 2;
    const number = (index - from) / 2;
    const header = { payloadType: 0, sequence: number, timestamp: number * 160, ssrc: from + 1 };
    const payload = writeRtpPacket({ ...header, marker: false }, Buffer.alloc(160, 0xff));
    return { at: startedAt + 20 * number, from, payload };
  });
  packets.splice(41, 1);
  writePcapng(join(folder, 'media.partial.pcapng'), ['1', '2'], packets);
  writeSession(folder, description);
}

function finish(capture?: CaptureReport, description = session()): void {
  const ended = { endedAt: startedAt + 1_000, endReason: 'bye' };
  const known = capture === undefined ? {} : { capture };
  finishRecording({ folder, session: description, ...ended, ...known });
}

function taken(facts: Partial<Taken>): Taken {
  const nothing = {
    packets: 0,
    bytes: 0,
    rtcpPackets: 0,
    lostPackets: 0,
    kernelDrops: 0,
    refusedAfterLast: 0,
  };
  return { label: '', ...nothing, refused: {}, ...facts };
}

function recording(): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8')) as never;
}

describe('finishing a recording', () => {
  test('gives files their names, counts what is missing, and leaves nothing else', () => {
    crash();
    finish();
    expect(readdirSync(folder).sort()).toEqual(whole);
    expect(recording()).toMatchObject({
      endReason: 'bye',
      verdict: 'missing 20 ms',
      streams: [
        { label: '1', packets: 50, lostPackets: 0 },
        { label: '2', packets: 49, lostPackets: 1, gaps: [{ ssrc: 2, first: gap, last: gap }] },
      ],
      wav: { channels: 2, sampleRate: 8_000, durationMs: 1_000 },
    });
  });

  test.each([
    ['before anything was done', () => undefined],
    [
      'after the capture was renamed',
      () => {
        rename();
      },
    ],
    [
      'while the WAV was being written',
      () => {
        rename();
        scrap('recording.wav.tmp');
      },
    ],
    [
      'after the WAV',
      () => {
        finish();
        rmSync(join(folder, 'recording.json'));
        describeAgain();
      },
    ],
    [
      'before the partial description was removed',
      () => {
        finish();
        describeAgain();
      },
    ],
  ])('comes to the same when it was cut off %s', (_when, cutOff) => {
    crash();
    finish();
    const expected = recording();
    const wav = readFileSync(join(folder, 'recording.wav'));
    rmSync(folder, { recursive: true });
    mkdirSync(folder);

    crash();
    cutOff();
    finish();
    expect(recording()).toEqual(expected);
    expect(readFileSync(join(folder, 'recording.wav')).equals(wav)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(whole);
  });

  test('keeps what is whole of a capture that ends inside a packet, and says where it ends', () => {
    crash();
    const partial = join(folder, 'media.partial.pcapng');
    const bytes = statSync(partial).size;
    truncateSync(partial, bytes - 10);
    finish();
    const { streams, capture } = recording() as never as {
      streams: { packets: number }[];
      capture: { problem: { offset: number } };
    };
    expect(streams.map(({ packets }) => packets)).toEqual([50, 48]);
    expect(capture.problem.offset).toBeLessThan(bytes - 10);
  });

  test('describes a session that never had media', () => {
    writeSession(folder, session());
    finish();
    expect(readdirSync(folder)).toEqual(['recording.json']);
    expect(recording()).toMatchObject({
      wav: { file: null },
      durationMs: 0,
      verdict: 'no-media',
      streams: [{ verdict: 'no-media' }, { verdict: 'no-media' }],
    });
  });

  test('says what the edge refused and dropped, and measures by the clock that nobody sets', () => {
    crash();
    const firstAt = startedAt + 5;
    const refused = { stranger: 250 };
    const streams = [
      taken({ label: '1', packets: 50, firstAt, lastAt: firstAt + 980 }),
      taken({ label: '2', packets: 49, firstAt, lastAt: firstAt + 981, refused, kernelDrops: 1 }),
    ];
    finish({ captureId: 1, fileBytes: 1, restored: 0, streams });
    expect(recording()).toMatchObject({
      durationMs: 981,
      streams: [
        { verdict: 'complete', refused: {}, kernelDrops: 0 },
        { verdict: 'missing 20 ms', refused, kernelDrops: 1 },
      ],
    });
  });

  test('says so when what was taken is not on disk any more, though the folder is gone, too', () => {
    const streams = ['1', '2'].map((label) => taken({ label, packets: 700 }));
    rmSync(folder, { recursive: true });
    finish({ captureId: 1, fileBytes: 1, restored: 0, streams });
    expect(recording()).toMatchObject({
      verdict: 'missing 1400 packets',
      streams: [{ verdict: 'missing 700 packets' }, { verdict: 'missing 700 packets' }],
    });
  });

  test('names what was offered and not recorded', () => {
    crash();
    const declined = [{ label: '3', mediaType: 'audio', protocol: 'RTP/AVP', at: startedAt }];
    finish(undefined, session({ declined }));
    expect(recording()).toMatchObject({
      verdict: 'not recorded: 3',
      notRecorded: [{ label: '3', protocol: 'RTP/AVP', at: '2026-11-21T00:00:00.000Z' }],
    });
  });

  test('places packets after the clock was set back where they belong', () => {
    const packets = Array.from({ length: 100 }, (_, sequence) => {
      const header = { payloadType: 0, sequence, timestamp: sequence * 160, ssrc: 1 };
      const payload = writeRtpPacket({ ...header, marker: false }, Buffer.alloc(160, 0xff));
      const setBackMs = sequence < 50 ? 0 : 3_600_000;
      return { at: startedAt + 20 * sequence - setBackMs, from: 0, payload };
    });
    writePcapng(join(folder, 'media.partial.pcapng'), ['1', '2'], packets);
    writeSession(folder, session());
    finish();
    const { durationMs, wav } = recording() as { durationMs: number; wav: { durationMs: number } };
    expect(wav.durationMs).toBe(2_000);
    expect(durationMs).toBeGreaterThan(1_900);
    expect(durationMs).toBeLessThan(2_000);
  });
});

describe('leftovers', () => {
  test('are folders of recorders that are gone, and none once they are finished', () => {
    crash();
    const found = findLeftovers(dir, 'r1');
    expect(found).toMatchObject([{ folder, endReason: 'recorder died', session: session() }]);
    for (const request of found) finishRecording(request);
    expect(findLeftovers(dir, 'r1')).toEqual([]);
    expect(recording()).toMatchObject({ endReason: 'recorder died' });
  });

  test('leave alone what a living process writes, and folders of another kind', () => {
    crash(session({ pid: process.ppid }));
    mkdirSync(join(dir, 'notes'));
    writeFileSync(join(dir, 'notes', 'todo.txt'), '');
    writeFileSync(join(dir, 'file'), '');
    expect(findLeftovers(dir, 'r1')).toEqual([]);
  });

  test('are found without a description that can be read: the packets are what counts', () => {
    crash();
    writeFileSync(join(folder, 'recording.partial.json'), '{ "recordId": ');
    const found = findLeftovers(dir, 'r1');
    expect(found).toMatchObject([{ session: { recordId: 'r', streams: [] } }]);
    for (const request of found) finishRecording(request);
    expect(existsSync(join(folder, 'media.pcapng'))).toBe(true);
    expect(findLeftovers(dir, 'r1')).toEqual([]);
  });
});

function rename(): void {
  renameSync(join(folder, 'media.partial.pcapng'), join(folder, 'media.pcapng'));
}

function scrap(name: string): void {
  writeFileSync(join(folder, name), 'half');
}

function describeAgain(): void {
  writeSession(folder, session());
}
