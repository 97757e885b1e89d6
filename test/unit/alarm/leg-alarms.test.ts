import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Alarms, type Alarm } from '../../../src/alarm/alarms.ts';
import { MediaAlarms } from '../../../src/alarm/media-alarms.ts';
import { RecorderAlarms } from '../../../src/alarm/recorder-alarms.ts';
import { UnrecordedAlarms } from '../../../src/alarm/unrecorded-alarms.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const verdictMs = 1_400;
const gatherMs = 2_000;
const graceMs = 1_000;

let clock: ManualClock;
let alarms: Alarms;
/** `<kind> <legs>` of what webhooks get. */
let told: string[];
let recorders: RecorderAlarms;
let unrecorded: UnrecordedAlarms;

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  const tell = ({ kind, details }: Alarm): void => {
    const { legCount = '-' } = details as { legCount?: number };
    told.push(`${kind} ${legCount}`);
  };
  const logger = pino({ level: 'silent' });
  alarms = new Alarms({ kept: 5, clock, logger, onAlarm: tell, onSettled: tell });
  recorders = new RecorderAlarms({ alarms, clock, verdictMs, gatherMs });
  unrecorded = new UnrecordedAlarms({ alarms, clock, graceMs, gatherMs });
});

afterEach(() => {
  recorders.close();
  unrecorded.close();
  expect(clock.pending).toBe(0);
});

const moved = (callId: string, to: string | null = null) =>
  ({ callId, leg: 1, from: 'r1', to, reason: 'icmp' }) as const;
const kinds = (): string[] => alarms.list().map(({ kind }) => kind);

describe('a recorder that goes down', () => {
  it('is one alarm that names the legs it cost, those that left before it was known, and after', async () => {
    for (let n = 0; n < 300; n += 1) recorders.legLeft(moved(`c${n}`));
    recorders.legMoved(moved('c0', 'r2'));
    await clock.advance(400);
    recorders.recorderDown('r1', 'icmp');
    for (let n = 300; n < 500; n += 1) recorders.legLeft(moved(`c${n}`));
    await clock.advance(100);
    recorders.legMoved(moved('c1', 'r3'));
    await clock.advance(10_000);
    recorders.legLeft(moved('late'));
    recorders.legMoved(moved('c2', 'r2'));
    await clock.advance(10_000);
    expect(kinds()).toEqual(['recorder-down']);
    const [alarm] = alarms.list() as [Alarm];
    expect(alarm).not.toHaveProperty('callId');
    expect(alarm.updatedAt).toBeDefined();
    const { legs, ...details } = alarm.details as { legs: unknown[] };
    expect(details).toEqual({ recorder: 'r1', reason: 'icmp', legCount: 501 });
    expect(legs).toHaveLength(50);
    expect(legs.slice(0, 4)).toMatchObject([
      { callId: 'c0', leg: 1, to: 'r2' },
      { callId: 'c1', to: 'r3' },
      { callId: 'c2', to: 'r2' },
      { callId: 'c3', to: null },
    ]);
    // At once, when the legs are known, and when there was one more.
    expect(told).toEqual(['recorder-down 300', 'recorder-down 500', 'recorder-down 501']);
  });

  it('is an alarm without legs, too, and one more when it is back', async () => {
    recorders.recorderDown('r1', 'options_timeout');
    recorders.recorderDown('r1', 'options_timeout');
    await clock.advance(5_000);
    recorders.recorderUp('r1');
    recorders.recorderUp('r1');
    expect(alarms.list()).toMatchObject([
      { kind: 'recorder-down', details: { recorder: 'r1', legs: [], legCount: 0 } },
      { kind: 'recorder-up', details: { recorder: 'r1', downMs: 5_000 } },
    ]);
    expect(told).toEqual(['recorder-down 0', 'recorder-up -']);
    recorders.recorderDown('r1', 'icmp');
    expect(kinds()).toEqual(['recorder-down', 'recorder-up', 'recorder-down']);
  });

  it('does not name the legs of other recorders', async () => {
    recorders.legLeft(moved('c1'));
    recorders.recorderDown('r2', 'icmp');
    await clock.advance(verdictMs);
    expect(alarms.list().map(({ kind, details }) => [kind, details['legCount']])).toEqual([
      ['recorder-down', 0],
      ['failover', 1],
    ]);
  });
});

describe('legs that leave a recorder which is not down', () => {
  it('are one alarm, with what became of each', async () => {
    recorders.legLeft({ ...moved('c1'), reason: 'rtcp_loss' });
    recorders.legMoved({ ...moved('c1', 'r2'), reason: 'rtcp_loss' });
    recorders.legLeft(moved('c2'));
    await clock.advance(verdictMs - 1);
    expect(kinds()).toEqual([]);
    await clock.advance(1);
    expect(alarms.list()).toMatchObject([
      {
        kind: 'failover',
        callId: 'c1',
        leg: 1,
        details: {
          from: 'r1',
          reason: 'rtcp_loss',
          legs: [
            { callId: 'c1', to: 'r2' },
            { callId: 'c2', to: null },
          ],
        },
      },
    ]);
    await clock.advance(gatherMs);
    recorders.legLeft(moved('c3'));
    await clock.advance(verdictMs);
    expect(kinds()).toEqual(['failover', 'failover']);
  });
});

describe('a leg without a recorder', () => {
  it('is no alarm when it has one again within the grace', async () => {
    unrecorded.unrecorded({ callId: 'c1', leg: 1 }, true);
    await clock.advance(graceMs - 1);
    unrecorded.recorded({ callId: 'c1', leg: 1 });
    unrecorded.unrecorded({ callId: 'c2', leg: 2 }, true);
    unrecorded.ended({ callId: 'c2', leg: 2 });
    await clock.advance(60_000);
    expect(kinds()).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('is named with all others in one alarm, and says when it had one again', async () => {
    for (let n = 0; n < 100; n += 1) {
      unrecorded.unrecorded({ callId: `c${n}`, leg: 2 }, true);
      await clock.advance(10);
    }
    await clock.advance(5_000);
    unrecorded.recorded({ callId: 'c0', leg: 2 });
    expect(kinds()).toEqual(['single-leg']);
    expect(alarms.list()[0]).toMatchObject({ callId: 'c0', leg: 2, details: { legCount: 100 } });
    expect(alarms.list()[0]?.details['legs']).toMatchObject(
      [{ callId: 'c0', recordedAt: new Date(clock.now()).toISOString() }, { callId: 'c1' }].concat(
        Array.from({ length: 48 }, () => ({}) as never),
      ),
    );
    expect(told).toEqual(['single-leg 1', 'single-leg 100']);
  });

  it('begins another alarm after a minute, however steadily they come', async () => {
    for (let second = 0; second < 90; second += 1) {
      unrecorded.unrecorded({ callId: `c${second}`, leg: 2 }, true);
      await clock.advance(1_000);
    }
    expect(kinds()).toEqual(['single-leg', 'single-leg']);
  });

  it.each([
    ['neither leg has one', (): void => undefined, 'leg-without-recorder'],
    [
      'the other has one again',
      () => {
        unrecorded.recorded({ callId: 'c1', leg: 2 });
      },
      'single-leg',
    ],
  ])('is of the kind that is true when it is raised: %s', async (_, meanwhile, kind) => {
    unrecorded.unrecorded({ callId: 'c1', leg: 2 }, true);
    unrecorded.unrecorded({ callId: 'c1', leg: 1 }, true);
    meanwhile();
    await clock.advance(graceMs);
    expect(kinds()).toEqual([kind]);
  });
});

describe('a call without media', () => {
  it('is an alarm once for each party, and counted while it lasts', () => {
    const media = new MediaAlarms(alarms);
    media.withoutMedia('c1', []);
    media.withoutMedia('c1', ['a', 'b']);
    media.withoutMedia('c2', ['a']);
    expect(media.count).toBe(2);
    media.withoutMedia('c1', []);
    media.withoutMedia('c1', ['b']);
    media.withoutMedia('c2', ['a', 'b']);
    expect(alarms.list().map(({ callId, details }) => [callId, details['parties']])).toEqual([
      ['c1', ['a', 'b']],
      ['c2', ['a']],
      ['c2', ['a', 'b']],
    ]);
    for (const callId of ['c1', 'c2']) media.callEnded(callId);
    expect(media.count).toBe(0);
  });
});

describe('the alarms that are kept', () => {
  it('are the last ones, and what is not kept any more is not changed', () => {
    const ids = Array.from({ length: 7 }, (_, n) => alarms.raise('verdict', {}, { n }));
    alarms.update(ids[1]!, { n: 'changed' });
    alarms.update(ids[2]!, { n: 'changed' });
    alarms.settle(ids[1]!);
    expect(alarms.list().map(({ details }) => details['n'])).toEqual(['changed', 3, 4, 5, 6]);
    expect(told).toHaveLength(7);
  });
});
