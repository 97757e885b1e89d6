import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  AddForkOptions,
  EdgeEvent,
  ForkReport,
  ForkSigns,
  SequenceRange,
  SocketAddress,
} from '../../src/edge/types.ts';
import type { MediaEdge } from '../../src/media/media-edge.ts';

/** What stands around an edge in the contract: real sockets and time, or simulated ones. */
export interface ContractRig {
  readonly edge: MediaEdge;
  readonly events: readonly EdgeEvent[];
  /** On the edge's clock. */
  now(): number;
  /** A port and the party that speaks to it. */
  port(): Promise<ContractPort>;
  recorder(): Promise<ContractRecorder>;
  /** Where nobody listens. */
  nobody(): Promise<SocketAddress>;
  /** Where the host's kernel lets nobody send. */
  forbidden(): SocketAddress;
  /** Resolves when it holds, at the latest after many seconds. */
  until(holds: () => boolean): Promise<void>;
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

export interface ContractPort {
  readonly portId: number;
  readonly ssrc: number;
  /** Packets in order, 20 ms of PCMU each. Resolves when the edge has taken them. */
  say(first: number, count: number, ssrc?: number): Promise<void>;
}

export interface ContractRecorder {
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
  /** Sequence numbers in the order of their arrival. */
  readonly received: readonly number[];
  readonly byes: number;
  report(ssrc: number, highestSequence: number, cumulativeLost: number): Promise<void>;
  /** Beside a receiver report: from `begin` on, which came. */
  reportRanges(ssrc: number, begin: number, came: readonly boolean[]): Promise<void>;
}

export interface ContractOptions {
  readonly ringSeconds?: number;
}

/** The first number that a sender uses, counted from cycle 1. */
const cycle = 65_536;
const from = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);
/** When a packet came, as its range says. */
function timeIn(ranges: readonly SequenceRange[], sequence: number): number {
  const { first, last, firstAt, lastAt } = ranges.find(
    (range) => range.first <= sequence && sequence <= range.last,
  )!;
  return firstAt + ((lastAt - firstAt) * (sequence - first)) / Math.max(1, last - first);
}
const bounds = (ranges: readonly SequenceRange[]): number[][] =>
  ranges.map(({ first, last }) => [first - cycle, last - cycle]);

/** What every edge does. */
export function edgeContract(make: (options: ContractOptions) => Promise<ContractRig>): void {
  let rig: ContractRig;
  let port: ContractPort;
  const begin = async (options: ContractOptions = {}): Promise<void> => {
    rig = await make(options);
    port = await rig.port();
  };
  const fork = async (
    { rtp, rtcp }: Pick<ContractRecorder, 'rtp' | 'rtcp'>,
    options: Partial<AddForkOptions> = {},
  ): Promise<number> => {
    const all = { streamIndex: 0, from: { kind: 'live' }, paused: false } as const;
    return (await rig.edge.addForks([{ ...all, portId: port.portId, rtp, rtcp, ...options }]))[0]!;
  };
  const reportOf = (forkId: number): ForkReport => rig.edge.forkReports([forkId])[0]!;
  const signsOf = (forkId: number): ForkSigns =>
    rig.edge.forkSigns().find((signs) => signs.forkId === forkId)!;
  const gets = async (recorder: ContractRecorder, count: number): Promise<readonly number[]> => {
    await rig.until(() => recorder.received.length >= count);
    return recorder.received;
  };
  const told = (type: EdgeEvent['type']): Promise<void> =>
    rig.until(() => rig.events.some((event) => event.type === type));

  afterEach(() => rig.close());

  describe('where a fork begins', () => {
    beforeEach(() => begin());

    it('begins with the next packet when it is live', async () => {
      await port.say(1, 5);
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(6, 3);
      expect(await gets(recorder, 3)).toEqual([6, 7, 8]);
      expect(reportOf(forkId)).toMatchObject({ state: 'live', sentPackets: 3, replayed: [] });
      expect(bounds(reportOf(forkId).sent)).toEqual([[6, 8]]);
    });

    it('begins with the oldest packet in the ring, in order with what comes meanwhile', async () => {
      await port.say(1, 50);
      const recorder = await rig.recorder();
      const forkId = await fork(recorder, { from: { kind: 'oldest' } });
      expect(reportOf(forkId).state).toBe('catching-up');
      await port.say(51, 10);
      expect(await gets(recorder, 60)).toEqual(from(1, 60));
      await told('fork-live');
      expect(reportOf(forkId).state).toBe('live');
      expect(reportOf(forkId).replayed[0]).toMatchObject({ first: cycle + 1 });
    });

    it('begins with a sequence number, or the next after it', async () => {
      await port.say(1, 5);
      await port.say(11, 5);
      const recorder = await rig.recorder();
      await fork(recorder, { from: { kind: 'sequence', sequence: cycle + 8 } });
      expect(await gets(recorder, 5)).toEqual(from(11, 5));
    });

    it('says so when it is level at once', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder, { from: { kind: 'oldest' } });
      await told('fork-live');
      expect(signsOf(forkId).live).toBe(true);
    });
  });

  it('accounts for what had left the ring before it could be sent', async () => {
    await begin({ ringSeconds: 0.2 });
    await port.say(1, 5);
    await rig.pass(500);
    await port.say(6, 5);
    const recorder = await rig.recorder();
    const forkId = await fork(recorder, { from: { kind: 'sequence', sequence: cycle + 1 } });
    expect(await gets(recorder, 5)).toEqual(from(6, 5));
    expect(bounds(reportOf(forkId).overrun)).toEqual([[1, 5]]);
    expect(rig.edge.streamReports([port.portId])[0]).toMatchObject({ ringFirst: cycle + 6 });
  });

  describe('pauses', () => {
    beforeEach(() => begin());

    it('withhold exactly what comes in them', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 5);
      await rig.edge.pauseFork(forkId);
      await port.say(6, 5);
      expect(reportOf(forkId).state).toBe('paused');
      await rig.edge.resumeFork(forkId);
      await port.say(11, 5);
      expect(await gets(recorder, 10)).toEqual([...from(1, 5), ...from(11, 5)]);
      const { sent, withheld } = reportOf(forkId);
      expect(bounds(sent)).toEqual([
        [1, 5],
        [11, 15],
      ]);
      expect(bounds(withheld)).toEqual([[6, 10]]);
    });

    it('let a fork that is behind still send what came before them', async () => {
      await port.say(1, 30);
      const recorder = await rig.recorder();
      const forkId = await fork(recorder, { from: { kind: 'oldest' } });
      await rig.edge.pauseFork(forkId, cycle + 21);
      await port.say(31, 5);
      await rig.until(() => reportOf(forkId).state === 'paused');
      expect(await gets(recorder, 20)).toEqual(from(1, 20));
      expect(bounds(reportOf(forkId).withheld)).toEqual([[21, 35]]);
      await rig.edge.resumeFork(forkId);
      await port.say(36, 2);
      expect(await gets(recorder, 22)).toEqual([...from(1, 20), 36, 37]);
    });

    it('stop a fork that is behind at once where nothing is said of what came before', async () => {
      await port.say(1, 30);
      const recorder = await rig.recorder();
      const forkId = await fork(recorder, { from: { kind: 'oldest' } });
      await rig.edge.pauseFork(forkId);
      const { sentPackets, state } = reportOf(forkId);
      expect(state).toBe('paused');
      await rig.pass(60);
      expect(reportOf(forkId).sentPackets).toBe(sentPackets);
    });

    it('may be there from the beginning', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder, { paused: true });
      await port.say(1, 5);
      await rig.edge.resumeFork(forkId);
      await port.say(6, 2);
      expect(await gets(recorder, 2)).toEqual([6, 7]);
      expect(bounds(reportOf(forkId).withheld)).toEqual([[1, 5]]);
    });

    it('that are over are kept out of what is sent again', async () => {
      await port.say(1, 20);
      const recorder = await rig.recorder();
      const keptOut = [
        { first: cycle + 3, last: cycle + 5 },
        { first: cycle + 18, last: cycle + 22 },
      ];
      const forkId = await fork(recorder, { from: { kind: 'oldest' }, keptOut });
      expect(await gets(recorder, 14)).toEqual([1, 2, ...from(6, 12)]);
      await told('fork-live');
      expect(bounds(reportOf(forkId).withheld)).toEqual([
        [3, 5],
        [18, 20],
      ]);
    });
  });

  describe('the end of a fork', () => {
    beforeEach(() => begin());

    it('is told to the recorder, nothing more is sent, and its last report settles it', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 5);
      await gets(recorder, 5);
      expect((await rig.edge.endForks([forkId]))[0]!.state).toBe('ended');
      await port.say(6, 5);
      await rig.until(() => recorder.byes > 0);
      await recorder.report(port.ssrc, 5, 0);
      await told('fork-ended');
      expect(signsOf(forkId).settled).toBe(true);
      expect(reportOf(forkId).receiverReport).toMatchObject({
        final: true,
        highestSequence: cycle + 5,
      });
      expect(recorder.received).toEqual(from(1, 5));
    });

    it('shows what its last report leaves behind as lost', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 5);
      await gets(recorder, 5);
      await rig.edge.endForks([forkId]);
      // The first BYE may overtake what was sent before it.
      await rig.until(() => recorder.byes > 1);
      await recorder.report(port.ssrc, 3, 0);
      await told('fork-ended');
      expect(reportOf(forkId).receiverReport).toMatchObject({ final: true });
      expect(reportOf(forkId).reportedLost).toMatchObject({ atLeast: 2 });
    });

    it('comes with its port', async () => {
      const forkId = await fork(await rig.recorder());
      await rig.edge.closePort(port.portId);
      expect(() => reportOf(forkId)).toThrow(expect.objectContaining({ code: 'EDGE_FAILED' }));
    });

    it('and the account of the streams are of one moment', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 5);
      const { streams, forks } = await rig.edge.takeStock([port.portId], [forkId]);
      expect(bounds(streams[0]!.received)).toEqual([[1, 5]]);
      expect(bounds(forks[0]!.sent)).toEqual([[1, 5]]);
      expect(forks[0]!.state).toBe('ended');
      expect(rig.edge.forkSigns()).toEqual([]);
      await port.say(6, 2);
      await rig.pass(30);
      expect(recorder.received).toEqual(from(1, 5));
    });
  });

  describe('where forks go', () => {
    beforeEach(() => begin());

    it('is a place that no other of their stream has: all are added, or none', async () => {
      const [one, two] = [await rig.recorder(), await rig.recorder()];
      const first = await fork(one);
      const options = {
        portId: port.portId,
        streamIndex: 0,
        from: { kind: 'live' },
        paused: false,
      };
      const wanted = [two, one].map(({ rtp, rtcp }) => ({ ...options, rtp, rtcp }));
      await expect(rig.edge.addForks(wanted as AddForkOptions[])).rejects.toMatchObject({
        code: 'EDGE_FAILED',
      });
      expect(rig.edge.forkSigns().map(({ forkId }) => forkId)).toEqual([first]);
    });

    it('may change', async () => {
      const [one, two] = [await rig.recorder(), await rig.recorder()];
      const forkId = await fork(one);
      await port.say(1, 3);
      await rig.edge.setForkTarget(forkId, two.rtp, two.rtcp);
      await port.say(4, 3);
      expect(await gets(two, 3)).toEqual([4, 5, 6]);
      expect(await gets(one, 3)).toEqual([1, 2, 3]);
    });

    it('may refuse: it is told once, with the first packet that was refused', async () => {
      const address = await rig.nobody();
      const forkId = await fork({ rtp: address, rtcp: address });
      await port.say(1, 3);
      await told('fork-refused');
      expect(reportOf(forkId).refused).toMatchObject({ sequence: cycle + 1 });
      expect(signsOf(forkId).refusedAt).toBeGreaterThan(0);
      await port.say(4, 3);
      await rig.pass(30);
      expect(rig.events.filter(({ type }) => type === 'fork-refused')).toHaveLength(1);
    });
  });

  describe('packets that the kernel does not take', () => {
    beforeEach(() => begin());

    it('are told as long as that is so, wait in the ring, and go where the fork goes then', async () => {
      const address = rig.forbidden();
      const forkId = await fork({ rtp: address, rtcp: address });
      await port.say(1, 5);
      await rig.until(() => signsOf(forkId).unsendableAt > 0);
      await port.say(6, 5);
      await rig.until(() => (reportOf(forkId).unsendable?.count ?? 0) > 2);
      expect(signsOf(forkId)).toMatchObject({ live: false, sendingSince: 0 });
      const { state, sent, sendErrors, unsendable } = reportOf(forkId);
      expect({ state, sent }).toEqual({ state: 'catching-up', sent: [] });
      expect(unsendable).toMatchObject({ sequence: cycle + 1, errno: 'EACCES' });
      expect(sendErrors).toBeGreaterThan(2);
      const recorder = await rig.recorder();
      await rig.edge.setForkTarget(forkId, recorder.rtp, recorder.rtcp);
      expect(signsOf(forkId).unsendableAt).toBe(0);
      expect(await gets(recorder, 10)).toEqual(from(1, 10));
      await told('fork-live');
      expect(reportOf(forkId).unsendable).toBeUndefined();
    });
  });

  describe('what was said of where a fork went', () => {
    beforeEach(() => begin());

    it('is not said of where it goes now: that it was refused', async () => {
      const address = await rig.nobody();
      const forkId = await fork({ rtp: address, rtcp: address });
      await port.say(1, 3);
      await rig.until(() => signsOf(forkId).refusedAt > 0);
      const recorder = await rig.recorder();
      await rig.edge.setForkTarget(forkId, recorder.rtp, recorder.rtcp);
      expect(signsOf(forkId)).toMatchObject({ refusedAt: 0, doubtedAt: 0 });
      expect(reportOf(forkId).refused).toBeUndefined();
    });

    it('is not said of where it goes now: what came', async () => {
      const [one, two] = [await rig.recorder(), await rig.recorder()];
      const forkId = await fork(one);
      await port.say(1, 5);
      await gets(one, 5);
      await one.report(port.ssrc, 5, 0);
      await rig.until(() => reportOf(forkId).receiverReports === 1);
      await rig.edge.setForkTarget(forkId, two.rtp, two.rtcp);
      await port.say(6, 5);
      await gets(two, 5);
      await two.report(port.ssrc, 5, 0);
      await two.report(port.ssrc, 10, 0);
      await rig.until(() => reportOf(forkId).receiverReport?.highestSequence === cycle + 10);
      expect(reportOf(forkId)).toMatchObject({ receiverReports: 2, confirmed: [] });
    });
  });

  describe('what recorders report', () => {
    beforeEach(() => begin());

    it('confirms an interval between reports of which nothing is missing, and no other', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 10);
      await gets(recorder, 10);
      await recorder.report(port.ssrc, 10, 0);
      await rig.until(() => reportOf(forkId).receiverReports === 1);
      // Which packet it began with it does not say.
      expect(reportOf(forkId).confirmed).not.toContainEqual(
        expect.objectContaining({ first: cycle + 1 }),
      );
      await rig.pass(60);
      await port.say(11, 10);
      await gets(recorder, 20);
      await recorder.report(port.ssrc, 20, 0);
      await rig.until(() => reportOf(forkId).receiverReports === 2);
      expect(bounds(reportOf(forkId).confirmed)).toContainEqual([11, 20]);
      await port.say(21, 10);
      await gets(recorder, 30);
      await recorder.report(port.ssrc, 30, 3);
      await rig.until(() => reportOf(forkId).receiverReports === 3);
      const { confirmed, reportedLost, receiverReport } = reportOf(forkId);
      expect(bounds(confirmed)).toEqual([[11, 20]]);
      expect(reportedLost).toMatchObject({ atLeast: 3 });
      expect(receiverReport?.fractionLost).toBeCloseTo(0.3);
    });

    it('is not about gaps that the sender left', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 10);
      await gets(recorder, 10);
      await recorder.report(port.ssrc, 10, 0);
      await rig.until(() => reportOf(forkId).receiverReports === 1);
      await rig.pass(60);
      await port.say(31, 10);
      await gets(recorder, 20);
      await recorder.report(port.ssrc, 40, 20);
      await rig.until(() => reportOf(forkId).receiverReports === 2);
      expect(reportOf(forkId).receiverReport?.fractionLost).toBe(0);
      expect(bounds(reportOf(forkId).confirmed)).toContainEqual([31, 40]);
    });

    it('is exact where it names packets', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 6);
      await gets(recorder, 6);
      await recorder.reportRanges(port.ssrc, 1, [true, true, false, false, true, true]);
      await rig.until(() => reportOf(forkId).reportsRanges);
      expect(bounds(reportOf(forkId).confirmed)).toEqual([
        [1, 2],
        [5, 6],
      ]);
      expect(bounds(reportOf(forkId).denied)).toEqual([[3, 4]]);
      expect(reportOf(forkId).reportedLost).toEqual({ atLeast: 0, atMost: 0 });
    });

    it('does not count as heard where nothing arrives any more', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      for (const round of [1, 2, 3]) {
        await port.say(5 * round - 4, 5);
        await gets(recorder, 5 * round);
        await recorder.report(port.ssrc, 5, 0);
        await rig.until(() => reportOf(forkId).receiverReports === round);
      }
      expect(signsOf(forkId)).toMatchObject({ receiverReports: 2, sentSinceReport: 5 });
    });

    it('shows in the signs', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      expect(signsOf(forkId)).toMatchObject({ sentSinceReport: 0, sendingSince: 0, reportedAt: 0 });
      await port.say(1, 5);
      await gets(recorder, 5);
      expect(signsOf(forkId)).toMatchObject({ sentSinceReport: 5, receiverReports: 0, live: true });
      expect(signsOf(forkId).sendingSince).toBeGreaterThan(0);
      await recorder.report(port.ssrc, 5, 0);
      await rig.until(() => signsOf(forkId).receiverReports === 1);
      await port.say(6, 2);
      expect(signsOf(forkId).sentSinceReport).toBe(2);
      expect(signsOf(forkId).reportedAt).toBeGreaterThan(0);
    });
  });

  describe('what comes in', () => {
    beforeEach(() => begin());

    it('keeps its gaps and counts what came twice', async () => {
      await port.say(1, 5);
      await port.say(8, 2);
      await port.say(9, 1);
      const { received, duplicates, packets, packetMs } = rig.edge.streamReports([port.portId])[0]!;
      expect(bounds(received)).toEqual([
        [1, 5],
        [8, 9],
      ]);
      expect({ duplicates, packets, packetMs }).toEqual({
        duplicates: 1,
        packets: 8,
        packetMs: 20,
      });
    });

    it('goes on by one when the sender begins anew under another SSRC', async () => {
      await port.say(1, 5);
      await port.say(40_000, 5, 77);
      const { received, ssrcChanges } = rig.edge.streamReports([port.portId])[0]!;
      expect(bounds(received)).toEqual([[1, 10]]);
      expect(ssrcChanges).toMatchObject([{ to: 77, sequence: cycle + 6 }]);
    });

    it('is not moved by one stray packet', async () => {
      await port.say(1_000, 5);
      await port.say(200, 1);
      await port.say(1_005, 5);
      expect(bounds(rig.edge.streamReports([port.portId])[0]!.received)).toEqual([[1_000, 1_010]]);
    });

    it('keeps its times where it was silent and left no gap', async () => {
      const recorder = await rig.recorder();
      const forkId = await fork(recorder);
      await port.say(1, 100);
      await gets(recorder, 100);
      const between = rig.now();
      await rig.pass(1_200);
      await port.say(101, 100);
      await gets(recorder, 200);
      const { received } = rig.edge.streamReports([port.portId])[0]!;
      expect(timeIn(received, cycle + 100)).toBeLessThanOrEqual(between);
      expect(timeIn(received, cycle + 101)).toBeGreaterThan(between);
      await recorder.reportRanges(
        port.ssrc,
        1,
        from(1, 200).map((number) => number <= 90 || number > 110),
      );
      await rig.until(() => reportOf(forkId).reportsRanges);
      const { sent, confirmed, denied } = reportOf(forkId);
      expect(timeIn(sent, cycle + 100)).toBeLessThanOrEqual(between);
      expect(timeIn(confirmed, cycle + 90)).toBeLessThanOrEqual(between);
      expect(timeIn(denied, cycle + 91)).toBeLessThanOrEqual(between);
      expect(timeIn(denied, cycle + 100)).toBeLessThanOrEqual(between);
      expect(timeIn(denied, cycle + 101)).toBeGreaterThan(between);
    });

    it('is told to be the last that was heard', async () => {
      expect(rig.edge.lastHeard().get(port.portId)).toBe(0);
      const before = rig.now();
      await rig.pass(20);
      await port.say(1, 1);
      expect(rig.edge.lastHeard().get(port.portId)).toBeGreaterThan(before);
    });

    it('can be asked what had come by when', async () => {
      expect(rig.edge.sequencesAt([port.portId], rig.now())).toEqual([undefined]);
      const before = rig.now();
      await rig.pass(20);
      await port.say(1, 5);
      await rig.pass(60);
      const between = rig.now();
      await rig.pass(60);
      expect(rig.edge.sequencesAt([port.portId], before)).toEqual([cycle + 1]);
      expect(rig.edge.sequencesAt([port.portId], between)).toEqual([cycle + 6]);
      await port.say(6, 5);
      expect(rig.edge.sequencesAt([port.portId], between)).toEqual([cycle + 6]);
    });
  });
}
