import type { ForkReport, SequenceRange, StreamReport } from '../../src/edge/types.ts';

/** Packets 20 ms apart, sequence n at `origin + n * 20`. */
export function range(first: number, last: number, origin = 0): SequenceRange {
  return { first, last, firstAt: origin + first * 20, lastAt: origin + last * 20 };
}

export function streamReport(
  received: readonly SequenceRange[],
  change: Partial<StreamReport> = {},
): StreamReport {
  return {
    ssrc: 1,
    packets: 0,
    bytes: 0,
    duplicates: 0,
    reordered: 0,
    refused: {},
    kernelDrops: 0,
    received,
    rangesJoined: 0,
    dropped: [],
    ssrcChanges: [],
    ssrcChangeCount: 0,
    packetMs: 20,
    egressPackets: 0,
    egressErrors: 0,
    ...change,
  };
}

export function forkReport(
  sent: readonly SequenceRange[],
  change: Partial<ForkReport> = {},
): ForkReport {
  return {
    forkId: 1,
    state: 'live',
    sentPackets: 0,
    sentBytes: 0,
    sendErrors: 0,
    sent,
    replayed: [],
    overrun: [],
    withheld: [],
    receiverReports: 0,
    reportsRanges: false,
    confirmed: [],
    denied: [],
    reportedLost: { atLeast: 0, atMost: 0 },
    ...change,
  };
}
