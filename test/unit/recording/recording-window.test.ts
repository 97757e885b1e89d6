import { describe, expect, it } from 'vitest';
import { RecordingWindow } from '../../../src/recording/recording-window.ts';
import { range, streamReport } from '../../support/reports.ts';

/** Both parties' streams, the newest packet being `last`; undefined: not begun. */
function at(last: number | undefined) {
  const stream = streamReport(last === undefined ? [] : [range(100, last)]);
  return { a: stream, b: stream };
}

function paused(): RecordingWindow {
  const window = new RecordingWindow();
  window.begin(at(199));
  window.pause(at(299));
  return window;
}

describe('the recording window', () => {
  it('begins with the packet after the newest', () => {
    const window = new RecordingWindow();
    window.begin(at(199));
    expect(window.of('a').from).toBe(200);
  });

  it('begins with whatever comes when nothing had arrived', () => {
    const window = new RecordingWindow();
    window.begin(at(undefined));
    expect(window.of('a').from).toBeUndefined();
  });

  it('ends with the newest packet', () => {
    const window = new RecordingWindow();
    window.begin(at(199));
    window.end(at(299));
    expect(window.of('a').to).toBe(299);
  });

  it('leaves out a pause that goes on', () => {
    expect(paused().of('a').paused).toEqual([{ first: 300, last: Infinity }]);
  });

  it('leaves out a pause that is over, to the packet before the order to resume', () => {
    const window = paused();
    window.resume(at(399));
    expect(window.of('a').paused).toEqual([{ first: 300, last: 399 }]);
  });

  it('knows a second pause during the first for the same one', () => {
    const window = paused();
    window.pause(at(350));
    expect(window.of('a').paused).toHaveLength(1);
  });

  it('is resuming until the legs send again', () => {
    const window = paused();
    window.resume(at(399));
    expect(window.of('a').resuming).toEqual([{ first: 400, last: Infinity }]);
    window.resumed(at(409));
    expect(window.of('a').resuming).toEqual([{ first: 400, last: 409 }]);
  });

  it('keeps a pause that is over out of copies that begin before it', () => {
    const window = paused();
    expect(window.keptOut().a).toEqual([]);
    expect(window.pausedFrom().a).toBe(300);
    window.resume(at(399));
    expect(window.keptOut().a).toEqual([{ first: 300, last: 399 }]);
    expect(window.floor('a')).toBe(200);
  });

  it('lets nothing be sent again of before the pauses that it can tell apart', () => {
    const window = new RecordingWindow();
    window.begin(at(199));
    for (let pause = 1; pause <= 65; pause += 1) {
      window.pause(at(199 + 2 * pause));
      window.resume(at(200 + 2 * pause));
    }
    expect(window.keptOut().a).toHaveLength(64);
    expect(window.keptOut().a[0]).toEqual({ first: 204, last: 204 });
    expect(window.floor('a')).toBe(203);
  });
});
