import { describe, expect, it } from 'vitest';
import type { ReceiverReport } from '../../../src/edge/types.ts';
import { legDelivery, sequenceAt } from '../../../src/recording/delivery.ts';
import { forkReport, range, streamReport } from '../../support/reports.ts';

const everything = { paused: [] };

describe('delivery of a stream to a leg', () => {
  it('is whole when all that arrived was sent to a recorder that lives', () => {
    const delivery = legDelivery(
      streamReport([range(100, 199), range(205, 300)]),
      everything,
      [{ fork: forkReport([range(100, 199), range(205, 300)]) }],
      Infinity,
    );
    expect(delivery).toMatchObject({ sentPackets: 196, lostPackets: 0, lostMs: 0 });
  });

  it('has lost what a dead recorder was sent, up to where the next one began', () => {
    const delivery = legDelivery(
      streamReport([range(100, 300)]),
      everything,
      [
        { fork: forkReport([range(100, 205)]), deadFrom: 200 },
        { fork: forkReport([range(210, 300)]) },
      ],
      Infinity,
    );
    expect(delivery.lost).toEqual([{ first: 200, last: 209 }]);
    expect(delivery).toMatchObject({ lostPackets: 10, lostMs: 200, sentPackets: 191 });
  });

  it('has lost nothing when the next session was sent it again', () => {
    const delivery = legDelivery(
      streamReport([range(100, 300)]),
      everything,
      [
        { fork: forkReport([range(100, 205)]), deadFrom: 200 },
        { fork: forkReport([range(190, 300)], { replayed: [range(190, 230)] }) },
      ],
      Infinity,
    );
    expect(delivery).toMatchObject({ lostPackets: 0, sentPackets: 201 });
  });

  it('has lost what a receiver report counts, and behind it what came after, if it is final', () => {
    const stream = streamReport([range(100, 199), range(205, 300)]);
    const lost = (receiverReport: Partial<ReceiverReport>): number => {
      const report = { at: 0, fractionLost: 0, jitterMs: 0, highestSequence: 298 };
      const fork = forkReport([range(100, 199), range(205, 300)], {
        receiverReport: { ...report, cumulativeLost: 0, ...receiverReport },
      });
      const delivery = legDelivery(stream, everything, [{ fork }], Infinity);
      expect(delivery.lost).toEqual([]);
      expect(delivery.lostPackets).toBe(delivery.reportedLostPackets);
      expect(delivery.lostMs).toBe(20 * delivery.lostPackets);
      return delivery.lostPackets;
    };
    expect(lost({})).toBe(0);
    expect(lost({ final: true })).toBe(2);
    // Five that the stream itself lacks.
    expect(lost({ cumulativeLost: 8 })).toBe(3);
    expect(lost({ cumulativeLost: 8, final: true })).toBe(5);
    expect(lost({ cumulativeLost: 5, highestSequence: 300, final: true })).toBe(0);
  });

  it('does not count what is still on its way', () => {
    const sessions = [{ fork: forkReport([range(100, 250)]) }];
    const stream = streamReport([range(100, 300)]);
    expect(legDelivery(stream, everything, sessions, 251).lostPackets).toBe(0);
    expect(legDelivery(stream, everything, sessions, Infinity).lostPackets).toBe(50);
  });

  it('does not count pauses, nor what came before the start and after the stop', () => {
    const window = {
      from: 120,
      to: 280,
      paused: [{ first: 150, last: 160 }],
      resuming: [{ first: 161, last: 165 }],
    };
    const fork = forkReport([range(120, 149), range(162, 280)], { withheld: [range(161, 161)] });
    const delivery = legDelivery(streamReport([range(100, 300)]), window, [{ fork }], Infinity);
    expect(delivery).toMatchObject({ lostPackets: 0, sentPackets: 149 });
  });

  it('counts what a copy that was behind still had to send when the pause came', () => {
    const window = { from: 100, paused: [{ first: 200, last: 250 }], resuming: [] };
    const fork = forkReport([range(100, 179), range(251, 300)], { withheld: [range(180, 250)] });
    const delivery = legDelivery(streamReport([range(100, 300)]), window, [{ fork }], Infinity);
    expect(delivery.lost).toEqual([{ first: 180, last: 199 }]);
  });

  it('does not blame the leg for what never arrived', () => {
    const delivery = legDelivery(
      streamReport([range(100, 149), range(180, 300)]),
      everything,
      [{ fork: forkReport([range(100, 149), range(180, 300)]) }],
      Infinity,
    );
    expect(delivery.lostPackets).toBe(0);
  });
});

describe('the sequence number at a time', () => {
  const received = [range(100, 199), range(205, 300)];

  it.each([
    [0, 100],
    [100 * 20, 100],
    [150 * 20, 150],
    [150 * 20 + 1, 151],
    [202 * 20, 205],
    [300 * 20, 300],
    [400 * 20, 301],
  ])('at %i ms is %i', (at, sequence) => {
    expect(sequenceAt(received, at)).toBe(sequence);
  });

  it('is unknown before the first packet', () => {
    expect(sequenceAt([], 0)).toBeUndefined();
  });
});
