import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SocketAddress, StreamReport } from '../../src/edge/types.ts';
import { rtpRun } from '../support/rtp-fixtures.ts';
import type { StallingEdgeAnswer, StallingEdgeQuestion } from '../support/stalling-edge.ts';
import { UdpPeer } from '../support/udp-peer.ts';

describe('a port of a process that is stopped', () => {
  let child: ChildProcess;
  let party: UdpPeer;
  let port: SocketAddress;

  const ask = async (question: StallingEdgeQuestion): Promise<StallingEdgeAnswer> => {
    child.send(question);
    const [answer] = (await once(child, 'message', { signal: AbortSignal.timeout(15_000) })) as [
      StallingEdgeAnswer,
    ];
    return answer;
  };
  const report = async () => (await ask('report')) as StreamReport;
  const reportOf = async (packets: number): Promise<StreamReport> => {
    for (;;) {
      const now = await report();
      if (now.packets >= packets) return now;
    }
  };

  beforeEach(async () => {
    child = fork(new URL('../support/stalling-edge.ts', import.meta.url));
    party = await UdpPeer.open();
    port = (await ask({ open: party.address })) as SocketAddress;
  });
  afterEach(async () => {
    child.kill('SIGKILL');
    await party.close();
  });

  const stop = async () => {
    child.kill('SIGSTOP');
    const state = async () => {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    };
    while ((await state()) !== 'T');
  };

  /** More than the socket holds. */
  const flood = 2_000;

  it('says of every number that is missing that the kernel dropped it here', async () => {
    await party.send(port, ...rtpRun(1_000, 10));
    await reportOf(10);
    await stop();
    await party.send(port, ...rtpRun(1_010, flood));
    child.kill('SIGCONT');
    await reportOf(11);
    // One at a time: what wakes up late drops nothing more.
    let now = await report();
    for (let sequence = 1_010 + flood; now.dropped.length === 0; sequence += 1) {
      await party.send(port, ...rtpRun(sequence, 1));
      now = await report();
    }
    const gaps = now.received.slice(1).map((range, i) => ({
      first: now.received[i]!.last + 1,
      last: range.first - 1,
    }));
    expect(gaps.length).toBeGreaterThan(0);
    expect(now.dropped.map(({ first, last }) => ({ first, last }))).toEqual(gaps);
    expect(now.kernelDrops).toBe(gaps.reduce((sum, { first, last }) => sum + last - first + 1, 0));
    expect(now.kernelDrops + now.packets).toBe(
      now.received.at(-1)!.last - now.received[0]!.first + 1,
    );
    const times = now.dropped.flatMap(({ firstAt, lastAt }) => [firstAt, lastAt]);
    expect(times).toEqual(times.toSorted((x, y) => x - y));
  });

  it('counts what was dropped last, although nothing came after it', async () => {
    await party.send(port, ...rtpRun(1_000, 10));
    await reportOf(10);
    await stop();
    await party.send(port, ...rtpRun(1_010, flood));
    child.kill('SIGCONT');
    const closed = (await ask('close')) as StreamReport;
    expect(closed.kernelDrops).toBeGreaterThan(0);
    expect(closed.kernelDrops + closed.packets).toBe(10 + flood);
  });
});
