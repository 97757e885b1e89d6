import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { merge } from '../../../src/merge/merge.ts';
import type { MergeReport } from '../../../src/merge/merge-report.ts';
import { findDatagram } from '../../../src/recorder/datagram.ts';
import { CaptureFileReader } from '../../../src/recorder/pcap-reader.ts';
import { readRtpHeader } from '../../../src/rtp/header.ts';
import { writePcap } from '../../support/captures.ts';
import type { Link } from '../../support/captures.ts';
import { rtp } from '../../support/rtp-fixtures.ts';

const beganAt = Date.UTC(2026, 10, 21, 12);
const links: readonly Link[] = ['ethernet', 'vlan', 'cooked', 'raw', 'loopback'];

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-merge-unit-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** mulberry32: the same cases in every run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface Received {
  readonly index: number;
  readonly at: number;
}

/** What one capture got of packets 0 to count - 1, in order of receipt: spans lost, some late, some twice. */
function reception(count: number, pick: (below: number) => number): Received[] {
  const lost = new Set<number>();
  for (let holes = pick(6); holes > 0; holes -= 1) {
    const first = pick(count);
    for (let index = first; index < first + pick(count / 3); index += 1) lost.add(index);
  }
  const offsetMs = pick(2) === 0 ? 0 : pick(4_000) - 2_000;
  const received: Received[] = [];
  for (let index = 0; index < count; index += 1) {
    if (lost.has(index) || pick(50) === 0) continue;
    const at = beganAt + offsetMs + index * 20 + (pick(10) === 0 ? pick(400) : pick(5));
    received.push({ index, at });
    if (pick(40) === 0) received.push({ index, at: at + pick(300) });
  }
  return received.sort((x, y) => x.at - y.at);
}

function payloadOf(index: number): Buffer {
  const payload = Buffer.alloc(20 + (index % 3), index & 0xff);
  payload.writeUInt32BE(index, 0);
  return payload;
}

function run(paths: string[], out: string): Promise<MergeReport> {
  return merge({ paths, out, onProgress: () => undefined, pause: () => Promise.resolve() });
}

function indexesIn(folder: string): number[] {
  const reader = CaptureFileReader.open(join(folder, 'media.pcapng'));
  const indexes: number[] = [];
  for (const { data, interface: from } of reader.packets()) {
    const { payloadStart, payloadEnd } = findDatagram(data, from.linkType)!;
    const header = readRtpHeader(data, payloadStart, payloadEnd)!;
    const payload = data.subarray(header.payloadStart, header.payloadEnd);
    const index = payload.readUInt32BE(0);
    expect(payload.equals(payloadOf(index))).toBe(true);
    indexes.push(index);
  }
  reader.close();
  return indexes;
}

describe('merge', { timeout: 30_000 }, () => {
  it.each(Array.from({ length: 60 }, (_none, seed) => seed))(
    'agrees with a plain union of sets, seed %i',
    async (seed) => {
      const pick = random(seed);
      const count = 40 + pick(seed % 20 === 0 ? 140_000 : 2_500);
      const firstSequence = pick(65_536);
      const firstTimestamp = pick(2) === 0 ? 2 ** 32 - pick(100_000) : pick(2 ** 31);
      const inputs = Array.from({ length: 1 + pick(4) }, () => reception(count, pick)).filter(
        (received) => new Set(received.map(({ index }) => index)).size > 20,
      );
      if (inputs.length === 0)
        inputs.push([...Array(count).keys()].map((index) => ({ index, at: beganAt + index * 20 })));
      const paths = inputs.map((received, at) => {
        const file = join(dir, `${seed}-${at}.pcap`);
        const datagrams = received.map(({ index, at: receivedAt }) => ({
          at: receivedAt,
          destinationPort: 50_000 + 2 * at,
          payload: rtp({
            sequence: firstSequence + index,
            timestamp: (firstTimestamp + index * 160) % 2 ** 32,
            payload: payloadOf(index),
          }),
        }));
        writePcap(file, datagrams, links[pick(links.length)]);
        return file;
      });

      const out = join(dir, `${seed}-out`);
      const report = await run(paths, out);

      const sets = inputs.map((received) => new Set(received.map(({ index }) => index)));
      const all = [...new Set(inputs.flat().map(({ index }) => index))].sort((x, y) => x - y);
      const span = all.at(-1)! - all[0]! + 1;
      expect(indexesIn(out)).toEqual(all);
      expect(report.complaints).toEqual([]);
      expect(report.differenceCount).toBe(0);
      expect(report.duplicatesRemoved).toBe(inputs.flat().length - all.length);
      expect(report.streams).toHaveLength(1);
      expect(report.streams[0]!.missing.packets).toBe(span - all.length);
      expect(
        report.streams[0]!.inputs.map(({ packets, missed }) => [packets, missed.packets]),
      ).toEqual(sets.map((set) => [set.size, span - set.size]));
      rmSync(out, { recursive: true });
      for (const path of paths) rmSync(path);
    },
  );

  it('survives damage at any place: it complains and merges what is whole', async () => {
    const pick = random(4_711);
    const good = join(dir, 'good.pcap');
    const bad = join(dir, 'bad.pcap');
    const datagrams = Array.from({ length: 300 }, (_none, index) => ({
      at: beganAt + index * 20,
      payload: rtp({ sequence: index, payload: payloadOf(index) }),
    }));
    writePcap(good, datagrams);
    const whole = readFileSync(good);
    for (let trial = 0; trial < 30; trial += 1) {
      const damaged = Buffer.from(whole);
      for (let flips = 1 + pick(20); flips > 0; flips -= 1) {
        damaged.writeUInt8(pick(256), pick(damaged.length));
      }
      writeFileSync(bad, damaged.subarray(0, pick(4) === 0 ? pick(damaged.length) : undefined));
      const out = join(dir, `damaged-${trial}`);
      const report = await run([good, bad], out);
      // Damaged bytes may be a stream of their own; the good input's packets are all there.
      const known = report.streams.filter(({ inputs }) =>
        inputs.some(({ packets }) => packets >= 300),
      );
      if (report.out !== null) expect(known).toHaveLength(1);
      else expect(report.complaints).not.toEqual([]);
      rmSync(out, { recursive: true, force: true });
    }
  });

  it('tells an interrupted merge by its rejection and leaves no folder', async () => {
    const file = join(dir, 'long.pcap');
    writePcap(
      file,
      Array.from({ length: 200_000 }, (_none, index) => ({
        at: beganAt + index * 20,
        payload: rtp({ sequence: index, payload: payloadOf(index) }),
      })),
    );
    const out = join(dir, 'interrupted');
    let wasWriting = false;
    const interrupted = merge({
      paths: [file],
      out,
      onProgress: (phase) => {
        wasWriting = phase === 'writing';
      },
      pause: () => (wasWriting ? Promise.reject(new Error('stopped')) : Promise.resolve()),
    });
    await expect(interrupted).rejects.toThrow('stopped');
    await expect(run([file], out)).resolves.toMatchObject({ out, verdict: 'complete' });
  });
});
