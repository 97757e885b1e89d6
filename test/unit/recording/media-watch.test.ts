import { beforeEach, describe, expect, it } from 'vitest';
import type { MediaSigns } from '../../../src/recording/interfaces.ts';
import { MediaWatch } from '../../../src/recording/media-watch.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const settings = { watchMs: 250, silenceReports: 10, lossFraction: 0.5, lossReports: 4 };

let clock: ManualClock;
let signs: Map<string, MediaSigns>;
let told: string[];

beforeEach(() => {
  clock = new ManualClock();
  signs = new Map();
  told = [];
  const watch = new MediaWatch({ mediaSigns: () => signs }, clock, settings, {
    late: (recordId) => told.push(`${recordId} late`),
    silent: (recordId) => told.push(`${recordId} silent`),
    losing: (recordId) => told.push(`${recordId} losing`),
  });
  watch.start();
});

/** Reports every 500 ms, each with this much loss, media going on all the time. */
async function reports(count: number, fractionLost = 0): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const before = signs.get('x')?.receiverReports ?? 0;
    signs.set('x', {
      reportedAt: clock.now(),
      receiverReports: before + 1,
      fractionLost,
      sentSinceReport: 0,
    });
    await sending(500);
  }
}

/** Media is sent, and nobody reports. */
async function sending(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    const known = signs.get('x');
    if (known !== undefined) {
      signs.set('x', { ...known, sentSinceReport: known.sentSinceReport + 5 });
    }
    await clock.advance(100);
  }
}

describe('the watch over receiver reports', () => {
  it('says nothing while they come', async () => {
    await reports(20);
    expect(told).toEqual([]);
  });

  it('has the recorder asked once when they are late, and the leg moved when they stay out', async () => {
    await reports(10);
    await sending(1_000);
    expect(told).toEqual(['x late']);
    await sending(6_000);
    expect(told.slice(0, 2)).toEqual(['x late', 'x silent']);
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
    expect(told).not.toContain('x silent');
  });

  it('does not miss what a recorder never sent', async () => {
    signs.set('x', { reportedAt: 0, receiverReports: 0, fractionLost: 0, sentSinceReport: 0 });
    await sending(60_000);
    expect(told).toEqual([]);
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
    expect(told).toEqual(['x losing']);
  });

  it('forgets sessions that are over', async () => {
    await reports(10);
    signs.clear();
    await clock.advance(60_000);
    expect(told).toEqual([]);
  });
});
