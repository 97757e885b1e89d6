import { expect, test } from 'vitest';
import { recordingVerdict, streamVerdict } from '../../../src/recorder/verdict.ts';
import type { RecordingFacts, StreamFacts } from '../../../src/recorder/verdict.ts';

const taken = (packets: number): NonNullable<StreamFacts['taken']> => ({
  label: '',
  packets,
  bytes: 0,
  rtcpPackets: 0,
  lostPackets: 0,
  kernelDrops: 0,
  refused: {},
  refusedAfterLast: 0,
});
const whole: StreamFacts = {
  label: '1',
  packets: 50,
  lostMs: 0,
  inactive: false,
  taken: taken(50),
};
const silent: StreamFacts = { ...whole, packets: 0, taken: taken(0) };

test.each<[string, Partial<StreamFacts>, boolean, string]>([
  ['all that came is there', {}, false, 'complete'],
  ['numbers are missing', { lostMs: 40.4 }, false, 'missing 40 ms'],
  ['no packet came', { packets: 0, taken: taken(0) }, false, 'no-media'],
  [
    'no packet came, and none was to',
    { packets: 0, taken: taken(0), inactive: true },
    false,
    'inactive',
  ],
  ['less is on disk than came', { packets: 30 }, false, 'missing 20 packets'],
  ['nothing is on disk of what came', { packets: 0 }, false, 'missing 50 packets'],
  ['nobody saw the end', { taken: undefined }, false, 'unproven'],
  ['the file is cut off', {}, true, 'unproven'],
  [
    'the rest came from elsewhere and was refused',
    { taken: { ...taken(50), refused: { stranger: 90 }, refusedAfterLast: 30 } },
    false,
    'unproven',
  ],
  [
    'others were refused meanwhile',
    { taken: { ...taken(50), refused: { stranger: 90 } } },
    false,
    'complete',
  ],
])('of a stream where %s', (_what, facts, damaged, verdict) => {
  expect(streamVerdict({ ...whole, ...facts }, damaged)).toBe(verdict);
});

test.each<[string, Partial<RecordingFacts>, string]>([
  ['both came whole', {}, 'complete'],
  ['nobody was heard', { streams: [silent, { ...silent, label: '2' }] }, 'no-media'],
  ['only one was heard', { streams: [whole, { ...silent, label: '2' }] }, 'no-media: 2'],
  [
    'only one was heard, and not all',
    {
      streams: [
        { ...whole, lostMs: 20 },
        { ...silent, label: '2' },
      ],
    },
    'no-media: 2',
  ],
  ['one was inactive all along', { streams: [whole, { ...silent, inactive: true }] }, 'complete'],
  ['all were inactive', { streams: [{ ...silent, inactive: true }] }, 'no-media'],
  ['no stream is known', { streams: [] }, 'unproven'],
  [
    'some is missing of both',
    {
      streams: [
        { ...whole, lostMs: 20 },
        { ...whole, lostMs: 40 },
      ],
    },
    'missing 60 ms',
  ],
  ['a stream was offered and not taken', { declined: ['3', '4'] }, 'not recorded: 3, 4'],
  ['the disk was full', { captureFailed: 'ENOSPC', streams: [silent] }, 'stopped: ENOSPC'],
  ['files are gone', { streams: [{ ...whole, packets: 0 }, silent] }, 'missing 50 packets'],
  [
    'the rest of one came from elsewhere and was refused',
    { streams: [whole, { ...whole, taken: { ...taken(50), refusedAfterLast: 1 } }] },
    'unproven',
  ],
  ['the recorder died', { streams: [{ ...whole, taken: undefined }] }, 'unproven'],
  ['the recorder died without media', { streams: [{ ...silent, taken: undefined }] }, 'no-media'],
])('of a recording where %s', (_what, facts, verdict) => {
  const nothing = { captureFailed: undefined, damaged: false, declined: [] };
  expect(recordingVerdict({ ...nothing, streams: [whole, whole], ...facts })).toBe(verdict);
});
