import { describe, expect, it } from 'vitest';
import type { ForkReport } from '../../../../src/edge/types.ts';
import type { Forks, WindowRecord } from '../../../../src/recording/account/records.ts';
import type { LegData } from '../../../../src/recording/leg/leg-data.ts';
import { newLeg } from '../../../../src/recording/leg/leg-data.ts';
import type { LegEffect, LegEvent } from '../../../../src/recording/leg/leg-events.ts';
import { step } from '../../../../src/recording/leg/leg-step.ts';
import {
  isMoving,
  isSettled,
  isStopped,
  nameOf,
  placesOf,
} from '../../../../src/recording/leg/leg-view.ts';
import type {
  CallStock,
  FailureReason,
  RecorderMedia,
} from '../../../../src/recording/interfaces.ts';
import { mediaAddress } from '../../../support/bridge-stub.ts';
import { recordingSettings } from '../../../support/recording-world.ts';
import { forkReport, range, streamReport } from '../../../support/reports.ts';

const settings = { ...recordingSettings, replayOverlapMs: 0 };
const both: RecorderMedia = { a: mediaAddress('192.0.2.9'), b: mediaAddress('192.0.2.9') };
const streams = { a: streamReport([range(1, 10)]), b: streamReport([range(1, 10)]) };
const stock: CallStock = { streams, forks: undefined };
const level = { a: forkReport([range(1, 10)]), b: forkReport([range(1, 10)]) };

/** A leg that is told what happens, and keeps what it wants done. */
class Told {
  leg: LegData = newLeg(1, settings.retry.initialMs);
  effects: LegEffect[] = [];
  now = 1_000;
  hasStreams = true;
  window: WindowRecord = { from: { a: 1, b: 1 }, pauses: [] };

  tell(event: LegEvent): this {
    const { window } = this;
    const context = { settings, window, hasStreams: () => this.hasStreams };
    const next = step(this.leg, event, this.now, context);
    this.leg = next.state;
    this.effects = [...next.effects];
    return this;
  }

  done(): string[] {
    return this.effects
      .map((effect) => effect.do)
      .filter((name) => !['set-timer', 'clear-timer', 'log', 'note-habit'].includes(name));
  }

  timers(): string[] {
    return this.effects.flatMap((effect) => (effect.do === 'set-timer' ? [effect.name] : []));
  }

  turn(): this {
    return this.tell({ type: 'turn' });
  }

  drain(recorder: string): this {
    return this.tell({ type: 'recorder-draining', recorder });
  }

  refuse(recorder: string): this {
    const why = { reason: 'sip_error', message: 'no' } as const;
    return this.tell({ type: 'not-taken', recordId: `rs-${recorder}`, why });
  }

  down(recorder: string, reason: FailureReason): this {
    const at = this.now;
    return this.tell({ type: 'recorder-down', recorder, reason, at, probeWindowMs: 1_000 });
  }

  allocate(recorder: string): this {
    const allocation = { recordId: `rs-${recorder}`, recorder, uri: 'sip:r', zone: 'z' };
    return this.tell({ type: 'allocated', allocation });
  }

  answer(recorder: string, media = both): this {
    return this.tell({ type: 'answered', recordId: `rs-${recorder}`, media, offered: ['a', 'b'] });
  }

  begin(recorder: string, media = both): this {
    const recordId = `rs-${recorder}`;
    this.answer(recorder, media).stocked(recordId);
    return this.tell({ type: 'begun', recordId });
  }

  stocked(recordId: string, taken = stock, live: Forks = {}): this {
    this.tell({ type: 'stocking', recordId });
    return this.tell({ type: 'stocked', recordId, stock: taken, live });
  }

  /** The edge has done all that it was told. */
  obey(): this {
    const { recordId = '', ordered: order = 0 } = this.leg.live ?? {};
    return this.tell({ type: 'obeyed', recordId, order });
  }

  /** As far as the edge goes, on both legs. */
  pause(): this {
    return this.tell({ type: 'pause' }).obey().tell({ type: 'stopped' });
  }

  look(): this {
    const recordId = this.leg.live?.recordId ?? '';
    return this.tell({ type: 'looked', recordId, forks: level, streams });
  }

  lose(reason: 'rtcp_silence' | 'rtcp_loss' | 'unsendable'): this {
    const recordId = this.leg.live?.recordId ?? '';
    return this.tell({ type: 'media-lost', recordId, reason, since: this.now });
  }

  end(reason: FailureReason): this {
    const recordId = this.leg.live?.recordId ?? '';
    return this.tell({ type: 'session-ended', recordId, reason });
  }
}

const recording = (recorder = 'r1', media = both): Told =>
  new Told().tell({ type: 'begin' }).allocate(recorder).begin(recorder, media);

describe('what is wanted and what the recorder was told', () => {
  it.each(['pause', 'describe'] as const)(
    'a %s while the INVITE is out is told when the session runs',
    (type) => {
      const told = new Told().tell({ type: 'begin' }).allocate('r1').tell({ type });
      told.begin('r1');
      if (type === 'pause') told.tell({ type: 'stopped' }).look();
      expect(told.done()).toContain('tell');
    },
  );

  it('a resume while the pause is being told is told after it, and the edge goes on then', () => {
    const told = recording().pause().look();
    expect(told.done()).toEqual(['tell']);
    told.tell({ type: 'resume' });
    expect(told.done()).toEqual([]);
    told.tell({ type: 'told', recordId: 'rs-r1', media: {}, offered: ['a', 'b'] });
    expect(told.effects).toContainEqual({ do: 'tell', recordId: 'rs-r1', paused: false });
    told.tell({ type: 'told', recordId: 'rs-r1', media: both, offered: ['a', 'b'] }).look();
    expect(told.done()).toEqual(['retarget-forks', 'resume-forks']);
    expect(isSettled(told.leg)).toBe(false);
    expect(isSettled(told.obey().leg)).toBe(true);
  });

  it('what a recorder did not answer is told again later', () => {
    const told = recording().tell({ type: 'describe' });
    expect(told.done()).toEqual(['tell']);
    told.tell({
      type: 'not-told',
      recordId: 'rs-r1',
      kind: 'ours',
      reason: 'sip_timeout',
      askedAt: 0,
    });
    expect(told.timers()).toEqual(['tell']);
    expect(told.tell({ type: 'timer', name: 'tell' }).done()).toEqual(['tell']);
  });

  const refused = { type: 'not-told', recordId: 'rs-r1', kind: 'refused' } as const;
  const resumed = (): Told => {
    const told = recording().pause().look();
    told.tell({ type: 'told', recordId: 'rs-r1', media: {}, offered: ['a', 'b'] });
    return told.tell({ type: 'resume' });
  };

  it.each([{ status: 488 }, { status: 403 }, undefined])(
    'what a recorder refused for good is not told again before something else is wanted: %o',
    (refusal) => {
      const told = resumed();
      told.tell({ ...refused, ...(refusal && { refusal }), reason: 'sip_error', askedAt: 0 });
      expect(told.timers()).not.toContain('tell');
      expect(told.tell({ type: 'describe' }).done()).toContain('tell');
    },
  );

  it.each([
    [{ status: 491 }, 1_000],
    [{ status: 500 }, 1_000],
    [{ status: 503 }, 1_000],
    [{ status: 504 }, 1_000],
    [{ status: 480, retryAfterMs: 5_000 }, 5_000],
    [{ status: 503, retryAfterMs: 3_600_000 }, 30_000],
  ])('what a recorder refused for now is told again later: %o', (refusal, delayMs) => {
    const told = resumed().tell({ ...refused, refusal, reason: 'sip_error', askedAt: 0 });
    expect(told.effects).toContainEqual({ do: 'set-timer', name: 'tell', delayMs });
    expect(told.tell({ type: 'timer', name: 'tell' }).effects).toContainEqual({
      do: 'tell',
      recordId: 'rs-r1',
      paused: false,
    });
    told.tell({ ...refused, refusal: { status: 491 }, reason: 'sip_error', askedAt: 0 });
    expect(told.effects).toContainEqual({ do: 'set-timer', name: 'tell', delayMs: 2_000 });
  });

  it('a resume reaches the edge of one that is lost and may still receive, though nobody is told', () => {
    const told = recording().pause().look();
    told.tell({ type: 'told', recordId: 'rs-r1', media: {}, offered: ['a', 'b'] });
    told.lose('unsendable').tell({ type: 'resume' });
    expect(told.done()).toEqual(['resume-forks']);
    told.tell({ type: 'media-well', recordId: 'rs-r1' });
    expect(told.effects).toContainEqual({ do: 'tell', recordId: 'rs-r1', paused: false });
  });

  it('one that took no media in a pause and refuses the resume has as long for its media as any', () => {
    const told = new Told().tell({ type: 'begin' }).pause().allocate('r1');
    told.begin('r1', {}).look();
    told.tell({ type: 'told', recordId: 'rs-r1', media: {}, offered: ['a', 'b'] });
    told.tell({ type: 'resume' });
    told.tell({ ...refused, reason: 'sip_error', askedAt: 0 });
    expect(told.done()).toEqual(['resume-forks']);
    expect(told.timers()).toEqual(['media']);
  });

  it('a pause does not wait for ever for an edge that does not say what is sent', () => {
    const told = recording().pause();
    told.tell({ type: 'not-looked', recordId: 'rs-r1' });
    expect(told.timers()).toEqual(['drain']);
    told.now += settings.drainMs;
    told.tell({ type: 'not-looked', recordId: 'rs-r1' });
    expect(told.effects).toEqual([{ do: 'pause-forks', recordId: 'rs-r1', order: 2 }]);
    expect(told.obey().done()).toEqual(['look']);
    expect(told.tell({ type: 'not-looked', recordId: 'rs-r1' }).done()).toEqual(['tell']);
  });

  it('a pause is told to no recorder before the edge has stopped, on the other leg, too', () => {
    const told = recording().tell({ type: 'pause' });
    expect(told.done()).toEqual(['pause-forks']);
    expect(isStopped(told.leg)).toBe(false);
    // What is seen now is of before.
    expect(told.look().done()).toEqual([]);
    told.obey();
    expect(isStopped(told.leg)).toBe(true);
    expect(told.done()).toEqual(['look']);
    expect(told.look().done()).toEqual([]);
    expect(told.tell({ type: 'stopped' }).done()).toEqual(['tell']);
  });

  it('an answer to an order that is not the last one says nothing of that', () => {
    const told = recording().pause().look();
    told.tell({ type: 'told', recordId: 'rs-r1', media: {}, offered: ['a', 'b'] });
    told.tell({ type: 'resume' });
    told.tell({ type: 'told', recordId: 'rs-r1', media: both, offered: ['a', 'b'] }).look();
    told.tell({ type: 'pause' });
    const order = told.leg.live?.ordered ?? 0;
    told.tell({ type: 'obeyed', recordId: 'rs-r1', order: order - 1 });
    expect(isStopped(told.leg)).toBe(false);
    expect(told.obey().done()).toContain('look');
    expect(isStopped(told.leg)).toBe(true);
  });

  it('what the edge does not do is asked of it again, and is not acknowledged', () => {
    const told = recording().tell({ type: 'pause' });
    const failed = {
      type: 'not-obeyed',
      recordId: 'rs-r1',
      order: 1,
      what: 'pause-forks',
    } as const;
    expect(told.tell(failed).timers()).toEqual(['order']);
    expect(isStopped(told.leg)).toBe(false);
    told.tell({ type: 'timer', name: 'order' });
    const again = { do: 'pause-forks', recordId: 'rs-r1', order: 2, from: { a: 0, b: 0 } };
    expect(told.effects).toEqual([again]);
    expect(isStopped(told.obey().leg)).toBe(true);
  });

  it('what comes in while copies are being started is caught up with', () => {
    const told = new Told().tell({ type: 'begin' }).allocate('r1').answer('r1');
    const recordId = 'rs-r1';
    told.tell({ type: 'stocked', recordId, stock, live: {} });
    const elsewhere = { a: mediaAddress('192.0.2.8'), b: mediaAddress('192.0.2.8') };
    told.tell({ type: 'pause' });
    told.tell({ type: 'media-changed', recordId, media: elsewhere });
    told.tell({ type: 'session-ended', recordId, reason: 'srs_bye' });
    told.tell({ type: 'begun', recordId });
    expect(told.done()).toEqual(expect.arrayContaining(['pause-forks', 'look', 'queue']));
    expect(told.look().done()).not.toContain('retarget-forks');
    expect(told.obey().look().effects).toContainEqual(
      expect.objectContaining({ do: 'retarget-forks', to: elsewhere }),
    );
    expect(told.leg.sessions[0]?.failure?.reason).toBe('srs_bye');
  });

  it('a pause is settled only when the edge has stopped, all before it is sent, and the recorder knows', () => {
    const told = recording().tell({ type: 'pause' });
    expect(told.done()).toEqual(['pause-forks']);
    expect(isSettled(told.leg)).toBe(false);
    expect(told.obey().done()).toEqual(['look']);
    told.tell({ type: 'stopped' }).look();
    expect(isSettled(told.leg)).toBe(false);
    told.tell({ type: 'told', recordId: 'rs-r1', media: {}, offered: ['a', 'b'] });
    expect(isSettled(told.leg)).toBe(true);
  });
});

describe('while the edge is at it', () => {
  const recordId = 'rs-r2';
  /** The edge is told to stop the copies of r1, which is lost, and to say what there is. */
  const stocking = (told: Told): Told =>
    told.turn().allocate('r2').answer('r2').tell({ type: 'stocking', recordId });
  const stocked = (told: Told): Told => told.tell({ type: 'stocked', recordId, stock, live: {} });
  const starts = (told: Told): unknown[] =>
    told.effects.flatMap((effect) => (effect.do === 'start-forks' ? [effect.start] : []));

  it('a recorder whose copies it takes away does not come back', () => {
    const told = stocking(recording().lose('rtcp_silence'));
    told.tell({ type: 'media-well', recordId: 'rs-r1' });
    expect(told.leg.search.stage).toBe('starting');
    expect(starts(stocked(told))).toHaveLength(1);
    expect(told.leg.sessions[0]?.endedAt).toBe(told.now);
  });

  it('a session that is not wanted any more begins nothing, and the one that it was to replace is closed', () => {
    const told = stocking(recording().lose('rtcp_silence')).tell({ type: 'stop', reason: 'ended' });
    told.tell({ type: 'timer', name: 'stop' });
    expect(told.done()).toEqual(['cancel-invite']);
    stocked(told);
    expect(told.leg.search.stage).toBe('none');
    expect(told.leg.sessions[0]?.endedAt).toBe(told.now);
    expect(told.done()).toEqual(expect.arrayContaining(['bye', 'abandon']));
    expect(told.done()).not.toContain('start-forks');
  });

  it('a recorder that fails then is one of which stock is taken again', () => {
    const told = stocking(recording().drain('r1'));
    told.tell({ type: 'fork-refused', recordId: 'rs-r1', at: told.now });
    expect(stocked(told).done()).toEqual(['start-media']);
    told.tell({ type: 'stocking', recordId });
    expect(starts(stocked(told))).toHaveLength(1);
    expect(told.leg.sessions[0]).toMatchObject({ endedAt: told.now, endReason: 'icmp' });
  });

  it('a recorder that fails while its successor begins is closed for that', () => {
    const told = stocked(stocking(recording().drain('r1')));
    told.tell({ type: 'fork-refused', recordId: 'rs-r1', at: told.now });
    told.tell({ type: 'begun', recordId });
    expect(told.effects).toContainEqual({ do: 'retire', recordId: 'rs-r1', at: told.now });
    told.tell({ type: 'retired', recordId: 'rs-r1', stock });
    expect(told.leg.sessions).toMatchObject([{ endReason: 'icmp' }, { recordId }]);
    expect(told.leg.live?.recordId).toBe(recordId);
  });

  it('a session that nobody wants by the time it begins is dropped, and not before let go of', () => {
    const told = stocked(stocking(recording().drain('r1')));
    told.tell({ type: 'stop', reason: 'ended' });
    told.tell({ type: 'begun', recordId });
    expect(told.effects).toEqual([{ do: 'drop-forks', recordId }]);
    const why = { reason: 'sip_error', message: 'not wanted any more' } as const;
    told.tell({ type: 'not-taken', recordId, why });
    expect(told.done()).toEqual(expect.arrayContaining(['release', 'abandon']));
  });

  it('a pause that its edge did not do holds when the recorder is left, not before', () => {
    const told = stocking(recording().drain('r1')).tell({ type: 'pause' });
    const failed = { order: 1, what: 'pause-forks' } as const;
    told.tell({ type: 'not-obeyed', recordId: 'rs-r1', ...failed });
    stocked(told).tell({ type: 'begun', recordId });
    expect(told.leg.live).toMatchObject({ recordId, forksPaused: true });
    expect([isStopped(told.leg), isSettled(told.leg)]).toEqual([false, false]);
    told.tell({ type: 'finishing', recordId: 'rs-r1', reason: 'x', forks: level, streams });
    expect(isStopped(told.leg)).toBe(true);
  });

  it('a pause holds for what begins, from its first packet, and though it is over by then', () => {
    const told = new Told().tell({ type: 'begin' }).allocate('r2').answer('r2');
    stocked(told);
    told.window = { ...told.window, pauses: [{ from: { a: 7, b: 8 } }] };
    told.tell({ type: 'pause' });
    expect([isStopped(told.leg), isSettled(told.leg)]).toEqual([false, false]);
    told.window = { ...told.window, pauses: [{ from: { a: 7, b: 8 }, to: { a: 9, b: 9 } }] };
    told.tell({ type: 'resume' });
    expect(isSettled(told.leg)).toBe(false);
    told.tell({ type: 'begun', recordId });
    expect(told.effects.filter((effect) => effect.do.endsWith('-forks'))).toEqual([
      { do: 'pause-forks', recordId, order: 1, from: { a: 7, b: 8 } },
      { do: 'resume-forks', recordId, order: 2 },
    ]);
    expect(isSettled(told.obey().leg)).toBe(true);
  });
});

describe('a recorder that takes a session and not its media', () => {
  it.each([
    ['none of it', {}],
    ['one of two streams', { a: both.a }],
  ] as const)('is no recording: %s', (_title, media) => {
    const told = recording('r1', media as RecorderMedia);
    expect(nameOf(told.leg)).toBe('inviting');
    expect(told.timers()).toContain('media');
  });

  it('is left for another one when its time is over, and kept until that receives', () => {
    const told = recording('r1', {}).tell({ type: 'timer', name: 'media' });
    expect(told.done()).toEqual(['note-failover', 'blame', 'queue']);
    told.turn().allocate('r2').begin('r2');
    expect(told.done()).toContain('finish');
    expect(nameOf(told.leg)).toBe('recording');
    expect(told.leg.failovers).toMatchObject([{ reason: 'media_refused', done: { to: 'r2' } }]);
  });

  it('is kept, and told of, where there is no other', () => {
    const told = recording('r1', { a: both.a! }).tell({ type: 'timer', name: 'media' });
    told.turn().tell({ type: 'unallocated' });
    expect(told.done()).toEqual(['note-unrecorded']);
    expect(told.leg.live?.recordId).toBe('rs-r1');
    expect(told.timers()).toEqual(['retry']);
  });

  it('records when it takes the rest after all', () => {
    const told = recording('r1', { a: both.a! });
    told.tell({ type: 'media-changed', recordId: 'rs-r1', media: both }).look();
    expect(told.done()).toContain('retarget-forks');
    expect(nameOf(told.leg)).toBe('recording');
    expect(told.effects).toContainEqual({ do: 'clear-timer', name: 'media' });
  });

  it('is not blamed for taking nothing in a pause', () => {
    const told = new Told().tell({ type: 'begin' }).tell({ type: 'pause' }).allocate('r1');
    told.begin('r1', {});
    expect(told.timers()).not.toContain('media');
    expect(nameOf(told.leg)).toBe('paused');
  });
});

describe('a recorder that may still receive', () => {
  it.each(['rtcp_silence', 'unsendable'] as const)(
    'is sent to until another one receives, and kept where there is none: %s',
    (reason) => {
      const told = recording().lose(reason).turn().tell({ type: 'unallocated' });
      expect(told.done()).toEqual(['note-unrecorded']);
      expect(told.leg.live?.recordId).toBe('rs-r1');
      expect(nameOf(told.leg)).toBe('failed');
    },
  );

  it('is taken back when it is well again before there is another', () => {
    const told = recording().lose('unsendable').turn().tell({ type: 'unallocated' });
    told.tell({ type: 'media-well', recordId: 'rs-r1' });
    expect(nameOf(told.leg)).toBe('recording');
    expect(told.leg.failovers.at(-1)?.done?.to).toBe('r1');
    expect(told.leg.search.stage).toBe('none');
  });

  /** What is asked of whoever chooses, when this leg tries again. */
  const asked = (told: Told): unknown => {
    told.tell({ type: 'timer', name: 'retry' });
    return told.effects.find((effect) => effect.do === 'allocate');
  };

  it('is asked for a new session where nobody else takes it, and the one before is closed with it', () => {
    const told = recording().lose('rtcp_silence').turn().tell({ type: 'unallocated' });
    expect(asked(told)).toMatchObject({ exclude: [], passOver: ['r1', 'r1'], lastResort: true });
    const allocation = { recordId: 'rs-again', recorder: 'r1', uri: 'sip:r', zone: 'z' };
    told.tell({ type: 'allocated', allocation });
    told.tell({ type: 'answered', recordId: 'rs-again', media: both, offered: ['a', 'b'] });
    told.stocked('rs-again');
    expect(told.effects).toContainEqual({ do: 'release', recordId: 'rs-r1' });
    expect(told.effects).toContainEqual({ do: 'bye', recordId: 'rs-r1', reason: 'rtcp_silence' });
    told.tell({ type: 'begun', recordId: 'rs-again' });
    expect(nameOf(told.leg)).toBe('recording');
    expect(told.done()).toContain('note-recorded');
    expect(told.leg.sessions.map(({ endedAt }) => endedAt === undefined)).toEqual([false, true]);
  });

  it('comes after all others, however long ago it was lost', () => {
    const told = recording().lose('rtcp_silence').turn().tell({ type: 'unallocated' });
    told.now += 60_000;
    expect(asked(told)).toMatchObject({ exclude: [], passOver: ['r1'], lastResort: true });
  });

  it('is not asked anew at once when it is our own kernel that takes nothing: that shows by itself', () => {
    const told = recording().lose('unsendable').turn().tell({ type: 'unallocated' });
    expect(asked(told)).toMatchObject({ exclude: ['r1'] });
    told.tell({ type: 'unallocated' }).now += 60_000;
    expect(asked(told)).toMatchObject({ exclude: [], passOver: ['r1'] });
  });

  it('is not asked anew while it is to be emptied', () => {
    const told = recording().lose('rtcp_silence').turn().tell({ type: 'unallocated' });
    expect(asked(told.drain('r1'))).toMatchObject({ exclude: ['r1'] });
  });

  it('is asked more and more seldom while nothing ever arrives there', () => {
    const told = recording();
    const delays: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      told.now += 6_000;
      const { recordId = '', startedAt = 0 } = told.leg.sessions.at(-1) ?? {};
      told.tell({ type: 'media-lost', recordId, reason: 'rtcp_silence', since: startedAt });
      told.turn().tell({ type: 'unallocated' });
      delays.push(
        ...told.effects.flatMap((effect) =>
          effect.do === 'set-timer' && effect.name === 'retry' ? [effect.delayMs] : [],
        ),
      );
      told.tell({ type: 'timer', name: 'retry' }).allocate('r1').begin('r1');
    }
    expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  const reported = (at: number, change: Partial<ForkReport> = {}): ForkReport => {
    const receiverReport = { at, highestSequence: 10, fractionLost: 0, jitterMs: 0 };
    const confirmed = [range(1, 10)];
    return forkReport([range(1, 10)], { receiverReports: 3, receiverReport, confirmed, ...change });
  };

  it.each([
    ['has reported since that it has all', reported(2_000), reported(2_100), 'recording'],
    ['has not reported since', reported(900), reported(2_100), 'failed'],
    [
      'has reported since that it has not all',
      reported(2_000, { confirmed: [range(1, 4)] }),
      reported(2_100),
      'failed',
    ],
  ])('is looked at when it is there again, and %s', (_title, a, b, name) => {
    const told = recording().lose('rtcp_silence').turn().tell({ type: 'unallocated' });
    told.now = 2_200;
    told.tell({ type: 'recorder-available', recorder: 'r1' });
    expect(told.done()).toEqual(['look', 'queue']);
    told.tell({ type: 'looked', recordId: 'rs-r1', forks: { a, b }, streams });
    expect(nameOf(told.leg)).toBe(name === 'failed' ? 'failing-over' : name);
    expect(told.turn().done()).toEqual(name === 'failed' ? ['allocate'] : []);
  });

  it('is left for loss only when another one receives, and never retired for want of one', () => {
    const told = recording().lose('rtcp_loss').turn();
    expect(told.done()).toContain('allocate');
    told.tell({ type: 'unallocated' });
    expect(told.done()).toEqual([]);
    expect(nameOf(told.leg)).toBe('recording');
  });

  it('is given up when its port is closed besides', () => {
    const told = recording().lose('rtcp_silence');
    told.tell({ type: 'fork-refused', recordId: 'rs-r1', at: 1_000 });
    told.turn().tell({ type: 'unallocated' });
    expect(told.done()).toContain('retire');
  });
});

describe('a recorder that is left may not have all that it was sent', () => {
  const sent = { a: streamReport([range(1, 500)]), b: streamReport([range(1, 500)]) };
  /** All confirmed up to `last`, by a report of `at`. */
  const upTo = (last: number, at: number): ForkReport =>
    forkReport([range(1, 500)], {
      receiverReports: 20,
      receiverReport: { at, highestSequence: last, fractionLost: 0, jitterMs: 0 },
      confirmed: [range(1, last)],
    });
  /** Where it begins on r2. */
  const begins = (told: Told, live: Forks): unknown => {
    told.now = 11_000;
    told.turn().allocate('r2').answer('r2');
    const taken = { streams: sent, forks: undefined };
    told.stocked('rs-r2', taken, live);
    const start = told.effects.find((effect) => effect.do === 'start-forks');
    return start?.start.from;
  };
  const from = (a: number, b: number) => ({
    a: { kind: 'sequence', sequence: a },
    b: { kind: 'sequence', sequence: b },
  });

  it('for its loss: the next one begins with the first packet that is not confirmed', () => {
    const live = { a: upTo(480, 10_800), b: upTo(470, 10_700) };
    expect(begins(recording().lose('rtcp_loss'), live)).toEqual(from(481, 471));
  });

  it('by the operator, while its reports are overdue: so does the next one', () => {
    const live = { a: upTo(300, 7_000), b: upTo(500, 10_900) };
    expect(begins(recording().drain('r1'), live)).toEqual(from(301, 501));
  });

  it('by the operator, when loss came after: so does the next one', () => {
    const told = recording().drain('r1').turn().tell({ type: 'unallocated' }).lose('rtcp_loss');
    told.tell({ type: 'recorder-available', recorder: 'r2' });
    const lossy = { ...upTo(500, 10_900), confirmed: [range(1, 320)] };
    expect(begins(told, { a: lossy, b: upTo(500, 10_900) })).toEqual(from(321, 501));
  });

  it('for media that it refused: the next one gets all that is not confirmed', () => {
    const told = recording('r1', { a: both.a! }).tell({ type: 'timer', name: 'media' });
    expect(begins(told, { a: forkReport([range(1, 500)]) })).toEqual(from(1, 1));
  });

  it('by the operator, while all is well: the next one goes on with the next packet', () => {
    const live = { a: upTo(480, 10_600), b: upTo(500, 11_000) };
    expect(begins(recording().drain('r1'), live)).toEqual(from(501, 501));
  });
});

describe('how a recorder reports, when it is found out', () => {
  const reports = (told: Told, recorder: string): number | undefined =>
    told.tell({ type: 'recorder-reports', recorder, everyMs: 500 }).leg.reportsEveryMs;

  it('counts for the session that it has already', () => {
    expect(reports(recording('r1'), 'r1')).toBe(500);
  });

  it('counts for the session that it is about to have', () => {
    const told = recording('r1').drain('r1').turn().allocate('r2');
    expect(reports(told, 'r2')).toBeUndefined();
    expect(told.begin('r2').leg.reportsEveryMs).toBe(500);
  });

  it('says nothing of another one', () => {
    expect(reports(recording('r1'), 'r2')).toBeUndefined();
  });
});

describe('a recorder that is doubted', () => {
  it.each([
    ['when its next report is late for sure', 500, 351],
    ['now and then, where its reports are far apart', 5_000, 500],
  ])('is looked at again %s', (_title, everyMs, delayMs) => {
    const told = recording();
    told.now += 2 * everyMs;
    const at = told.now - 500;
    const receiverReport = { at, highestSequence: 1, fractionLost: 0, jitterMs: 0 };
    const receiverReports = (at - 1_000) / everyMs;
    const fork = forkReport([range(1, 1_000)], { receiverReport, receiverReports });
    told.end('sip_closed');
    told.tell({ type: 'looked', recordId: 'rs-r1', forks: { a: fork }, streams });
    expect(told.effects).toContainEqual({ do: 'set-timer', name: 'doubt', delayMs });
  });
});

describe('a recorder that others speak against', () => {
  it.each(['srs_bye', 'rtcp_loss'] as const)(
    'is lost to this leg for what its own media shows, not for another session: %s',
    (reason) => {
      const told = recording().down('r1', reason);
      expect(told.leg.sessions[0]?.failure).toBeUndefined();
      expect(told.done()).toEqual(['look']);
      told.now += 1;
      expect(told.look().leg.sessions[0]?.failure?.reason).toBe('options_timeout');
    },
  );
});

describe('a recorder that is to be emptied', () => {
  it('is left even for one that failed this leg a short while ago', () => {
    const told = recording().end('srs_bye').turn().allocate('r2').begin('r2');
    told.drain('r2').turn();
    expect(told.effects).toContainEqual({
      do: 'allocate',
      exclude: ['r2', 'r2', 'r2'],
      passOver: ['r1'],
      lastResort: true,
    });
  });

  it('is not gone to by a leg that is about to leave another', () => {
    const told = recording().lose('rtcp_loss').turn().allocate('r2').drain('r2');
    expect(told.done()).toEqual(['cancel-invite']);
    told.refuse('r2');
    expect(told.done()).toContain('queue');
    expect(told.leg.leaving).toEqual({ recorder: 'r1', reason: 'rtcp_loss' });
  });

  it('is stayed on when it is not to be emptied any more before there is another', () => {
    const told = recording().drain('r1');
    told.tell({ type: 'recorder-available', recorder: 'r1' });
    expect(told.turn().done()).toEqual([]);
    expect(told.leg.search.stage).toBe('none');
  });

  it('is asked for the rest of its media when it is not to be emptied any more', () => {
    const told = recording('r1', { a: both.a! }).drain('r1').turn().tell({ type: 'unallocated' });
    told.tell({ type: 'timer', name: 'media' });
    told.tell({ type: 'recorder-available', recorder: 'r1' });
    expect(told.timers()).toEqual(['media']);
  });
});

describe('a leg of a call whose parties exchange no media', () => {
  const silent = (): Told => {
    const told = new Told();
    told.hasStreams = false;
    return told;
  };

  it('asks nobody, and begins when there is something to record', () => {
    const told = silent().tell({ type: 'reserve' }).allocate('r1').tell({ type: 'begin' });
    expect(told.done()).toEqual([]);
    expect(nameOf(told.leg)).toBe('selecting');
    expect(told.tell({ type: 'describe' }).done()).toEqual([]);
    told.hasStreams = true;
    expect(told.tell({ type: 'describe' }).done()).toEqual(['invite']);
    expect(nameOf(told.begin('r1').leg)).toBe('recording');
  });

  it('is settled in a pause, and begins paused', () => {
    const told = silent().tell({ type: 'reserve' }).allocate('r1').tell({ type: 'begin' });
    expect(isSettled(told.tell({ type: 'pause' }).leg)).toBe(true);
    told.hasStreams = true;
    told.tell({ type: 'describe' }).begin('r1');
    expect(nameOf(told.leg)).toBe('paused');
  });

  it('lets go of the recorder that was held for it when the call ends', () => {
    const told = silent().tell({ type: 'reserve' }).allocate('r1').tell({ type: 'begin' });
    expect(told.tell({ type: 'stop', reason: 'ended' }).done()).toEqual(['release']);
    expect(told.leg.phase).toBe('ended');
  });

  it('looks for nobody in place of one that is lost meanwhile, until there is media again', () => {
    const told = recording();
    told.hasStreams = false;
    expect(told.tell({ type: 'describe' }).end('srs_bye').turn().done()).toEqual([]);
    expect(nameOf(told.leg)).toBe('failed');
    told.hasStreams = true;
    expect(told.tell({ type: 'describe' }).turn().done()).toEqual(['allocate']);
  });

  it('asks no further recorder after one that refused', () => {
    const told = new Told().tell({ type: 'begin' }).allocate('r1');
    told.hasStreams = false;
    expect(told.refuse('r1').done()).toEqual(['release', 'abandon', 'note-not-taken']);
    expect(nameOf(told.leg)).toBe('selecting');
    told.hasStreams = true;
    expect(told.tell({ type: 'describe' }).turn().done()).toEqual(['allocate']);
  });
});

describe('a leg that looks for a recorder', () => {
  it('tells of one move once, whatever else is found out about the recorder before it is over', () => {
    const told = recording();
    const moves: string[] = [];
    const note = (): void => {
      for (const effect of told.effects) {
        if (effect.do !== 'note-failover') continue;
        const { reason, done } = effect.failover;
        moves.push(`${reason} ${done === undefined ? 'begins' : 'is over'}`);
      }
    };
    told.lose('rtcp_loss');
    note();
    told.lose('rtcp_silence');
    note();
    told.turn().allocate('r2').begin('r2');
    note();
    expect(moves).toEqual(['rtcp_loss begins', 'rtcp_silence is over']);
    expect(told.leg.failovers).toMatchObject([{ reason: 'rtcp_silence', done: { to: 'r2' } }]);
  });

  it('holds a refusal against nobody but the call', () => {
    const told = new Told().tell({ type: 'begin' }).allocate('r1');
    const why = { reason: 'sip_error', refusal: { status: 488 }, message: '488' } as const;
    told.tell({ type: 'not-taken', recordId: 'rs-r1', why });
    expect(told.effects).toContainEqual(
      expect.objectContaining({
        do: 'note-not-taken',
        why: { reason: 'sip_error', refusal: { status: 488 } },
      }),
    );
    expect(told.effects).toContainEqual(
      expect.objectContaining({ do: 'allocate', exclude: ['r1'] }),
    );
  });

  it('begins again when the recorder it was on fails while the one that it no longer wants is let go of', () => {
    const told = recording().tell({ type: 'recorder-draining', recorder: 'r1' });
    told.turn().allocate('r2');
    told.lose('unsendable');
    told.tell({ type: 'media-well', recordId: 'rs-r1' });
    told.end('srs_bye');
    expect(told.leg.search.stage).toBe('inviting');
    const why = { reason: 'sip_error', message: 'cancelled' } as const;
    told.tell({ type: 'not-taken', recordId: 'rs-r2', why });
    expect(told.done()).toContain('queue');
  });

  it('lets go of what it is given too late', () => {
    const told = new Told().tell({ type: 'begin' }).tell({ type: 'stop', reason: 'ended' });
    told.tell({ type: 'timer', name: 'stop' });
    expect(told.leg.phase).toBe('ended');
    expect(told.allocate('r1').done()).toEqual(['release']);
  });
});

describe('a recorder that takes a part of the media', () => {
  it('is asked for the rest again while nobody takes all of it', () => {
    const told = new Told().tell({ type: 'begin' }).allocate('r1').begin('r1', { a: both.a! });
    told.tell({ type: 'timer', name: 'media' }).turn().tell({ type: 'unallocated' });
    let asked = 0;
    for (let again = 0; again < 12 && asked === 0; again += 1) {
      told.tell({ type: 'timer', name: 'retry' });
      if (told.done().includes('tell')) asked = again;
      told.tell({ type: 'unallocated' });
    }
    expect(asked).toBeGreaterThan(0);
    told.tell({ type: 'told', recordId: 'rs-r1', media: both, offered: ['a', 'b'] }).look();
    expect(told.leg.leaving).toBeUndefined();
    expect(nameOf(told.leg)).toBe('recording');
  });
});

describe('a leg that ends', () => {
  it('is not on its way any more, whatever it was doing', () => {
    const told = recording().end('srs_bye').turn().allocate('r2');
    expect(isMoving(told.leg)).toBe(true);
    told.tell({ type: 'stop', reason: 'ended' });
    told.tell({ type: 'timer', name: 'stop' });
    told.tell({ type: 'retired', recordId: 'rs-r1', stock });
    const why = { reason: 'sip_error', message: 'cancelled' } as const;
    told.tell({ type: 'not-taken', recordId: 'rs-r2', why });
    expect(told.leg.phase).toBe('ended');
    expect(isMoving(told.leg)).toBe(false);
  });

  it('waits for the answer to its BYE, and for nothing of sessions before', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' }).look();
    expect(told.done()).toEqual(['finish']);
    told.tell({ type: 'finishing', recordId: 'rs-r1', reason: 'ended', forks: level, streams });
    told.tell({ type: 'finished', recordId: 'rs-r1', forks: level });
    expect(told.done()).toEqual(['bye']);
    expect(told.leg.phase).toBe('stopping');
    expect(nameOf(told.leg)).toBe('ended');
    // The call's other leg may look still, and does not go there.
    expect(placesOf(told.leg)).toMatchObject([{ recorder: 'r1' }]);
    expect(told.tell({ type: 'gone', recordId: 'rs-r1' }).leg.phase).toBe('ended');
  });

  it('withholds what comes after its end from the recorder that it has, and the next one', () => {
    const told = recording();
    told.window = { ...told.window, to: { a: 500, b: 400 } };
    const from = { a: 500, b: 400 };
    told.tell({ type: 'stop', reason: 'ended' });
    expect(told.effects).toContainEqual({ do: 'pause-forks', recordId: 'rs-r1', order: 1, from });
    told.end('srs_bye').turn().allocate('r2').answer('r2');
    told.stocked('rs-r2');
    const starts = told.effects.flatMap((effect) =>
      effect.do === 'start-forks' ? [effect.start] : [],
    );
    expect(starts).toMatchObject([{ recordId: 'rs-r2', paused: true, pausedFrom: from }]);
    expect(told.tell({ type: 'begun', recordId: 'rs-r2' }).done()).not.toContain('resume-forks');
  });

  it('does not begin to look when it is told to end before it began', () => {
    const told = new Told().tell({ type: 'reserve' }).tell({ type: 'stop', reason: 'ended' });
    expect(told.leg.phase).toBe('ended');
    expect(told.allocate('r1').done()).toEqual(['release']);
  });

  it('sends what is left to one that is lost and may still receive, where there is no other', () => {
    const told = recording().lose('rtcp_silence').turn().tell({ type: 'unallocated' });
    expect(told.tell({ type: 'stop', reason: 'ended' }).done()).toEqual(['look']);
    expect(told.look().done()).toEqual(['finish']);
  });

  it('ends when its time is over, whatever the edge does not say', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' });
    told.tell({ type: 'not-looked', recordId: 'rs-r1' });
    expect(told.timers()).toEqual(['drain']);
    told.now += settings.drainMs;
    expect(told.tell({ type: 'not-looked', recordId: 'rs-r1' }).done()).toEqual(['finish']);
  });

  it('looks for nobody any more once its time is over', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' });
    told.now += settings.drainMs;
    told.tell({ type: 'timer', name: 'stop' });
    expect(told.done()).toEqual(['finish']);
    told.tell({ type: 'fork-refused', recordId: 'rs-r1', at: 1_000 });
    expect(told.done()).toEqual([]);
  });

  it('lets go of the last one when the next is not wanted any more', () => {
    const told = recording().lose('rtcp_loss').turn().allocate('r2');
    told.tell({ type: 'media-well', recordId: 'rs-r1' });
    told.end('srs_bye').tell({ type: 'stop', reason: 'ended' });
    expect(told.refuse('r2').done()).toContain('retire');
  });

  it('looks on for a recorder when its own dies while it ends', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' });
    told.tell({ type: 'fork-refused', recordId: 'rs-r1', at: 1_000 });
    expect(told.done()).toContain('queue');
    expect(told.leg.failovers).toEqual([]);
  });
});

describe('a leg that another process goes on with', () => {
  const standing = { media: both, offered: ['a', 'b'] } as const;
  type Adopted = Extract<LegEvent, { type: 'adopted' }>;

  /** As it comes out of a store. */
  function stored(told: Told): Told {
    told.leg = JSON.parse(JSON.stringify(told.leg)) as LegData;
    return told;
  }

  function adopted(told: Told, { forks = {}, sessions = {} }: Partial<Adopted> = {}): Told {
    return stored(told).tell({ type: 'adopted', forks, sessions });
  }

  const inviting = (): Told => new Told().tell({ type: 'begin' }).allocate('r1');
  const starting = (): Told => inviting().answer('r1');
  const goesOn = { forks: { 'rs-r1': level }, sessions: { 'rs-r1': standing } };

  it('asks again where an INVITE was out, and blames no recorder', () => {
    const told = adopted(inviting());
    expect(told.done()).toEqual(['release', 'abandon', 'allocate']);
    expect(told.effects).toContainEqual(expect.objectContaining({ do: 'allocate', exclude: [] }));
  });

  it('goes on with a recorder that had answered, and nobody had noted it', () => {
    const told = adopted(inviting(), { sessions: { 'rs-r1': standing } });
    expect(told.done()).toEqual(['start-media']);
  });

  it('does not ask again for what nobody wants any more', () => {
    const told = recording().drain('r1').turn().allocate('r2');
    told.tell({ type: 'recorder-available', recorder: 'r1' });
    expect(adopted(told, goesOn).done()).not.toContain('allocate');
    expect(told.leg.search.stage).toBe('none');
  });

  it('begins anew what the edge had not begun, and goes on with what it had', () => {
    const told = starting().stocked('rs-r1');
    const anew = adopted(told, { sessions: { 'rs-r1': standing } });
    expect(anew.done()).toEqual(['start-media']);
    const begun = adopted(starting().stocked('rs-r1'), goesOn);
    expect(begun.leg.live?.recordId).toBe('rs-r1');
    expect(begun.done()).not.toContain('start-media');
    expect(begun.done()).not.toContain('look');
  });

  it('takes copies away whose recorder is not there any more', () => {
    const told = adopted(starting().stocked('rs-r1'), { forks: { 'rs-r1': level } });
    expect(told.done()).toEqual(['drop-forks']);
  });

  it('leaves a session that runs as it is, but for orders that may not have come', () => {
    const told = adopted(recording(), goesOn);
    expect(told.done()).toEqual(['resume-forks']);
    expect(told.leg.live?.recordId).toBe('rs-r1');
    expect(adopted(recording().tell({ type: 'pause' }), goesOn).done()).toContain('pause-forks');
  });

  it('follows what the recorder has changed, or the edge does not have', () => {
    const elsewhere = { media: { a: mediaAddress('192.0.2.8') }, offered: standing.offered };
    const moved = { forks: goesOn.forks, sessions: { 'rs-r1': elsewhere } };
    expect(adopted(recording(), moved).done()).toContain('look');
    const half = { forks: { 'rs-r1': { a: level.a } }, sessions: goesOn.sessions };
    expect(adopted(recording(), half).done()).toContain('look');
  });

  it('tells the recorder again what it has not acknowledged', () => {
    const told = recording().pause().look();
    expect(told.leg.live?.telling).toEqual({ paused: true, streams: 1 });
    expect(adopted(told, goesOn).done()).toContain('tell');
  });

  it('finds another recorder without a gap where there is no dialog', () => {
    const told = adopted(recording(), { forks: goesOn.forks });
    expect(told.leg.leaving).toEqual({ recorder: 'r1', reason: 'operator' });
    expect(told.done()).toContain('queue');
    expect(told.done()).not.toContain('blame');
  });

  it('says goodbye again where that was not over', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' }).look();
    expect(told.leg.finishing).toEqual(['rs-r1']);
    const again = adopted(told, goesOn);
    expect(again.effects).toContainEqual({ do: 'finish', recordId: 'rs-r1', reason: 'ended' });
    expect(again.timers()).toContain('stop');
  });

  it('stops again the copies of a recorder that is gone', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' }).end('srs_bye');
    told.tell({ type: 'timer', name: 'stop' });
    expect(told.leg.retiring).toBe('rs-r1');
    expect(adopted(told, goesOn).done()).toContain('retire');
  });

  it('looks for a recorder at once where it had waited', () => {
    const told = inviting().refuse('r1').tell({ type: 'unallocated' });
    expect(told.leg.search.stage).toBe('waiting');
    expect(adopted(told).done()).toEqual(['queue']);
  });

  it('keeps what the recorder said last of copies that have ended', () => {
    const told = recording().tell({ type: 'stop', reason: 'ended' }).look();
    const recordId = 'rs-r1';
    told.tell({ type: 'finishing', recordId, reason: 'ended', forks: level, streams });
    const final = { ...level, a: forkReport([range(1, 10)], { receiverReports: 7 }) };
    told.tell({ type: 'reported', recordId, forks: final });
    expect(told.leg.sessions[0]?.forks?.a?.receiverReports).toBe(7);
    expect(told.leg.finishing).toEqual([recordId]);
  });
});
