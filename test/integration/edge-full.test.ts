import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCall } from '../support/edge-call.ts';
import { EdgeState, testEdgeOptions, until } from '../support/edge-state.ts';
import { rtpRun, sequenceOf } from '../support/rtp-fixtures.ts';
import { UdpPeer } from '../support/udp-peer.ts';

function mount(path: string, bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' });
}

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'tandem-mount-'));
  try {
    mount(probe, 65_536);
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true });
  }
}

/** Takes all that is left. */
function fill(dir: string): void {
  const fd = openSync(join(dir, 'filler'), 'w');
  try {
    for (;;) writeSync(fd, Buffer.alloc(4_096, 1));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
}

describe.skipIf(!canMount())(
  'an edge whose memory is full (needs the right to mount a tmpfs)',
  () => {
    let state: EdgeState;
    let dir: string;
    let peers: UdpPeer[];

    beforeEach(() => {
      state = new EdgeState();
      dir = mkdtempSync(join(tmpdir(), 'tandem-memory-'));
      peers = [];
    });
    afterEach(async () => {
      await state.close();
      execFileSync('umount', ['-l', dir]);
      rmSync(dir, { recursive: true });
      await Promise.all(peers.map((each) => each.close()));
    });

    const peer = async (): Promise<UdpPeer> => {
      const opened = await UdpPeer.open();
      peers.push(opened);
      return opened;
    };
    const edge = () => testEdgeOptions({ memoryFile: join(dir, 'edge') });

    it('does not start, and says why', async () => {
      mount(dir, 65_536);
      await expect(state.start({ edge: edge() })).rejects.toMatchObject({
        code: 'EDGE_FAILED',
        message: expect.stringContaining('has no room left') as string,
      });
    });

    it('refuses new calls, and loses nothing of those that it has', async () => {
      mount(dir, 8_388_608);
      const { client } = await state.start({ edge: edge() });
      const { parties, recorder, port, forkId } = await openCall(client, peer);
      fill(dir);
      const { address } = recorder;
      const next = client.openPort({ shard: 0, host: '127.0.0.1', latch: 'any' });
      await expect(next).rejects.toMatchObject({ code: 'EDGE_FULL' });
      const fork = {
        portId: port.portId,
        streamIndex: 0,
        rtp: address,
        rtcp: address,
        paused: false,
      };
      // Another of the same page may still find its place.
      const forks = Promise.all(
        Array.from({ length: 7 }, () => client.addForks([{ ...fork, from: { kind: 'live' } }])),
      );
      await expect(forks).rejects.toMatchObject({ code: 'EDGE_FULL' });
      // More than the ring has room for by now, each behind a gap: lists grow, too.
      const packets = rtpRun(1, 2_000).filter((_, index) => index % 2 === 0);
      const [party, other] = parties;
      for (let sent = 0; sent < packets.length; sent += 50) {
        await party.send(port.rtp, ...packets.slice(sent, sent + 50));
        await other.gets(sent + 50);
      }
      expect(other.received.map(sequenceOf)).toEqual(packets.map(sequenceOf));
      const sentTo = (): number => client.forkReports([forkId])[0]!.sentPackets;
      await until('the fork', () => sentTo() === packets.length);
      expect(client.streamReports([port.portId])[0]!.received).toHaveLength(packets.length);
      expect(await client.status()).toMatchObject({ controls: 1 });
    });
  },
);
