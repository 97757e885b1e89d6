import { afterEach, describe, expect, it } from 'vitest';
import { Edge } from '../../../src/edge/edge.ts';
import type { AddForkOptions, EdgeOptions } from '../../../src/edge/types.ts';
import { TandemError } from '../../../src/errors.ts';

let edge: Edge | undefined;

function start(options: Partial<EdgeOptions> = {}): Edge {
  // Below the ports that the system hands out to others.
  const min = 20_000 + 2 * Math.floor(Math.random() * 6_000);
  edge = Edge.create(
    {
      threads: 2,
      legHosts: ['127.0.0.1'],
      ports: { min, max: min + 199 },
      ring: { seconds: 1, bytes: 65_536 },
      catchUpRate: 4,
      rtcpIntervalMs: 5_000,
      cname: 'unit@test.invalid',
      ...options,
    },
    () => undefined,
  );
  return edge;
}
afterEach(() => edge?.close());

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(TandemError);
    return (error as TandemError).code;
  }
  throw new Error('nothing was thrown');
}

/** Of what is answered by a promise, too. */
async function answerOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(TandemError);
    return (error as TandemError).code;
  }
  throw new Error('nothing was thrown');
}

const address = { ip: '127.0.0.1', port: 5_004 };
const remote = { rtp: address, rtcp: address, send: true, clockRates: {} };

describe('Edge', () => {
  it.each<[string, Partial<EdgeOptions>]>([
    ['no threads', { threads: 0 }],
    ['too many threads', { threads: 65 }],
    ['half a thread', { threads: 1.5 }],
    ['a host name for a leg', { legHosts: ['localhost'] }],
    ['two leg addresses of one family', { legHosts: ['127.0.0.1', '127.0.0.2'] }],
    ['an address that is not this machine’s', { legHosts: ['192.0.2.1'] }],
    ['ports upside down', { ports: { min: 30_001, max: 30_000 } }],
    ['no time in the ring', { ring: { seconds: 0, bytes: 1 } }],
    ['catching up no faster than real time', { catchUpRate: 1 }],
    ['a rate that is no number', { catchUpRate: NaN }],
    ['a CNAME that does not fit', { cname: 'x'.repeat(256) }],
  ])('does not start with %s', (_title, options) => {
    expect(codeOf(() => start(options))).toBe('EDGE_FAILED');
  });

  it('says NO_PORT when the range cannot hold the legs', () => {
    expect(codeOf(() => start({ ports: { min: 30_000, max: 30_003 } }))).toBe('NO_PORT');
  });

  it('says which addon it cannot load', () => {
    expect(() => Edge.create({} as EdgeOptions, () => undefined, '/nowhere/edge.node')).toThrow();
  });

  it('opens RTP on even ports and RTCP on the next, in rotation', async () => {
    const e = start();
    const first = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'announced' });
    expect(first.rtp.port % 2).toBe(0);
    expect(first.rtcp.port).toBe(first.rtp.port + 1);
    await e.closePort(first.portId);
    const second = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'announced' });
    expect(second.rtp.port).not.toBe(first.rtp.port);
    expect(second.ssrc).not.toBe(first.ssrc);
  });

  it('says NO_PORT when the range is used up, and reuses what was freed', async () => {
    const e = start({ threads: 1, legHosts: [] });
    const opened = [];
    const codes = new Set<string>();
    while (codes.size === 0 && opened.length < 200) {
      try {
        opened.push(await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' }));
      } catch (error) {
        codes.add((error as TandemError).code);
      }
    }
    expect([...codes]).toEqual(['NO_PORT']);
    const freed = opened[3]!;
    await e.closePort(freed.portId);
    const again = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    expect(again.rtp).toEqual(freed.rtp);
  });

  it('spreads ports over its threads', async () => {
    const e = start();
    const shards: number[] = [];
    for (let port = 0; port < 4; port += 1) {
      const shard = e.pickShard();
      shards.push(shard);
      await e.openPort({ shard, host: '127.0.0.1', latch: 'any' });
    }
    expect(shards.sort()).toEqual([0, 0, 1, 1]);
  });

  it('has a leg address of its own for every thread and stream', () => {
    const e = start();
    const ports = [0, 1].flatMap((shard) =>
      [0, 1].map((stream) => e.legAddress(shard, stream, 4).rtp.port),
    );
    expect(new Set(ports).size).toBe(4);
    expect(codeOf(() => e.legAddress(0, 0, 6))).toBe('EDGE_FAILED');
    expect(codeOf(() => e.legAddress(0, 2, 4))).toBe('EDGE_FAILED');
    expect(codeOf(() => e.legAddress(2, 0, 4))).toBe('EDGE_FAILED');
    expect(e.relayAddress(0).port).not.toBe(e.relayAddress(1).port);
  });

  it('sends to recorders from ports that nobody can tell beforehand', () => {
    const seen = new Set(
      Array.from({ length: 8 }, () => {
        const e = start({ ports: { min: 18_000, max: 18_199 } });
        const { port } = e.legAddress(0, 0, 4).rtp;
        e.close();
        return port;
      }),
    );
    expect(seen.size).toBeGreaterThan(1);
  });

  it('has at most 16,384 forks at a time', async () => {
    const e = start({ ports: { min: 12_000, max: 17_999 } });
    const [perPort, max] = [8, 16_384];
    const portIds: number[] = [];
    while (portIds.length < max / perPort + 1) {
      const { portId } = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
      portIds.push(portId);
    }
    // Each goes elsewhere; nothing is sent.
    const to = (index: number) => {
      const address = { ip: `127.1.${index >> 8}.${index & 0xff}`, port: 9_000 };
      return {
        streamIndex: 0,
        rtp: address,
        rtcp: address,
        from: { kind: 'live' as const },
        paused: false,
      };
    };
    let added = 0;
    const forkIds: number[] = [];
    for (const portId of portIds.slice(0, -1)) {
      const forks = Array.from({ length: perPort }, () => ({ portId, ...to(added++) }));
      forkIds.push(...(await e.addForks(forks)));
    }
    const one = { portId: portIds.at(-1)!, ...to(max) };
    await expect(e.addForks([one])).rejects.toThrow(/at most 16384 forks/);
    expect(e.counters().forks).toBe(max);
    await e.removeForks([forkIds[0]!]);
    expect(await e.addForks([one])).toHaveLength(1);
  });

  it('refuses ids that it did not give', async () => {
    const e = start();
    const calls: (() => unknown)[] = [
      () => e.streamReports([64]),
      () => e.closePort(64),
      () => e.setRemote(64, remote),
      () => e.setRoute(64, { kind: 'none' }),
      () => e.forkReports([65]),
      () => e.pauseFork(65),
      () => e.resumeFork(65),
      () => e.removeForks([65]),
      () => e.setForkTarget(65, address, address),
      () => e.captureReport(64),
      () => e.closeCapture(64),
      () => e.streamReports([63]),
      () => e.streamReports([-1]),
      () => e.streamReports([NaN]),
    ];
    for (const call of calls) expect(await answerOf(call)).toBe('EDGE_FAILED');
  });

  it('refuses routes and remotes that cannot work', async () => {
    const e = start();
    const host = '127.0.0.1';
    const a = await e.openPort({ shard: 0, host, latch: 'any' });
    const b = await e.openPort({ shard: 1, host, latch: 'any' });
    const six = { ip: '::1', port: 9 };
    const calls: (() => unknown)[] = [
      () => e.setRoute(a.portId, { kind: 'direct', peerPortId: b.portId }),
      () => e.setRoute(a.portId, { kind: 'relay', to: six }),
      () => e.setRemote(a.portId, { ...remote, rtp: six }),
      () => e.setRemote(a.portId, { ...remote, rtp: { ip: 'party.example', port: 9 } }),
      () => e.setRemote(a.portId, { ...remote, rtp: { ip: host, port: 65_536 } }),
      () => e.setRemote(a.portId, { ...remote, clockRates: { 128: 8_000 } }),
      () => e.openPort({ shard: 2, host, latch: 'any' }),
      () => e.openPort({ shard: 0, host: '192.0.2.1', latch: 'any' }),
    ];
    for (const call of calls) expect(await answerOf(call)).toBe('EDGE_FAILED');
  });

  it('refuses forks that cannot work', async () => {
    const e = start();
    const { portId } = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    const fork = {
      ...{ portId, streamIndex: 0, rtp: address, rtcp: address },
      ...{ from: { kind: 'live' as const }, paused: false },
    };
    const six = { ip: '::1', port: 9 };
    const calls: (() => unknown)[] = [
      () => e.addForks([{ ...fork, streamIndex: 2 }]),
      () => e.addForks([{ ...fork, portId: portId + 64 }]),
      () => e.addForks([{ ...fork, rtp: six, rtcp: six }]),
      () => e.addForks([{ ...fork, rtcp: six }]),
      () => e.addForks([{ ...fork, from: { kind: 'sequence', sequence: -1 } }]),
    ];
    for (const call of calls) expect(await answerOf(call)).toBe('EDGE_FAILED');
    expect(e.counters().forks).toBe(0);
  });

  it('refuses a time that is none', async () => {
    const e = start();
    const { portId } = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    for (const at of [NaN, -1])
      expect(codeOf(() => e.sequencesAt([portId], at))).toBe('EDGE_FAILED');
  });

  it('takes lists that concern several threads: all forks or none, reports in the order of the list', async () => {
    const e = start();
    const host = '127.0.0.1';
    const ports = await Promise.all(
      [1, 0, 1].map((shard) => e.openPort({ shard, host, latch: 'any' })),
    );
    const portIds = ports.map(({ portId }) => portId);
    const forks = portIds.map((portId, index) => {
      const to = { ip: host, port: 40_000 + 2 * index };
      const fork = { portId, streamIndex: 0, rtp: to, rtcp: to };
      return { ...fork, from: { kind: 'live' as const }, paused: false };
    });
    const [first, second, third] = forks as [AddForkOptions, AddForkOptions, AddForkOptions];
    const twice = { ...third, rtp: first.rtp };
    expect(await answerOf(() => e.addForks([first, second, twice]))).toBe('EDGE_FAILED');
    expect(e.counters().forks).toBe(0);

    const forkIds = await e.addForks(forks);
    const ssrcs = ports.map(({ ssrc }) => ssrc);
    const stock = await e.takeStock(portIds, [forkIds[2]!, forkIds[1]!]);
    expect(stock.streams.map(({ ssrc }) => ssrc)).toEqual(ssrcs);
    expect(stock.forks.map(({ forkId }) => forkId)).toEqual([forkIds[2], forkIds[1]]);
    expect(e.counters().forks).toBe(1);
    expect((await e.takeStock([], [forkIds[0]!])).forks).toHaveLength(1);
    expect(await answerOf(() => e.takeStock([], []))).toBe('EDGE_FAILED');
    expect(await answerOf(() => e.takeStock(portIds, [forkIds[0]!]))).toBe('EDGE_FAILED');
  });

  it('closes any number of times, and then takes no more commands', () => {
    const e = start();
    e.close();
    e.close();
    expect(codeOf(() => e.pickShard())).toBe('EDGE_FAILED');
    expect(codeOf(() => e.counters())).toBe('EDGE_FAILED');
  });

  it('frees its sockets when it closes', async () => {
    const e = start({ threads: 1, legHosts: [] });
    const opened = await e.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
    e.close();
    const again = start({
      threads: 1,
      legHosts: [],
      ports: { min: opened.rtp.port, max: opened.rtp.port + 1 },
    });
    expect((await again.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' })).rtp).toEqual(
      opened.rtp,
    );
  });
});
