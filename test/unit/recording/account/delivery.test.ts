import { describe, expect, it } from 'vitest';
import type {
  ForkReport,
  ReceiverReport,
  SequenceRange,
  StreamReport,
} from '../../../../src/edge/types.ts';
import {
  account as accountOf,
  doubtOf,
  surelyDeliveredBy,
} from '../../../../src/recording/account/delivery.ts';
import type {
  Delivery,
  Doubt,
  Pending,
  SessionDelivery,
} from '../../../../src/recording/account/delivery.ts';
import type { StreamWindow } from '../../../../src/recording/account/window.ts';
import type { Range } from '../../../../src/rtp/ranges.ts';
import { forkReport, range, streamReport } from '../../../support/reports.ts';

const everything: StreamWindow = { paused: [] };
const none = { packets: [], reports: [] };

function account(
  stream: StreamReport,
  window: StreamWindow,
  sessions: readonly SessionDelivery[],
  pending: Pending,
): Delivery & Doubt {
  const delivery = accountOf(stream, window, sessions, pending.packets);
  return { ...delivery, ...doubtOf(stream, delivery, pending) };
}

function report(highestSequence: number, final = false): { receiverReport: ReceiverReport } {
  return {
    receiverReport: {
      at: 0,
      highestSequence,
      fractionLost: 0,
      jitterMs: 0,
      ...(final && { final }),
    },
  };
}

/** Of a recorder that names what it received. */
function exact(
  sent: readonly SequenceRange[],
  confirmed: readonly SequenceRange[],
  denied: readonly SequenceRange[] = [],
): ForkReport {
  return forkReport(sent, { reportsRanges: true, receiverReports: 1, confirmed, denied });
}

/** Of a recorder that counts. */
function counted(
  sent: readonly SequenceRange[],
  confirmed: readonly SequenceRange[],
  [atLeast, atMost]: readonly [number, number],
  highest: number,
  final = false,
): ForkReport {
  return forkReport(sent, {
    receiverReports: 1,
    confirmed,
    reportedLost: { atLeast, atMost },
    ...report(highest, final),
  });
}

function judge(
  received: readonly SequenceRange[],
  sessions: readonly SessionDelivery[],
  window = everything,
  packets: readonly Range[] = [],
): Delivery & Doubt {
  return account(streamReport(received), window, sessions, { packets, reports: [] });
}

describe('what was to be recorded', () => {
  it('is whole when a recorder has confirmed all that arrived', () => {
    const all = [range(100, 199), range(205, 300)];
    expect(judge(all, [{ fork: exact(all, all) }])).toMatchObject({
      missing: [],
      unprovenPackets: 0,
      nothingProven: false,
    });
  });

  it('is not whole when it was sent and no report says that it came', () => {
    const all = [range(100, 300)];
    expect(judge(all, [{ fork: forkReport(all) }])).toMatchObject({
      missing: [],
      unprovenPackets: 201,
      nothingProven: true,
    });
  });

  it('is missing from where a recorder was dead to where the next one began', () => {
    const sessions = [
      { fork: forkReport([range(100, 205)]), deadFrom: 200 },
      { fork: forkReport([range(210, 300)]) },
    ];
    expect(judge([range(100, 300)], sessions).missing).toEqual([{ first: 200, last: 209 }]);
  });

  it('is not missing when the next session was sent it again', () => {
    const sessions = [
      { fork: forkReport([range(100, 205)]), deadFrom: 200 },
      { fork: forkReport([range(190, 300)], { replayed: [range(190, 230)] }) },
    ];
    expect(judge([range(100, 300)], sessions).missing).toEqual([]);
  });

  it('is not missing when a recorder that is held to be dead has confirmed it', () => {
    const sent = [range(100, 205)];
    const session = { fork: exact(sent, [range(100, 203)]), deadFrom: 200 };
    expect(judge(sent, [session]).missing).toEqual([{ first: 204, last: 205 }]);
  });

  it('does not hold against the leg what never arrived', () => {
    const all = [range(100, 149), range(180, 300)];
    expect(judge(all, [{ fork: exact(all, all) }]).missing).toEqual([]);
  });

  it('is not missing while it may still come', () => {
    const sessions = [{ fork: exact([range(100, 250)], [range(100, 250)]) }];
    const stream = [range(100, 300)];
    const pending = [{ first: 251, last: Infinity }];
    const running = judge(stream, sessions, everything, pending);
    expect(running).toMatchObject({ missing: [], unprovenPackets: 0 });
    expect(judge(stream, sessions).missing).toEqual([{ first: 251, last: 300 }]);
  });

  it('is not unproven while the report may still come', () => {
    const stream = streamReport([range(100, 300)]);
    const sessions = [{ fork: exact([range(100, 300)], [range(100, 250)]) }];
    const reports = [{ first: 251, last: 300 }];
    expect(account(stream, everything, sessions, { packets: [], reports }).unprovenPackets).toBe(0);
    expect(account(stream, everything, sessions, none).unprovenPackets).toBe(50);
  });

  it('is neither of pauses, nor of before the start and after the stop', () => {
    const window = {
      from: 120,
      to: 280,
      paused: [{ first: 150, last: 160 }],
      resuming: [{ first: 161, last: 165 }],
    };
    const sent = [range(120, 149), range(162, 280)];
    const fork = { ...exact(sent, sent), withheld: [range(161, 161)] };
    expect(judge([range(100, 300)], [{ fork }], window)).toMatchObject({
      missing: [],
      unprovenPackets: 0,
    });
  });

  it('is of a copy that was behind what it still had to send when the pause came', () => {
    const window = { from: 100, paused: [{ first: 200, last: 250 }], resuming: [] };
    const fork = forkReport([range(100, 179), range(251, 300)], { withheld: [range(180, 250)] });
    expect(judge([range(100, 300)], [{ fork }], window).missing).toEqual([
      { first: 180, last: 199 },
    ]);
  });
});

describe('what was lost on the way', () => {
  const all = [range(100, 300)];

  it('is missing by number where the recorder names it', () => {
    const fork = exact(all, [range(100, 149), range(152, 300)], [range(150, 151)]);
    expect(judge(all, [{ fork }])).toMatchObject({
      missing: [{ first: 150, last: 151 }],
      unprovenPackets: 0,
      reportedLost: { atLeast: 0, atMost: 0 },
    });
  });

  it('is not missing when another session of the leg has been sent it, and is proven when that one confirms it', () => {
    const first = exact([range(100, 200)], [range(100, 149)], [range(150, 200)]);
    const again = (confirmed: readonly SequenceRange[]): Delivery & Doubt =>
      judge(all, [{ fork: first }, { fork: exact([range(150, 300)], confirmed) }]);
    expect(again([])).toMatchObject({ missing: [], unprovenPackets: 151 });
    expect(again([range(150, 300)])).toMatchObject({ missing: [], unprovenPackets: 0 });
  });

  it('is counted where the recorder only counts', () => {
    const fork = counted(all, [range(100, 199)], [3, 3], 300);
    expect(judge(all, [{ fork }])).toMatchObject({
      missing: [],
      reportedLost: { atLeast: 3, atMost: 3 },
      unprovenPackets: 0,
    });
  });

  it('is unproven between the bounds that a count allows', () => {
    const fork = counted(all, [range(100, 199)], [3, 8], 300);
    expect(judge(all, [{ fork }])).toMatchObject({
      reportedLost: { atLeast: 3, atMost: 8 },
      unprovenPackets: 5,
    });
  });

  it('is never more than was sent, whatever a report says', () => {
    const fork = counted(all, [], [335_072_000, 335_072_000], 300);
    const nothing = {
      missing: all.map(({ first, last }) => ({ first, last })),
      unprovenPackets: 0,
    };
    expect(judge(all, [{ fork }])).toMatchObject(nothing);
    const beyond = counted([range(100, 150)], [], [0, 1_000], 4_000_000);
    expect(judge(all, [{ fork: beyond }]).reportedLost).toEqual({ atLeast: 0, atMost: 51 });
  });

  it('is not lost of the leg as far as another session has it', () => {
    const first = counted([range(100, 200)], [range(100, 149)], [3, 3], 200);
    const bounds = (fork: ForkReport): Delivery['reportedLost'] =>
      judge(all, [{ fork: first }, { fork }]).reportedLost;
    // Sent to the next, which has not said anything.
    expect(bounds(forkReport([range(150, 300)]))).toEqual({ atLeast: 0, atMost: 3 });
    expect(bounds(exact([range(150, 300)], [range(150, 300)]))).toEqual({ atLeast: 0, atMost: 0 });
    // Only one of the packets was sent again: two of the three must be among the others.
    expect(bounds(exact([range(200, 300)], [range(200, 300)]))).toEqual({ atLeast: 2, atMost: 3 });
  });

  it('is behind the highest number of a final report, too, and not known of one that is not', () => {
    const last = (final: boolean, lost: number): Delivery =>
      judge(all, [{ fork: counted(all, [range(100, 298)], [lost, lost], 298, final) }]);
    expect(last(true, 2)).toMatchObject({
      missing: [{ first: 299, last: 300 }],
      reportedLost: { atLeast: 0, atMost: 0 },
      unprovenPackets: 0,
    });
    expect(last(false, 0)).toMatchObject({ missing: [], unprovenPackets: 2 });
  });

  it('is not missing by count when it may be what is missing by number after the end of its recorder', () => {
    const fork = counted([range(100, 280)], [range(100, 239)], [3, 3], 280);
    const { missing, reportedLost } = judge([range(100, 280)], [{ fork, deadFrom: 250 }]);
    expect(missing).toEqual([{ first: 250, last: 280 }]);
    expect(reportedLost).toEqual({ atLeast: 0, atMost: 3 });
  });

  it('is not missing twice, once by number and once by count', () => {
    const fork = counted(all, [range(100, 250)], [10, 10], 295, true);
    const { missing, reportedLost } = judge(all, [{ fork }]);
    expect(missing).toEqual([]);
    expect(reportedLost).toEqual({ atLeast: 10, atMost: 10 });
  });

  it('is missing by number when as many are lost as there are', () => {
    const fork = counted(all, [range(100, 250)], [50, 50], 300);
    expect(judge(all, [{ fork }])).toMatchObject({
      missing: [{ first: 251, last: 300 }],
      reportedLost: { atLeast: 0, atMost: 0 },
    });
  });
});

describe('what was dropped at our own socket', () => {
  it('is missing, though no leg could have sent it', () => {
    const received = [range(100, 149), range(160, 300)];
    const stream = streamReport(received, { kernelDrops: 10, dropped: [range(150, 159)] });
    const delivery = account(stream, everything, [{ fork: exact(received, received) }], none);
    expect(delivery.missing).toEqual([{ first: 150, last: 159 }]);
  });

  it('is not missing where nothing was to be recorded', () => {
    const received = [range(100, 149), range(160, 300)];
    const stream = streamReport(received, { kernelDrops: 10, dropped: [range(150, 159)] });
    const window = { from: 100, paused: [{ first: 140, last: 170 }] };
    const sent = [range(100, 139), range(171, 300)];
    const delivery = account(stream, window, [{ fork: exact(sent, sent) }], none);
    expect(delivery).toMatchObject({ missing: [], unprovenPackets: 0 });
  });

  it('leaves the stream unproven when no gap accounts for it', () => {
    const received = [range(100, 300)];
    const stream = streamReport(received, { kernelDrops: 7 });
    const delivery = account(stream, everything, [{ fork: exact(received, received) }], none);
    expect(delivery).toMatchObject({ missing: [], unprovenPackets: 7 });
  });
});

describe('what is known by its outline only', () => {
  it('is never missing, and never proven', () => {
    const sent = [range(100, 110), range(150, 300)];
    const stream = streamReport([range(100, 300)], { rangesJoined: 1, exactFrom: 200 });
    const delivery = account(stream, everything, [{ fork: exact(sent, sent) }], none);
    expect(delivery.missing).toEqual([]);
    expect(delivery.unprovenPackets).toBe(100);
  });

  it('takes nothing from what is exact', () => {
    const sent = [range(100, 250)];
    const stream = streamReport([range(100, 300)], { rangesJoined: 1, exactFrom: 200 });
    const delivery = account(stream, everything, [{ fork: exact(sent, sent) }], none);
    expect(delivery.missing).toEqual([{ first: 251, last: 300 }]);
  });
});

describe('what need not be sent again', () => {
  const sent = [range(100, 300)];

  it('is what a recorder that reports has confirmed, not what its last report is newer than', () => {
    const fork = counted(sent, [range(100, 149)], [20, 20], 299);
    expect(surelyDeliveredBy({ fork, deadFrom: 300, unsureFrom: 300 })).toEqual([range(100, 149)]);
  });

  it('goes by when the recorder was there where none reports', () => {
    const fork = forkReport(sent);
    expect(surelyDeliveredBy({ fork, deadFrom: 250, unsureFrom: 240 })).toEqual([
      { first: 100, last: 239 },
    ]);
    expect(surelyDeliveredBy({ fork })).toEqual(sent);
  });

  it('is nothing when it is the way of the media that is in doubt and no report came', () => {
    const fork = forkReport(sent);
    const delivery = { fork, deadFrom: 300, unsureFrom: 300, mediaDoubted: true };
    expect(surelyDeliveredBy(delivery)).toEqual([]);
  });
});
