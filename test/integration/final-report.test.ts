import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ForkReport, OpenedPort, SequenceRange } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { LossyPath } from '../support/lossy-path.ts';
import type { Fate, Passing } from '../support/lossy-path.ts';
import { rtcpTypes } from '../support/rtcp-fixtures.ts';
import { rtp, rtpRun, sequenceOf } from '../support/rtp-fixtures.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

const packets = 400;
const isBye = (packet: Buffer): boolean => rtcpTypes(packet).includes(203);

let dir: string;
let rig: EdgeRig;
let party: UdpPeer;
let port: OpenedPort;
let paths: LossyPath[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'final-report-'));
  paths = [];
  // Recorders report when they hear of the first packets, and then not before the end.
  rig = new EdgeRig('127.0.0.1', { rtcpIntervalMs: 60_000 });
  party = await rig.peer();
  port = await rig.port(party);
});
afterEach(async () => {
  await rig.close();
  await Promise.all(paths.map((path) => path.close()));
  rmSync(dir, { recursive: true });
});

/** A fork to a capture of the same edge, with that path between them. */
async function record(fateOf: (passing: Passing) => Fate, reportRanges = true) {
  const leg = rig.edge.legAddress(0, 0, 4);
  const path = await LossyPath.open(leg, fateOf);
  paths.push(path);
  const { captureId, streams } = rig.edge.openCapture({
    file: join(dir, `${paths.length}.pcapng`),
    host: '127.0.0.1',
    latch: 'announced',
    comment: '',
    streams: [{ label: '1', remote: { ...path.address, reportRanges }, clockRates: { 0: 8_000 } }],
  });
  path.recorder = streams[0];
  const forkId = await rig.fork(port, path.address.rtp, { rtcp: path.address.rtcp });
  return { path, forkId, captureId };
}

/** Resolves when all of it has come as far as the path. */
async function talk(...legs: readonly { path: LossyPath; forkId: number }[]): Promise<void> {
  for (let first = 1; first <= packets; first += 20) {
    await party.send(port.rtp, ...rtpRun(first, 20));
    await rig.until(
      () => legs.map(({ path }) => path.packets),
      (counts) => counts.every((count) => count === first + 19),
    );
    // The only one before the end.
    await rig.until(
      () => legs.map(({ forkId }) => rig.forkReport(forkId).receiverReports),
      (counts) => counts.every((count) => count === 1),
    );
  }
}

async function ended(forkId: number): Promise<ForkReport> {
  await rig.event('fork-ended', (event) => event.forkId === forkId);
  return await rig.removeFork(forkId);
}

const count = (ranges: readonly SequenceRange[]): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
/** Not received, as the recorder names it. */
const saidLost = ({ denied }: ForkReport): number => count(denied);

describe('the loss that a recorder reports when its media ends', () => {
  it('is exact, though the last packet was lost and the first BYE, too', async () => {
    const byes: Buffer[] = [];
    const leg = await record(({ kind, packet, to }) => {
      if (kind === 'rtp') return sequenceOf(packet) % 20 === 0 ? 'lose' : 'pass';
      if (to === 'edge' || !isBye(packet)) return 'pass';
      byes.push(packet);
      return byes.length === 1 ? 'lose' : 'pass';
    });
    const { path, forkId } = leg;
    await talk(leg);
    const [before] = await rig.edge.endForks([forkId]);
    expect(saidLost(before!)).toBeLessThan(19);
    const report = await ended(forkId);
    expect(path.lostPackets).toBe(20);
    expect(report).toMatchObject({ state: 'ended', sentPackets: packets });
    expect(report.receiverReport).toMatchObject({
      final: true,
      highestSequence: 65_536 + packets - 1,
    });
    expect(saidLost(report)).toBe(20);
    expect(rig.edge.captureReport(leg.captureId).streams[0]!.packets).toBe(packets - 20);
  });

  it('is exact when reports are lost on their way back', async () => {
    let answers = 0;
    let isOver = false;
    const leg = await record(({ kind, packet, to }) => {
      if (kind === 'rtp') return sequenceOf(packet) % 7 === 3 ? 'lose' : 'pass';
      isOver ||= isBye(packet);
      if (to === 'recorder' || !isOver) return 'pass';
      answers += 1;
      return answers <= 2 ? 'lose' : 'pass';
    });
    const { path, forkId } = leg;
    await talk(leg);
    await rig.edge.endForks([forkId]);
    const report = await ended(forkId);
    // More, when the third was so slow that the BYE was repeated meanwhile.
    expect(answers).toBeGreaterThanOrEqual(3);
    expect(path.lostPackets).toBe(57);
    expect(saidLost(report)).toBe(57);
  });

  it('does not count media that the BYE has overtaken', async () => {
    let answers = 0;
    let byes = 0;
    const leg = await record(({ kind, packet, to }) => {
      if (kind === 'rtp') return sequenceOf(packet) > packets - 3 ? 'hold' : 'pass';
      if (to === 'recorder') {
        if (isBye(packet)) byes += 1;
        // The next one comes after the media, however late the answer to the first is.
        return byes > 1 && answers === 0 ? 'hold' : 'pass';
      }
      if (byes === 0) return 'pass';
      answers += 1;
      leg.path.release();
      return 'pass';
    });
    const { forkId } = leg;
    await talk(leg);
    await rig.edge.endForks([forkId]);
    const report = await ended(forkId);
    expect(answers).toBeGreaterThanOrEqual(2);
    expect(report.receiverReport).toMatchObject({
      highestSequence: 65_536 + packets,
    });
    expect(saidLost(report)).toBe(0);
  });

  it.each([
    ['exact by ranges', true],
    ['within the bounds that receiver reports allow', false],
  ])('is %s, with a twentieth of the media and a third of RTCP lost', async (_, ranges) => {
    // A linear congruential generator: the same packets are lost in every run.
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const legs = await Promise.all(
      Array.from({ length: 8 }, () => {
        const lost = new Set(
          Array.from({ length: packets }, (_, index) => index + 1).filter(() => random() < 0.05),
        );
        let reports = 0;
        return record(({ kind, packet }) => {
          const isLost = kind === 'rtp' ? lost.has(sequenceOf(packet)) : ++reports % 3 === 0;
          return isLost ? 'lose' : 'pass';
        }, ranges);
      }),
    );
    const forkIds = legs.map(({ forkId }) => forkId);
    await talk(...legs);
    await rig.edge.endForks(forkIds);
    for (const { path, forkId } of legs) {
      const report = await ended(forkId);
      expect(path.lostPackets).toBeGreaterThan(8);
      const { atLeast, atMost } = report.reportedLost;
      expect(report.reportsRanges).toBe(ranges);
      if (ranges) {
        expect(count(report.sent) - count(report.confirmed)).toBe(path.lostPackets);
        expect([atLeast, atMost]).toEqual([0, 0]);
      } else {
        expect(atLeast).toBeLessThanOrEqual(path.lostPackets);
        expect(atMost).toBeGreaterThanOrEqual(path.lostPackets);
        expect(atLeast).toBeGreaterThanOrEqual(path.lostPackets - 2);
      }
    }
  });
});

describe('a fork that was ended', () => {
  it('sends no media any more, and says BYE no more once a recorder has answered', async () => {
    let byes = 0;
    let media = 0;
    const leg = await record(({ kind, packet, to }) => {
      if (kind === 'rtp') media += 1;
      else if (to === 'recorder' && isBye(packet)) byes += 1;
      return 'pass';
    });
    const { forkId } = leg;
    await talk(leg);
    await rig.edge.endForks([forkId]);
    await party.send(port.rtp, rtp({ sequence: packets + 1 }));
    await rig.until(
      () => rig.streamReport(port.portId),
      (stream) => stream.packets === packets + 1,
    );
    await rig.event('fork-ended', (event) => event.forkId === forkId);
    // One after the other: those that another fork says take longer than one more of this would.
    const saidWithin = async (times: number): Promise<number> => {
      const silent = await rig.peer();
      const next = await rig.fork(port, silent.address);
      await party.send(port.rtp, rtp({ sequence: packets + 1 + times }));
      await silent.gets(1);
      await rig.edge.endForks([next]);
      await rig.until(
        () => silent.rtcp.filter(isBye).length,
        (count) => count === times,
      );
      return byes;
    };
    const before = await saidWithin(1);
    expect(await saidWithin(4)).toBe(before);
    const report = await rig.removeFork(forkId);
    expect(report.receiverReport).toMatchObject({ final: true });
    expect([report.sentPackets, media]).toEqual([packets, packets]);
  });

  it('gives a recorder up that is silent, after four times', async () => {
    const recorder = await rig.peer();
    const forkId = await rig.fork(port, recorder.address);
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await recorder.gets(1);
    await rig.edge.endForks([forkId]);
    await rig.edge.endForks([forkId]);
    await rig.until(
      () => recorder.rtcp.filter(isBye).length,
      (count) => count === 4,
    );
    // What it tells on another fork takes longer than one more BYE would.
    const other = await rig.peer();
    const next = await rig.fork(port, other.address);
    await party.send(port.rtp, rtp({ sequence: 2 }));
    await other.gets(1);
    await rig.edge.endForks([next]);
    await rig.until(
      () => other.rtcp.filter(isBye).length,
      (count) => count === 4,
    );
    expect((await rig.removeFork(forkId)).receiverReport).toBeUndefined();
    expect(recorder.rtcp.filter(isBye)).toHaveLength(4);
    expect(rig.events.filter(({ type }) => type === 'fork-ended')).toEqual([]);
  });

  it('that has sent nothing has nothing to say', async () => {
    const forkId = await rig.fork(port, { ip: '127.0.0.1', port: 9 });
    expect((await rig.edge.endForks([forkId]))[0]).toMatchObject({
      state: 'ended',
      sentPackets: 0,
    });
    expect(await rig.removeFork(forkId)).toMatchObject({ state: 'ended', sentPackets: 0 });
  });
});
