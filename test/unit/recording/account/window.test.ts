import { describe, expect, it } from 'vitest';
import type { Marks, WindowRecord } from '../../../../src/recording/account/records.ts';
import {
  beginWindow,
  endWindow,
  floorOf,
  joinWindows,
  keptOut,
  marksOf,
  newWindow,
  pausedFrom,
  pauseWindow,
  resumedWindow,
  resumeWindow,
  streamWindow,
} from '../../../../src/recording/account/window.ts';
import { range, streamReport } from '../../../support/reports.ts';

/** Both parties' streams, the newest packet being `last`; undefined: not begun. */
function at(last: number | undefined): Marks {
  const stream = streamReport(last === undefined ? [] : [range(100, last)]);
  return marksOf({ a: stream, b: stream });
}

const begun = beginWindow(newWindow, at(199));
const paused = pauseWindow(begun, at(299));
const resuming = resumeWindow(paused, at(399));

describe('the recording window', () => {
  it('begins with the packet after the newest, once', () => {
    expect(streamWindow(begun, 'a').from).toBe(200);
    expect(beginWindow(begun, at(250))).toBe(begun);
  });

  it('begins with whatever comes when nothing had arrived', () => {
    expect(streamWindow(beginWindow(newWindow, at(undefined)), 'a').from).toBeUndefined();
  });

  it('ends with the newest packet, once', () => {
    const ended = endWindow(begun, at(299));
    expect(streamWindow(ended, 'a').to).toBe(299);
    expect(endWindow(ended, at(350))).toBe(ended);
  });

  it('has nothing of a stream that had not begun by the end', () => {
    const ended = endWindow(beginWindow(newWindow, at(undefined)), at(undefined));
    expect(streamWindow(ended, 'a').to).toBe(-1);
  });

  it('leaves out a pause that goes on', () => {
    expect(streamWindow(paused, 'a').paused).toEqual([{ first: 300, last: Infinity }]);
  });

  it('leaves out a pause that is over, to the packet before the order to resume', () => {
    expect(streamWindow(resuming, 'a').paused).toEqual([{ first: 300, last: 399 }]);
  });

  it('excuses what is withheld on the way back to recording only up to the next pause', () => {
    const again = resumedWindow(resumeWindow(pauseWindow(resuming, at(449)), at(499)), at(549));
    expect(streamWindow(again, 'a').resuming).toEqual([
      { first: 400, last: 449 },
      { first: 500, last: 549 },
    ]);
  });

  it('leaves out nothing for a pause in which nothing came', () => {
    const silent = resumeWindow(paused, at(299));
    expect(streamWindow(silent, 'a').paused).toEqual([]);
    expect(keptOut(silent).a).toEqual([]);
  });

  it('knows a second pause during the first for the same one', () => {
    expect(pauseWindow(paused, at(350))).toBe(paused);
  });

  it('does not go on without a pause, nor twice', () => {
    expect(resumeWindow(begun, at(399))).toBe(begun);
    expect(resumeWindow(resuming, at(450))).toBe(resuming);
    expect(resumedWindow(paused, at(409))).toBe(paused);
  });

  it('is resuming until the legs send again', () => {
    expect(streamWindow(resuming, 'a').resuming).toEqual([{ first: 400, last: Infinity }]);
    const resumed = resumedWindow(resuming, at(409));
    expect(streamWindow(resumed, 'a').resuming).toEqual([{ first: 400, last: 409 }]);
  });

  it('keeps a pause that is over out of copies that begin before it', () => {
    expect(keptOut(paused).a).toEqual([]);
    expect(pausedFrom(paused).a).toBe(300);
    expect(keptOut(resuming).a).toEqual([{ first: 300, last: 399 }]);
    expect(floorOf(resuming, 'a')).toBe(200);
  });

  it('lets nothing be sent of after its end, nor of a pause that goes on then', () => {
    expect(pausedFrom(endWindow(begun, at(449))).a).toBe(450);
    expect(pausedFrom(endWindow(paused, at(449))).a).toBe(300);
    expect(pausedFrom(endWindow(resuming, at(449))).a).toBe(450);
  });

  it('lets nothing be sent again of before the pauses that it can tell apart', () => {
    let window: WindowRecord = begun;
    for (let pause = 1; pause <= 65; pause += 1) {
      window = pauseWindow(window, at(199 + 2 * pause));
      window = resumeWindow(window, at(200 + 2 * pause));
    }
    expect(keptOut(window).a).toHaveLength(64);
    expect(keptOut(window).a[0]).toEqual({ first: 204, last: 204 });
    expect(floorOf(window, 'a')).toBe(203);
  });
});

describe('windows of recordings that followed each other', () => {
  const marks = (sequence: number): Marks => ({ a: sequence, b: sequence });
  const first = endWindow(pauseWindow(beginWindow(newWindow, marks(10)), marks(20)), marks(30));
  const second = beginWindow(newWindow, marks(40));

  it('leave out what came in between, as a pause', () => {
    expect(streamWindow(joinWindows([first, second]), 'a')).toMatchObject({
      from: 10,
      paused: [
        { first: 20, last: 29 },
        { first: 30, last: 39 },
      ],
    });
  });

  it('end with the last of them', () => {
    const joined = joinWindows([first, endWindow(second, marks(50))]);
    expect(streamWindow(joined, 'b').to).toBe(49);
    expect(streamWindow(joinWindows([first, second]), 'b').to).toBeUndefined();
  });

  it('are none where there was none', () => {
    expect(joinWindows([])).toEqual(newWindow);
  });
});
