import { describe, expect, it } from 'vitest';
import { Willingness } from '../../../src/resource/willingness.ts';

const busy = { status: 503 };
const notThis = { status: 488 };

describe('the willingness of a recorder', () => {
  it('grows the wait of one that does not say how long, once for answers that come together', () => {
    const willingness = new Willingness();
    const waitsMs: number[] = [];
    let now = 0;
    for (let n = 0; n < 8; n += 1) {
      for (let together = 0; together < 3; together += 1) willingness.refused(busy, now);
      const until = willingness.busyUntil(now)!;
      waitsMs.push(until - now);
      now = until;
    }
    expect(waitsMs).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    willingness.accepted(now);
    willingness.refused(busy, now);
    expect(willingness.busyUntil(now)).toBe(now + 1_000);
  });

  it('does not shorten a wait that was given', () => {
    const willingness = new Willingness();
    willingness.refused({ status: 503, retryAfterMs: 60_000 }, 0);
    willingness.refused({ status: 503, retryAfterMs: 1_000 }, 10);
    willingness.refused(busy, 20);
    expect(willingness.busyUntil(30)).toBe(60_000);
    expect(willingness.busyUntil(60_000)).toBeUndefined();
  });

  it('calls it reluctant after three calls in a row that it would not have, for half a minute', () => {
    const willingness = new Willingness();
    willingness.refused(notThis, 0);
    willingness.refused(notThis, 1);
    willingness.accepted(2);
    willingness.refused(notThis, 3);
    willingness.refused(notThis, 4);
    expect(willingness.isReluctant(4)).toBe(false);
    willingness.refused(notThis, 5);
    expect(willingness.isReluctant(5)).toBe(true);
    expect(willingness.busyUntil(5)).toBeUndefined();
    expect(willingness.isReluctant(30_005)).toBe(false);
  });

  it('is not taken in by sessions that are accepted and get no media', () => {
    const willingness = new Willingness();
    for (let now = 0; now < 3; now += 1) {
      willingness.accepted(now);
      willingness.tookNoMedia(now);
    }
    expect(willingness.isReluctant(3)).toBe(true);
    willingness.tookMedia(2_000);
    expect(willingness.isReluctant(3)).toBe(false);
  });
});
