import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';

const { tables } = loadAddon();

describe('what was sent a short while before', () => {
  // 50 packets a second for ten seconds, from number 1,000 on.
  const sent = Array.from({ length: 500 }, (_, index) => [1_000 + index, 1_000 + index * 20]);

  it.each([
    ['the newest', 1_499, 10_980, true],
    ['one of a second before', 1_450, 10_980, true],
    ['one of five seconds before', 1_250, 10_980, false],
    ['one that was not sent yet', 1_500, 10_980, false],
    ['the newest, five seconds later', 1_499, 15_980, false],
  ])('has %s: %s', (_, number, at, expected) => {
    expect(tables.recentlySent(sent, [[number, at]])).toEqual([expected]);
  });

  it('has what a recorder that catches up was sent again', () => {
    const again = Array.from({ length: 100 }, (_, index) => [1_000 + index, 11_000 + index]);
    expect(tables.recentlySent([...sent, ...again], [[1_050, 11_100]])).toEqual([true]);
  });

  it('is nothing before the first packet', () => {
    expect(tables.recentlySent([], [[0, 0]])).toEqual([false]);
  });
});

it('sender reports of forks that began together part, within half an interval and one and a half', () => {
  const due = tables.nextReports(
    [0, 0x4000_0000, 0x8000_0000, 0xffff_ffff].map((r) => [0, 5_000, r]),
  );
  expect(due.map(Math.round)).toEqual([2_500, 3_750, 5_000, 7_500]);
});
