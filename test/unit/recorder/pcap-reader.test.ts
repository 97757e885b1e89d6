import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findDatagram } from '../../../src/recorder/datagram.ts';
import { CaptureFileReader } from '../../../src/recorder/pcap-reader.ts';
import { writeRtpPacket } from '../../../src/rtp/header.ts';
import { udpPacket, writePcapng } from '../../support/pcapng.ts';
import { tsharkFields } from '../../support/tshark.ts';

const dir = mkdtempSync(join(tmpdir(), 'tandem-captures-'));
const original = join(dir, 'original.pcapng');
const startedAt = Date.UTC(2026, 10, 21);
const count = 3_000;

beforeAll(() => {
  const packets = Array.from({ length: count }, (_value, i) => ({
    at: startedAt + i * 10 + 0.125,
    from: i % 2,
    payload: writeRtpPacket(
      { payloadType: 0, sequence: i, timestamp: i * 160, ssrc: i % 2 },
      Buffer.alloc(160 + (i % 7), i),
    ),
  }));
  writePcapng(original, ['1', '2'], packets);
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

interface ReadPacket {
  at: number;
  name: string;
  udp: string | undefined;
}

function read(file: string): {
  packets: ReadPacket[];
  problem: { offset: number; reason: string } | undefined;
} {
  const reader = CaptureFileReader.open(file);
  const packets = [...reader.packets()].map(({ at, data, interface: { name, linkType } }) => {
    const datagram = findDatagram(data, linkType);
    const udp = datagram && data.toString('hex', datagram.payloadStart, datagram.payloadEnd);
    return { at, name, udp };
  });
  reader.close();
  return { packets, problem: reader.problem };
}

test('reads from pcapng what tshark reads: times, interfaces, payloads', async () => {
  const { packets, problem } = read(original);
  const fields = await tsharkFields(original, {
    fields: ['frame.time_epoch', 'frame.interface_name', 'udp.payload'],
  });
  expect(problem).toBeUndefined();
  expect(packets.length).toBe(count);
  expect(packets.map(({ name, udp }) => [name, udp])).toEqual(
    fields.map(([, name, udp]) => [name, udp]),
  );
  const apart = packets.map(({ at }, i) => Math.abs(at - Number(fields[i]?.[0]) * 1_000));
  expect(Math.max(...apart)).toBeLessThan(0.01);
});

test.each(['pcap', 'nsecpcap', 'pcapng'])(
  'reads the same packets when editcap writes %s',
  (format) => {
    const file = join(dir, `as-${format}`);
    execFileSync('editcap', ['-F', format, original, file], { stdio: 'ignore' });
    const { packets, problem } = read(file);
    expect(problem).toBeUndefined();
    expect(packets.map(({ udp }) => udp)).toEqual(read(original).packets.map(({ udp }) => udp));
    expect(
      Math.abs((packets.at(-1)?.at ?? 0) - (startedAt + (count - 1) * 10 + 0.125)),
    ).toBeLessThan(0.002);
  },
);

test('reads what is whole of a file that was cut off, and says where it ends', () => {
  const file = join(dir, 'cut.pcapng');
  const whole = readFileSync(original);
  writeFileSync(file, whole);
  truncateSync(file, whole.length - 100);
  const { packets, problem } = read(file);
  expect(packets.length).toBe(count - 1);
  expect(problem?.reason).toContain('cut off');
  truncateSync(file, problem?.offset ?? 0);
  expect(read(file)).toMatchObject({ packets: { length: count - 1 }, problem: undefined });
});

test('stops at damage with its offset, and never reads beyond it', () => {
  const file = join(dir, 'damaged.pcapng');
  const whole = readFileSync(original);
  writeFileSync(file, whole);
  appendFileSync(file, Buffer.alloc(64, 0xff));
  expect(read(file)).toMatchObject({
    packets: { length: count },
    problem: { offset: whole.length },
  });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('not a capture at all')],
])('says so when the file holds %s', (_what, content) => {
  const file = join(dir, 'other');
  writeFileSync(file, content);
  expect(read(file)).toMatchObject({ packets: [], problem: { offset: 0 } });
});

test('finds UDP behind Ethernet, VLAN tags and Linux cooked headers, and nothing in fragments', () => {
  const ip = udpPacket(Buffer.from('payload'), 9);
  const at = (data: Buffer, linkType: number): string | undefined => {
    const found = findDatagram(data, linkType);
    return found && data.toString('latin1', found.payloadStart, found.payloadEnd);
  };
  const macs = Buffer.alloc(12);
  const behind = (...head: number[]): Buffer => Buffer.concat([macs, Buffer.from(head), ip]);
  expect(at(behind(0x08, 0x00), 1)).toBe('payload');
  expect(at(behind(0x81, 0x00, 0, 5, 0x08, 0x00), 1)).toBe('payload');
  expect(at(Buffer.concat([Buffer.alloc(16), ip]), 113)).toBe('payload');
  expect(at(Buffer.concat([Buffer.alloc(20), ip]), 276)).toBe('payload');
  expect(at(ip.subarray(0, 20), 101)).toBeUndefined();
  const fragment = Buffer.from(ip);
  fragment.writeUInt16BE(0x2000, 6);
  expect(at(fragment, 101)).toBeUndefined();
});
