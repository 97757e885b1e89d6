import { beforeEach, describe, expect, it } from 'vitest';
import { TandemError } from '../../../src/errors.ts';
import { noMediaSigns } from '../../../src/media/media-signs.ts';
import type { MediaSigns, Party, StreamSigns } from '../../../src/recording/interfaces.ts';
import { MediaWatch } from '../../../src/recording/media-watch.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const settings = {
  watchMs: 250,
  silenceReports: 10,
  silenceMsMax: 6_000,
  lossFraction: 0.5,
  lossReports: 4,
};

let clock: ManualClock;
let beganAt: number;
let signs: Map<string, MediaSigns>;
let told: string[];
let everyMs: number | undefined;
let isBlind: boolean;

beforeEach(() => {
  clock = new ManualClock();
  signs = new Map();
  told = [];
  everyMs = undefined;
  isBlind = false;
  beganAt = clock.now();
  const mediaSigns = (): Map<string, MediaSigns> => {
    if (isBlind) throw new TandemError('EDGE_FAILED', 'no');
    return signs;
  };
  const watch = new MediaWatch({ mediaSigns }, clock, settings, {
    reportsEveryMs: () => everyMs,
    refused: (recordId) => told.push(`${recordId} refused`),
    doubted: (recordId) => told.push(`${recordId} late`),
    lost: (recordId, reason) => told.push(`${recordId} ${reason}`),
    well: (recordId) => told.push(`${recordId} well`),
    blind: () => told.push('blind'),
  });
  watch.start();
});

/** Of a session of which media is sent all the time, but for what is shown otherwise. */
function show(change: Partial<StreamSigns>, party: Party = 'a'): void {
  const session = signs.get('x') ?? noMediaSigns;
  const stream = session.streams[party] ?? {
    ...{ reportedAt: 0, receiverReports: 0, fractionLost: 0, sentSinceReport: 0 },
    sendingSince: beganAt,
  };
  signs.set('x', {
    ...session,
    streams: { ...session.streams, [party]: { ...stream, ...change } },
  });
}

function showSession(change: Partial<MediaSigns>): void {
  signs.set('x', { ...(signs.get('x') ?? noMediaSigns), ...change });
}

function report(fractionLost = 0, party: Party = 'a'): void {
  const before = signs.get('x')?.streams[party]?.receiverReports ?? 0;
  const receiverReports = before + 1;
  show({ reportedAt: clock.now(), receiverReports, fractionLost, sentSinceReport: 0 }, party);
}

/** Reports every 500 ms, each with this much loss, media going on all the time. */
async function reports(count: number, fractionLost = 0): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    report(fractionLost);
    show({ sendingSince: beganAt });
    await sending(500);
  }
}

/** Media is sent, and nobody reports. */
async function sending(ms: number, packetsEach100Ms = 5): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    for (const [party, stream] of Object.entries(signs.get('x')?.streams ?? {})) {
      show({ sentSinceReport: stream.sentSinceReport + packetsEach100Ms }, party as Party);
    }
    await clock.advance(100);
  }
}

describe('the watch over receiver reports', () => {
  it('says nothing while they come', async () => {
    await reports(20);
    expect(told).toEqual([]);
  });

  it('goes on when nothing could be seen once', async () => {
    isBlind = true;
    await clock.advance(settings.watchMs);
    expect(told).toEqual(['blind']);
    isBlind = false;
    showSession({ refusedAt: clock.now() });
    await clock.advance(settings.watchMs);
    expect(told).toEqual(['blind', 'x refused']);
  });

  it('has the recorder asked once when they are late, and the leg moved when they stay out', async () => {
    await reports(10);
    await sending(1_000);
    expect(told).toEqual(['x late']);
    await sending(6_000);
    expect(told.slice(0, 2)).toEqual(['x late', 'x rtcp_silence']);
  });

  it('bears with a recorder that stood still for 300 ms', async () => {
    await reports(10);
    await sending(300);
    await reports(10);
    expect(told).toEqual([]);
  });

  it('moves no leg for want of reports while no media is sent', async () => {
    await reports(10);
    await clock.advance(60_000);
    expect(told).not.toContain('x rtcp_silence');
  });

  it('does not miss what a recorder never sent', async () => {
    show({});
    await sending(60_000);
    expect(told).toEqual([]);
  });

  it('misses the first report of a recorder that is known to report', async () => {
    everyMs = 500;
    show({});
    await sending(1_000);
    expect(told).toEqual(['x late']);
    await sending(6_000);
    expect(told).toContain('x rtcp_silence');
  });

  it('moves a leg off a recorder that reports seldom before its ring runs out', async () => {
    everyMs = 5_000;
    show({});
    await sending(7_000);
    expect(told).toEqual([]);
    await sending(1_500);
    expect(told).toContain('x rtcp_silence');
  });

  it('waits for the first report while what is in the ring is replayed', async () => {
    everyMs = 5_000;
    show({});
    await sending(2_000, 25);
    await sending(5_600);
    expect(told).toEqual([]);
    await sending(500);
    expect(told).toContain('x rtcp_silence');
  });

  it('waits for the first report on packets of 10 ms', async () => {
    everyMs = 5_000;
    show({});
    await sending(7_600, 10);
    expect(told).toEqual([]);
    await sending(500, 10);
    expect(told).toContain('x rtcp_silence');
  });

  it('waits for the next report after a pause where the media is of packets of 10 ms', async () => {
    everyMs = 5_000;
    await reports(1);
    await clock.advance(60_000);
    show({ sendingSince: clock.now() });
    await sending(7_000, 10);
    expect(told).toEqual([]);
    await sending(1_500, 10);
    expect(told).toContain('x rtcp_silence');
  });

  it('misses the next report of a recorder that has reported once', async () => {
    await reports(1);
    await sending(9_000);
    expect(told).toContain('x rtcp_silence');
  });

  it('misses reports on speech that pauses again and again', async () => {
    await reports(10);
    for (let spurt = 0; spurt < 8; spurt += 1) {
      await clock.advance(2_000);
      show({ sendingSince: clock.now() });
      await sending(1_000);
    }
    expect(told).toContain('x rtcp_silence');
  });

  it('does not miss reports of the time in which nothing was sent', async () => {
    await reports(10);
    await clock.advance(60_000);
    told = [];
    show({ sendingSince: clock.now(), sentSinceReport: 0 });
    await sending(700);
    expect(told).toEqual([]);
  });

  it('tells that the host does not send there, when it goes on, and when it is over', async () => {
    show({});
    showSession({ unsendableAt: clock.now() });
    await sending(300);
    expect(told).toEqual(['x unsendable']);
    showSession({ unsendableAt: 0 });
    await sending(300);
    expect(told).toEqual(['x unsendable', 'x well']);
  });

  it('tells of a refusal again and again: an event of it may have been lost', async () => {
    show({});
    showSession({ refusedAt: clock.now() });
    await clock.advance(500);
    expect(told).toEqual(['x refused', 'x refused']);
  });

  it('has the recorder asked once for every doubt that ICMP raises', async () => {
    show({});
    showSession({ doubtedAt: clock.now() });
    await clock.advance(1_000);
    expect(told).toEqual(['x late']);
  });

  it('bears 5 % of loss for ever', async () => {
    await reports(100, 0.05);
    expect(told).toEqual([]);
  });

  it('tells when media does not arrive, after four reports in a row that say so', async () => {
    await reports(10);
    await reports(3, 0.9);
    await reports(1, 0);
    expect(told).toEqual([]);
    await reports(4, 0.9);
    expect(told).toEqual(['x rtcp_loss']);
  });

  it('misses reports on one stream of a recorder that reports on the other', async () => {
    show({}, 'b');
    for (let second = 0; second < 12; second += 1) {
      report();
      await sending(1_000);
    }
    expect(told).toContain('x rtcp_silence');
    expect(told).not.toContain('x well');
  });

  it('takes a report on one stream for none on the other, however much is sent of either', async () => {
    for (let second = 0; second < 12; second += 1) {
      report();
      report(0, 'b');
      await sending(1_000);
    }
    for (let second = 0; second < 24; second += 1) {
      report();
      if (second % 3 === 0) show({ sentSinceReport: 5_000 });
      await sending(1_000);
    }
    expect(told).toContain('x rtcp_silence');
    expect(told).not.toContain('x well');
    report(0, 'b');
    await sending(300);
    expect(told.at(-1)).toBe('x well');
  });

  it('forgets sessions that are over', async () => {
    await reports(10);
    signs.clear();
    await clock.advance(60_000);
    expect(told).toEqual([]);
  });
});
