import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ForkReport, OpenedPort, SequenceRange } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtp, rtpRun, sequenceOf } from '../support/rtp-fixtures.ts';
import { closedAddress, closedAddresses } from '../support/udp-peer.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

const count = (ranges: readonly SequenceRange[]) =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
const bounds = (ranges: readonly SequenceRange[]) =>
  ranges.map(({ first, last }) => [first - 65_536, last - 65_536]);
const from = (first: number, length: number) => Array.from({ length }, (_, i) => first + i);

describe.each(['127.0.0.1', '::1'])('forks on %s', (ip) => {
  let rig: EdgeRig;
  let party: UdpPeer;
  let port: OpenedPort;

  beforeEach(async () => {
    rig = new EdgeRig(ip);
    party = await rig.peer();
    port = await rig.port(party);
  });
  afterEach(() => rig.close());

  const arrived = (packets: number) =>
    rig.until(
      () => rig.streamReport(port.portId),
      (report) => report.packets >= packets,
    );
  const forkUntil = (forkId: number, suits: (report: ForkReport) => boolean) =>
    rig.until(() => rig.forkReport(forkId), suits);

  it('brings the identical stream to both legs, from the announced leg address', async () => {
    const [one, two] = [await rig.peer(), await rig.peer()];
    const forks = [await rig.fork(port, one.address), await rig.fork(port, two.address)];
    for (let i = 0; i < 20; ++i) await party.send(port.rtp, ...rtpRun(1 + i * 10, 10));
    const first = await one.gets(200);
    const second = await two.gets(200);
    expect(first).toEqual(second);
    const leg = rig.edge.legAddress(0, 0, ip === '::1' ? 6 : 4);
    expect(one.sources[0]).toEqual(leg.rtp);
    for (const fork of forks) {
      expect(rig.forkReport(fork)).toMatchObject({
        state: 'live',
        sentPackets: 200,
        sendErrors: 0,
        replayed: [],
        overrun: [],
        withheld: [],
      });
    }
  });

  it('sends nothing after pause has returned, and goes on with the next live packet', async () => {
    const recorder = await rig.peer();
    const fork = await rig.fork(port, recorder.address);
    await party.send(port.rtp, ...rtpRun(1, 10));
    await recorder.gets(10);
    await rig.edge.pauseFork(fork);
    await party.send(port.rtp, ...rtpRun(11, 10));
    await arrived(20);
    await rig.edge.resumeFork(fork);
    await party.send(port.rtp, ...rtpRun(21, 10));
    expect((await recorder.gets(20)).map(sequenceOf)).toEqual([...from(1, 10), ...from(21, 10)]);
    const report = await rig.removeFork(fork);
    expect(bounds(report.sent)).toEqual([
      [1, 10],
      [21, 30],
    ]);
    expect(bounds(report.withheld)).toEqual([[11, 20]]);
    expect(report.state).toBe('ended');
  });

  it('still sends what came before the pause, and nothing of what came after it', async () => {
    const recorder = await rig.peer();
    await party.send(port.rtp, ...rtpRun(1, 40));
    await arrived(40);
    const { first } = rig.streamReport(port.portId).received[0]!;
    const fork = await rig.fork(port, recorder.address, {
      from: { kind: 'oldest' },
      paused: true,
      pausedFrom: first + 30,
    });
    expect((await recorder.gets(30)).map(sequenceOf)).toEqual(from(1, 30));
    await rig.until(
      () => rig.forkReport(fork).state,
      (state) => state === 'paused',
    );
    await party.send(port.rtp, ...rtpRun(41, 10));
    await arrived(50);
    await rig.edge.resumeFork(fork);
    await party.send(port.rtp, ...rtpRun(51, 10));
    expect((await recorder.gets(40)).map(sequenceOf)).toEqual([...from(1, 30), ...from(51, 10)]);
    expect(bounds((await rig.removeFork(fork)).withheld)).toEqual([[31, 50]]);
  });

  it('never sends what is kept out, however far back it begins', async () => {
    const recorder = await rig.peer();
    await party.send(port.rtp, ...rtpRun(1, 40));
    await arrived(40);
    const { first } = rig.streamReport(port.portId).received[0]!;
    const fork = await rig.fork(port, recorder.address, {
      from: { kind: 'oldest' },
      keptOut: [
        { first, last: first + 4 },
        { first: first + 20, last: first + 29 },
      ],
    });
    await rig.event('fork-live', ({ forkId }) => forkId === fork);
    await party.send(port.rtp, ...rtpRun(41, 5));
    expect((await recorder.gets(30)).map(sequenceOf)).toEqual([...from(6, 15), ...from(31, 15)]);
    expect(bounds((await rig.removeFork(fork)).withheld)).toEqual([
      [1, 5],
      [21, 30],
    ]);
  });

  it('leaves a pause out that ended before a fork had caught up with it', async () => {
    const recorder = await rig.peer();
    for (let run = 0; run < 20; ++run) {
      await party.send(port.rtp, ...rtpRun(1 + 2 * run, 2));
      // Long enough that the fork is still behind when the pause is over.
      await delay(50);
    }
    await arrived(40);
    const { first } = rig.streamReport(port.portId).received[0]!;
    const fork = await rig.fork(port, recorder.address, { from: { kind: 'oldest' } });
    await rig.edge.pauseFork(fork, first + 40);
    await party.send(port.rtp, ...rtpRun(41, 10));
    await arrived(50);
    await rig.edge.resumeFork(fork);
    expect(rig.forkReport(fork).state).toBe('catching-up');
    await party.send(port.rtp, ...rtpRun(51, 10));
    expect((await recorder.gets(50)).map(sequenceOf)).toEqual([...from(1, 40), ...from(51, 10)]);
    const report = await rig.removeFork(fork);
    expect(bounds(report.withheld)).toEqual([[41, 50]]);
    expect(report.overrun).toEqual([]);
  });

  it('replays the ring paced and in order, then is live without a gap', async () => {
    const recorder = await rig.peer();
    let sequence = 1;
    const speak = async (packets: number) => {
      for (let i = 0; i < packets; ++i) {
        await party.send(port.rtp, rtp({ sequence: sequence++ }));
        await delay(5);
      }
    };
    await speak(60);
    await arrived(60);
    const fork = await rig.fork(port, recorder.address, { from: { kind: 'oldest' } });
    expect(rig.forkReport(fork).state).toBe('catching-up');
    const speaking = speak(60);
    await rig.event('fork-live', ({ forkId }) => forkId === fork);
    await speaking;
    expect((await recorder.gets(120)).map(sequenceOf)).toEqual(from(1, 120));
    const report = await forkUntil(fork, ({ sentPackets }) => sentPackets === 120);
    expect(bounds(report.sent)).toEqual([[1, 120]]);
    expect(bounds(report.replayed)[0]![0]).toBe(1);
    // Paced: what came meanwhile had to wait for what lay before it.
    expect(count(report.replayed)).toBeGreaterThan(60);
    expect(count(report.replayed)).toBeLessThan(120);
  });

  it('starts at a sequence number, also at the one that came at a time', async () => {
    const [bySequence, byTime] = [await rig.peer(), await rig.peer()];
    await party.send(port.rtp, ...rtpRun(1, 20));
    await arrived(20);
    await delay(5);
    // The edge's clock: the machine's may have been set since.
    const at = performance.timeOrigin + performance.now();
    await delay(5);
    await party.send(port.rtp, ...rtpRun(21, 20));
    await arrived(40);
    const [atThatTime = 0] = rig.edge.sequencesAt([port.portId], at);
    await rig.fork(port, bySequence.address, { from: { kind: 'sequence', sequence: 65_536 + 31 } });
    await rig.fork(port, byTime.address, { from: { kind: 'sequence', sequence: atThatTime } });
    expect((await bySequence.gets(10)).map(sequenceOf)).toEqual(from(31, 10));
    expect((await byTime.gets(20)).map(sequenceOf)).toEqual(from(21, 20));
  });

  it('feeds the old recorder and the new one at once, for make before break', async () => {
    const [before, after] = [await rig.peer(), await rig.peer()];
    const old = await rig.fork(port, before.address);
    await party.send(port.rtp, ...rtpRun(1, 20));
    await before.gets(20);
    const next = await rig.fork(port, after.address, {
      from: { kind: 'sequence', sequence: 65_536 + 11 },
    });
    await rig.event('fork-live', ({ forkId }) => forkId === next);
    await party.send(port.rtp, ...rtpRun(21, 5));
    await before.gets(25);
    await rig.removeFork(old);
    await party.send(port.rtp, ...rtpRun(26, 5));
    const got = await after.gets(20);
    expect(got.map(sequenceOf)).toEqual(from(11, 20));
  });

  it('counts what left the ring before a slow start as overrun', async () => {
    await rig.close();
    rig = new EdgeRig(ip, { ring: { seconds: 10, bytes: 0 } });
    party = await rig.peer();
    port = await rig.port(party);
    const recorder = await rig.peer();
    const payload = Buffer.alloc(1_000);
    for (let i = 0; i < 40; ++i) {
      await party.send(port.rtp, ...rtpRun(1 + i * 10, 10, { payload }));
      await arrived((i + 1) * 10);
    }
    const { ringFirst } = await arrived(400);
    expect(ringFirst).toBeGreaterThan(65_536 + 1);
    const fork = await rig.fork(port, recorder.address, {
      from: { kind: 'sequence', sequence: 65_537 },
    });
    const lost = ringFirst! - 65_537;
    expect(await rig.event('fork-overrun')).toMatchObject({ forkId: fork, packets: lost });
    const report = await forkUntil(fork, ({ state }) => state === 'live');
    expect(bounds(report.overrun)).toEqual([[1, lost]]);
    expect(count(report.sent)).toBe(400 - lost);
  });

  it('tells of a closed port once, with the first packet that was refused', async () => {
    const address = await closedAddress(ip);
    const fork = await rig.fork(port, address);
    for (const packet of rtpRun(40, 10)) await party.send(port.rtp, packet);
    const event = await rig.event('fork-refused');
    expect(event.forkId).toBe(fork);
    expect(Math.abs(event.at - Date.now())).toBeLessThan(5_000);
    const report = await forkUntil(fork, ({ sentPackets }) => sentPackets === 10);
    expect(report.state).toBe('live');
    expect(report.refused?.sequence).toBe(65_536 + 40);
    expect(rig.events.filter(({ type }) => type === 'fork-refused')).toHaveLength(1);
  });

  it('loses no packet of healthy recorders while half of the ports are closed', async () => {
    const recorders = await Promise.all(from(0, 4).map(() => rig.peer()));
    const ports = [port];
    for (let i = 1; i < 8; ++i) ports.push(await rig.port(party));
    const refused: number[] = [];
    const healthy: number[] = [];
    const closed = await closedAddresses(8, ip);
    for (const [i, each] of ports.entries()) {
      refused.push(await rig.fork(each, closed[i]!));
      if (i < 4) healthy.push(await rig.fork(each, recorders[i]!.address));
    }
    const packets = 2_000;
    for (let i = 0; i < packets; i += 5) {
      await Promise.all(ports.map((each) => party.send(each.rtp, ...rtpRun(1 + i, 5))));
      // So that what is lost is lost on the way out, not in a full receive buffer.
      await rig.until(
        () => rig.edge.counters().packetsIn,
        (packetsIn) => packetsIn === (i + 5) * ports.length,
      );
    }
    for (const recorder of recorders) {
      expect((await recorder.gets(packets)).map(sequenceOf)).toEqual(from(1, packets));
    }
    for (const fork of healthy) {
      const report = rig.forkReport(fork);
      expect(report).toMatchObject({ sentPackets: packets, sendErrors: 0, overrun: [] });
      expect(report.refused).toBeUndefined();
    }
    for (const fork of refused) {
      const report = await forkUntil(fork, (each) => each.refused !== undefined);
      expect(report.refused?.sequence).toBe(65_537);
    }
    expect(rig.edge.counters().icmpErrors).toBeGreaterThan(0);
  });

  it('follows a recorder that moves its media address', async () => {
    const [before, after] = [await rig.peer(), await rig.peer()];
    const fork = await rig.fork(port, before.address);
    await party.send(port.rtp, ...rtpRun(1, 5));
    await before.gets(5);
    await rig.edge.setForkTarget(fork, after.address, after.address);
    await party.send(port.rtp, ...rtpRun(6, 5));
    expect((await after.gets(5)).map(sequenceOf)).toEqual(from(6, 5));
    expect(before.received).toHaveLength(5);
  });

  it('refuses two forks to one destination, and more forks than a port may have', async () => {
    const recorder = await rig.peer();
    const fork = await rig.fork(port, recorder.address);
    await expect(rig.fork(port, recorder.address)).rejects.toThrow(/another fork goes to/);
    for (let i = 1; i < 8; ++i) await rig.fork(port, (await rig.peer()).address);
    const ninth = await rig.peer();
    await expect(rig.fork(port, ninth.address)).rejects.toThrow(/at most 8 forks/);
    await rig.removeFork(fork);
    await rig.fork(port, recorder.address);
  });

  it('ends its forks with the port', async () => {
    const recorder = await rig.peer();
    const fork = await rig.fork(port, recorder.address);
    await rig.edge.closePort(port.portId);
    expect(() => rig.forkReport(fork)).toThrow(/no fork/);
    expect(rig.edge.counters()).toMatchObject({ ports: 0, forks: 0 });
  });
});
