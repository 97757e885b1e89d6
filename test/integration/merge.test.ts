import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MergeReport } from '../../src/merge/merge-report.ts';
import { writePcap } from '../support/captures.ts';
import type { CapturedDatagram } from '../support/captures.ts';
import { hashPayload, readRtpWithTshark } from '../support/media-compare.ts';
import { rtp } from '../support/rtp-fixtures.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const beganAt = Date.UTC(2026, 10, 21, 12);

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-merge-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

interface Sent {
  readonly index: number;
  readonly packet: Buffer;
  readonly payload: Buffer;
}

/** 20 ms of PCMU each, with a payload of its own, from a sequence number near the wrap. */
function source(count: number, ssrc = 0x1234_5678, firstSequence = 65_400): Sent[] {
  return Array.from({ length: count }, (_none, index) => {
    const payload = Buffer.alloc(160, (index * 7 + ssrc) & 0xff);
    payload.writeUInt32BE(index, 0);
    const sequence = firstSequence + index;
    const timestamp = (4_294_960_000 + index * 160) % 2 ** 32;
    return { index, payload, packet: rtp({ sequence, timestamp, ssrc, payload }) };
  });
}

function captured(sent: readonly Sent[], over: Partial<CapturedDatagram> = {}): CapturedDatagram[] {
  return sent.map(({ index, packet }) => ({ at: beganAt + index * 20, payload: packet, ...over }));
}

const without = (sent: readonly Sent[], ...holes: [number, number][]): Sent[] =>
  sent.filter(({ index }) => !holes.some(([first, last]) => first <= index && index <= last));

const file = (name: string) => join(dir, name);

function merge(...args: string[]) {
  const result = spawnSync(process.execPath, [main, 'merge', '--report', 'json', ...args], {
    encoding: 'utf8',
    cwd: dir,
  });
  const report = result.stdout.startsWith('{')
    ? (JSON.parse(result.stdout) as MergeReport)
    : undefined;
  return { code: result.status, stderr: result.stderr, report };
}

const payloadsIn = (capture: string): string[] =>
  readRtpWithTshark(capture).map(({ payloadHash }) => payloadHash);

describe('tandem merge', () => {
  it('gives the whole source from two captures with different holes', () => {
    const sent = source(1_000);
    writePcap(file('one.pcap'), captured(without(sent, [100, 149], [300, 300])));
    writePcap(
      file('two.pcap'),
      captured(without(sent, [0, 9], [500, 700], [990, 999]), { to: '192.0.2.3' }),
      'cooked',
    );

    const { code, stderr, report } = merge(
      '--out',
      file('out'),
      file('one.pcap'),
      file('two.pcap'),
    );

    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(payloadsIn(join(file('out'), 'media.pcapng'))).toEqual(
      sent.map(({ payload }) => hashPayload(payload)),
    );
    const [stream] = report!.streams;
    expect(report!.verdict).toBe('complete');
    expect(stream!.missing).toEqual({ packets: 0, ms: 0, rangeCount: 0, ranges: [] });
    expect(stream!.inputs.map(({ name, missed }) => [name, missed.packets, missed.ms])).toEqual([
      ['one.pcap', 51, 1_020],
      ['two.pcap', 221, 4_420],
    ]);
    expect(stream!.inputs[0]!.missed.ranges.map(({ firstSequence }) => firstSequence)).toEqual([
      65_500,
      (65_400 + 300) % 65_536,
    ]);
    expect(stream!.duplicatesRemoved).toBe(1_000 - 51 - 221);
  });

  it('lists what no capture has', () => {
    const sent = source(500);
    writePcap(file('one.pcap'), captured(without(sent, [100, 149])));
    writePcap(file('two.pcap'), captured(without(sent, [120, 169])));

    const { code, report } = merge('--out', file('out'), file('one.pcap'), file('two.pcap'));

    expect(code).toBe(0);
    expect(report!.verdict).toBe('missing 600 ms');
    expect(report!.streams[0]!.missing).toEqual({
      packets: 30,
      ms: 600,
      rangeCount: 1,
      ranges: [
        { ssrc: 0x1234_5678, firstSequence: 65_520, lastSequence: 13, packets: 30, ms: 600 },
      ],
    });
    const document = JSON.parse(readFileSync(join(file('out'), 'recording.json'), 'utf8')) as {
      streams: { lostPackets: number }[];
    };
    expect(document.streams[0]!.lostPackets).toBe(30);
  });

  it('makes a WAV with a channel for each party', () => {
    const a = source(500, 0xaaaa_0001, 10);
    const b = source(500, 0xbbbb_0001, 20_000);
    const datagrams = (hole: [number, number]) =>
      [
        ...captured(without(a, hole), { destinationPort: 50_000 }),
        ...captured(without(b, hole), { destinationPort: 50_002 }),
      ].sort((x, y) => x.at - y.at);
    writePcap(file('one.pcap'), datagrams([100, 149]), 'vlan');
    writePcap(file('two.pcap'), datagrams([200, 249]), 'raw');

    const { code, report } = merge('--out', file('out'), file('one.pcap'), file('two.pcap'));

    expect(code).toBe(0);
    expect(report!.streams.map(({ packets }) => packets)).toEqual([500, 500]);
    const probed = execFileSync(
      'ffprobe',
      [...['-v', 'error', '-of', 'json', '-show_streams'], join(file('out'), 'recording.wav')],
      { encoding: 'utf8' },
    );
    const { streams } = JSON.parse(probed) as { streams: { channels: number; duration: string }[] };
    expect(streams[0]!.channels).toBe(2);
    expect(Number(streams[0]!.duration)).toBeCloseTo(10, 1);
  });

  it('places a replay that came late, after a failover into another session', () => {
    const sent = source(1_500);
    writePcap(file('first.pcap'), captured(without(sent, [500, 1_499])));
    const moved = captured(without(sent, [0, 449])).map((datagram, at) => ({
      ...datagram,
      // 3 s of it out of the ring, paced at four times real time.
      at: at < 150 ? beganAt + 12_000 + at * 5 : datagram.at,
    }));
    writePcap(file('second.pcap'), moved);

    const { code, report } = merge('--out', file('out'), file('second.pcap'), file('first.pcap'));

    expect(code).toBe(0);
    expect(report!.verdict).toBe('complete');
    expect(payloadsIn(join(file('out'), 'media.pcapng'))).toEqual(
      sent.map(({ payload }) => hashPayload(payload)),
    );
  });

  it('aligns inputs that begin in different cycles of the sequence numbers', () => {
    const sent = source(150_000);
    writePcap(file('all.pcap'), captured(without(sent, [70_000, 70_099])));
    // From the second cycle on, by a clock that is an hour off.
    const late = captured(sent.filter(({ index }) => index >= 69_990 && index < 71_000));
    writePcap(
      file('part.pcap'),
      late.map((datagram) => ({ ...datagram, at: datagram.at + 3_600_000 })),
    );

    const { code, report } = merge('--out', file('out'), file('all.pcap'), file('part.pcap'));

    expect(code).toBe(0);
    expect(report!.verdict).toBe('complete');
    expect(report!.streams[0]!.packets).toBe(150_000);
    expect(report!.duplicatesRemoved).toBe(1_010 - 100);
    expect(report!.inputs[1]!.clockOffsetMs).toBe(3_600_000);
  });

  it('reports a payload that differs and keeps the first input’s', () => {
    const sent = source(200);
    const changed = captured(sent).map((datagram, index) => {
      const payload = Buffer.from(datagram.payload);
      if (index === 77) payload.writeUInt8(payload.readUInt8(100) ^ 1, 100);
      return { ...datagram, payload };
    });
    writePcap(file('one.pcap'), captured(sent));
    writePcap(file('two.pcap'), changed);

    const { code, report } = merge('--out', file('out'), file('one.pcap'), file('two.pcap'));

    expect(code).toBe(3);
    expect(report!.differenceCount).toBe(1);
    expect(report!.differences).toMatchObject([
      { sequence: 65_477, what: 'payload', kept: 'one.pcap', other: 'two.pcap' },
    ]);
    expect(payloadsIn(join(file('out'), 'media.pcapng'))).toEqual(
      sent.map(({ payload }) => hashPayload(payload)),
    );
  });

  it('removes copies within one capture', () => {
    const sent = source(300);
    writePcap(
      file('any.pcap'),
      captured(sent).flatMap((datagram) => [datagram, datagram]),
    );

    const { code, report } = merge('--out', file('out'), file('any.pcap'));

    expect(code).toBe(0);
    expect(report!.streams[0]).toMatchObject({ packets: 300, duplicatesRemoved: 300 });
  });

  it('reads IPv6 and keeps it', () => {
    const sent = source(100);
    const from = '2001:db8:0:0:0:0:0:1';
    writePcap(file('six.pcap'), captured(sent, { from, to: '2001:db8:0:0:0:0:0:2' }));

    const { code } = merge('--out', file('out'), file('six.pcap'));

    expect(code).toBe(0);
    const checked = execFileSync(
      'tshark',
      [
        ...['-r', join(file('out'), 'media.pcapng'), '-o', 'udp.check_checksum:TRUE'],
        ...['-Y', 'ipv6.src == 2001:db8::1 && udp.checksum.status == 1', '-T', 'fields'],
        ...['-e', 'frame.number'],
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    expect(checked.trim().split('\n')).toHaveLength(100);
  });
});

describe('tandem merge of recordings', () => {
  function recording(path: string, sent: readonly Sent[], streams: object[] = []): string {
    mkdirSync(path, { recursive: true });
    writePcap(join(path, 'media.partial.pcapng'), captured(sent), 'raw');
    writeFileSync(join(path, 'metadata.xml'), `<recording>${path}</recording>`);
    writeFileSync(
      join(path, 'recording.partial.json'),
      JSON.stringify({ recordId: 'r', sessionId: 'call-1', streams }),
    );
    return path;
  }

  it('takes what a recorder that died left behind, and tells folders of one name apart', () => {
    const sent = source(300);
    const one = recording(file('r1/session'), without(sent, [200, 299]));
    const two = recording(file('r2/session'), without(sent, [0, 199]));

    const { code, report } = merge('--out', file('out'), one, two);

    expect(code).toBe(0);
    expect(report!.inputs.map(({ name }) => name)).toEqual(['r1/session', 'r2/session']);
    expect(report!.verdict).toBe('complete');
    expect(readdirSync(file('out')).sort()).toEqual([
      'media.pcapng',
      'merge.json',
      'metadata.xml',
      'recording.json',
      'recording.wav',
    ]);
    expect(readFileSync(join(file('out'), 'metadata.xml'), 'utf8')).toContain('r1');
    expect(JSON.parse(readFileSync(join(file('out'), 'merge.json'), 'utf8'))).toEqual(report);
  });

  it('takes its own output as an input again', () => {
    const sent = source(300);
    const party = { aor: 'sip:a@example.com', participantId: 'p1' };
    const epochs = [
      {
        at: 0,
        payloads: [{ payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 }],
      },
    ];
    const one = recording(file('one'), without(sent, [200, 299]), [{ label: '1', party, epochs }]);
    const two = recording(file('two'), without(sent, [0, 250]));
    const three = recording(file('three'), without(sent, [10, 150]));

    merge('--out', file('first'), one, two);
    const { code, report } = merge('--out', file('second'), file('first'), three);

    expect(code).toBe(0);
    expect(report!.streams).toMatchObject([{ label: '1', party, packets: 300 }]);
    expect(report!.streams[0]!.missing.packets).toBe(0);
  });

  it('leaves other calls of a recorder’s host out', () => {
    const sent = source(300);
    const one = recording(file('one'), without(sent, [200, 299]));
    writePcap(file('host.pcap'), [
      ...captured(without(sent, [0, 100])),
      ...captured(source(300, 0x0bad_0bad), { destinationPort: 50_100 }),
    ]);

    const { code, report } = merge('--out', file('out'), one, file('host.pcap'));

    expect(code).toBe(0);
    expect(report!.streams).toHaveLength(1);
    expect(report!.leftOut).toEqual([{ input: 'host.pcap', ssrc: 0x0bad_0bad, packets: 300 }]);
  });
});

describe('bad input of tandem merge', () => {
  it('merges what is whole of a cut file, and names file and offset', () => {
    const sent = source(300);
    writePcap(file('one.pcap'), captured(without(sent, [0, 99])));
    writePcap(file('two.pcap'), captured(sent));
    const record = 16 + 14 + 28 + 172;
    truncateSync(file('two.pcap'), 24 + 200 * record + 50);

    const { code, stderr, report } = merge(
      '--out',
      file('out'),
      file('one.pcap'),
      file('two.pcap'),
    );

    expect(code).toBe(3);
    expect(stderr).toContain(`${file('two.pcap')} at byte ${24 + 200 * record}: cut off`);
    expect(report!.complaints[0]!.offset).toBe(24 + 200 * record);
    expect(report!.streams[0]).toMatchObject({ packets: 300, duplicatesRemoved: 100 });
  });

  it('refuses captures of different calls', () => {
    writePcap(file('one.pcap'), captured(source(100, 1)));
    writePcap(file('two.pcap'), captured(source(100, 2)));

    const { code, stderr } = merge('--out', file('out'), file('one.pcap'), file('two.pcap'));

    expect(code).toBe(1);
    expect(stderr).toContain('does not belong together');
    expect(stderr).toContain('0x00000002');
    expect(existsSync(file('out'))).toBe(false);
  });

  it('does not join calls of one SSRC at different times', () => {
    writePcap(file('one.pcap'), captured(source(100)));
    const later = captured(source(100, 0x1234_5678, 20_000));
    writePcap(
      file('two.pcap'),
      later.map((datagram) => ({ ...datagram, at: datagram.at + 600_000 })),
    );

    const { code, stderr } = merge('--out', file('out'), file('one.pcap'), file('two.pcap'));

    expect(code).toBe(1);
    expect(stderr).toContain('sequence numbers and timestamps that do not fit together');
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const sent = source(150_000);
    writePcap(file('one.pcap'), captured(sent));
    const child = spawn(process.execPath, [main, 'merge', '--out', file('out'), file('one.pcap')], {
      stdio: 'ignore',
    });
    const exit = once(child, 'exit');
    for await (const { filename } of watch(dir)) if (filename?.endsWith('.partial')) break;
    child.kill('SIGINT');

    expect(await exit).toEqual([130, null]);
    expect(readdirSync(dir)).toEqual(['one.pcap']);
  });

  it('refuses one SSRC with other payloads everywhere', () => {
    const sent = source(100);
    const other = source(100).map((one) => {
      const packet = Buffer.from(one.packet);
      packet.fill(0x55, 12);
      return { ...one, packet };
    });
    writePcap(file('one.pcap'), captured(sent));
    writePcap(file('two.pcap'), captured(other));

    const { code, stderr } = merge('--out', file('out'), file('one.pcap'), file('two.pcap'));

    expect(code).toBe(1);
    expect(stderr).toContain('the same packets but other payloads');
  });

  it('leaves out the one input of three that is of another call', () => {
    const sent = source(100);
    writePcap(file('one.pcap'), captured(sent));
    writePcap(file('two.pcap'), captured(source(100, 2)));
    mkdirSync(file('sub'));
    writePcap(join(file('sub'), 'one.pcap'), captured(sent));

    const { code, report } = merge(
      ...['--out', file('out')],
      ...[file('one.pcap'), file('two.pcap'), join(file('sub'), 'one.pcap')],
    );

    expect(code).toBe(3);
    // By as much of their paths as tells them apart.
    expect(report!.inputs.map(({ name, merged }) => [name, merged])).toEqual([
      [`${basename(dir)}/one.pcap`, true],
      ['two.pcap', false],
      ['sub/one.pcap', true],
    ]);
  });

  it('tells of a folder without media, a missing file, one without RTP and one that is no capture', () => {
    const sent = source(100);
    writePcap(file('one.pcap'), captured(sent));
    mkdirSync(file('empty'));
    writeFileSync(file('text.pcap'), 'not a capture at all');
    writePcap(
      file('dns.pcap'),
      Array.from({ length: 50 }, (_none, index) => ({
        at: beganAt + index,
        // Bytes that look like version 2 by chance, each with another sequence and SSRC.
        payload: Buffer.from(hashPayload(Buffer.from([index])).replace(/^../, '80'), 'hex'),
      })),
    );

    const { code, stderr } = merge(
      ...['--out', file('out')],
      ...['one.pcap', 'empty', 'text.pcap', 'dns.pcap', 'gone.pcap'].map(file),
    );

    expect(code).toBe(3);
    expect(stderr).toContain(`${file('empty')}: no media.pcapng`);
    expect(stderr).toContain(`${file('text.pcap')} at byte 0: neither pcapng nor pcap`);
    expect(stderr).toContain(`${file('dns.pcap')}: no RTP in it`);
    expect(stderr).toContain(`gone.pcap`);
  });

  it('counts fragments and packets cut by the capture', () => {
    const datagrams = captured(source(100)).map((datagram, index) => ({
      ...datagram,
      ...(index === 10 ? { fragment: 0x2000 } : {}),
      ...(index === 20 || index === 21 ? { capturedBytes: 60 } : {}),
    }));
    writePcap(file('one.pcap'), datagrams);

    const { report } = merge('--out', file('out'), file('one.pcap'));

    expect(report!.inputs[0]).toMatchObject({ rtpPackets: 97, fragments: 1, cutPackets: 2 });
    expect(report!.streams[0]!.missing.packets).toBe(3);
  });

  it('refuses an output that exists, and leaves nothing behind', () => {
    writePcap(file('one.pcap'), captured(source(100)));
    mkdirSync(file('out'));

    const { code, stderr } = merge('--out', file('out'), file('one.pcap'));

    expect(code).toBe(1);
    expect(stderr).toContain(`${file('out')}: exists already`);
    expect(readdirSync(dir).sort()).toEqual(['one.pcap', 'out']);
  });

  it('explains itself when called wrongly', () => {
    expect(merge().code).toBe(2);
    expect(merge('--colour', 'x').stderr).toContain('usage: tandem merge');
  });
});
