import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MergeReport } from '../../src/merge/merge-report.ts';
import { hashPayload, readRtpWithTshark } from '../support/media-compare.ts';
import { rtp } from '../support/rtp-fixtures.ts';
import { until } from '../support/recorder-process.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const packets = 1_000;
const withNetem = process.getuid?.() === 0 && hasNetem();

/** Namespaces need root; names and addresses are this process's own. */
const canShape =
  process.getuid?.() === 0 &&
  spawnSync('ip', ['netns', 'list']).status === 0 &&
  spawnSync('tcpdump', ['--version']).status === 0 &&
  (withNetem || spawnSync('iptables', ['-S']).status === 0);

/** Not every kernel has it; iptables' statistic match loses packets too. */
function hasNetem(): boolean {
  const name = `tm${process.pid % 100_000}t`;
  spawnSync('ip', ['link', 'add', name, 'type', 'veth']);
  const { status } = spawnSync('tc', ['qdisc', 'add', 'dev', name, 'root', 'netem']);
  spawnSync('ip', ['link', 'del', name]);
  return status === 0;
}

/** A recorder's host behind a link of its own. */
class RecorderHost {
  readonly address: string;
  readonly #name: string;
  readonly #file: string;
  #tcpdump: ChildProcess | undefined;
  #isLossy = false;

  constructor(leg: number, file: string) {
    this.#name = `tm${process.pid % 100_000}l${leg}`;
    this.#file = file;
    this.address = `198.18.${process.pid % 250}.${leg * 4 + 2}`;
  }

  async open(): Promise<void> {
    const [name, peer] = [this.#name, `${this.#name}p`];
    const outer = this.address.replace(/\d+$/, (last) => String(Number(last) - 1));
    ip('netns', 'add', name);
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', peer, 'netns', name);
    ip('addr', 'add', `${outer}/30`, 'dev', name);
    ip('link', 'set', name, 'up');
    ip('-n', name, 'addr', 'add', `${this.address}/30`, 'dev', peer);
    ip('-n', name, 'link', 'set', peer, 'up');
    const tcpdump = spawn(
      'ip',
      [
        ...['netns', 'exec', name, 'tcpdump', '--immediate-mode', '-U', '-n', '-i', peer],
        ...['-w', this.#file, 'udp'],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#tcpdump = tcpdump;
    let said = '';
    while (!said.includes('listening on')) {
      const [chunk] = (await once(tcpdump.stderr, 'data')) as [Buffer];
      said += chunk.toString();
    }
    tcpdump.stderr.resume();
  }

  /** A fifth of what is sent to this host is lost, until `heal`. */
  lose(): void {
    if (withNetem) {
      const loss = ['netem', 'loss', '20%'];
      execFileSync('tc', ['qdisc', 'add', 'dev', this.#name, 'root', ...loss]);
    } else execFileSync('iptables', ['-A', ...this.#dropRule()]);
    this.#isLossy = true;
  }

  heal(): void {
    if (!this.#isLossy) return;
    this.#isLossy = false;
    if (withNetem) execFileSync('tc', ['qdisc', 'del', 'dev', this.#name, 'root']);
    else execFileSync('iptables', ['-D', ...this.#dropRule()]);
  }

  #dropRule(): string[] {
    const match = ['-m', 'statistic', '--mode', 'random', '--probability', '0.2'];
    return ['OUTPUT', '-d', this.address, ...match, '-j', 'DROP'];
  }

  async stopCapture(): Promise<void> {
    const tcpdump = this.#tcpdump;
    if (tcpdump === undefined || tcpdump.exitCode !== null) return;
    tcpdump.kill('SIGINT');
    await once(tcpdump, 'exit');
  }

  async close(): Promise<void> {
    await this.stopCapture();
    this.heal();
    spawnSync('ip', ['netns', 'del', this.#name]);
    spawnSync('ip', ['link', 'del', this.#name]);
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

describe.skipIf(!canShape)('tandem merge of tcpdump captures', () => {
  let dir = '';
  let hosts: RecorderHost[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tandem-merge-netem-'));
    hosts = [1, 2].map((leg) => new RecorderHost(leg, join(dir, `leg${leg}.pcap`)));
    for (const host of hosts) await host.open();
  });
  afterEach(async () => {
    for (const host of hosts) await host.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('gives the source back from two lossy links', async () => {
    const socket = createSocket('udp4');
    const sent: string[] = [];
    hosts[0]!.lose();
    for (let index = 0; index < packets; index += 1) {
      if (index === packets / 2) {
        hosts[0]!.heal();
        hosts[1]!.lose();
      }
      const payload = Buffer.alloc(160, index & 0xff);
      payload.writeUInt32BE(index * 7_919, 0);
      const packet = rtp({ sequence: 65_000 + index, timestamp: index * 160, payload });
      sent.push(hashPayload(payload));
      for (const { address } of hosts) {
        await new Promise((done) => {
          socket.send(packet, 40_000, address, done);
        });
      }
      if (index % 10 === 0) await delay(5);
    }
    socket.close();
    // All is captured when the last packet of the second half's good link is.
    const lastPayload = Buffer.alloc(160, (packets - 1) & 0xff);
    lastPayload.writeUInt32BE((packets - 1) * 7_919, 0);
    const capture = join(dir, 'leg1.pcap');
    await until(() => readFileSync(capture).includes(lastPayload), 'the last packet is captured');
    for (const host of hosts) await host.stopCapture();

    const [one, two, out] = ['leg1.pcap', 'leg2.pcap', 'out'].map((name) => join(dir, name));
    const args = [main, 'merge', '--report', 'json', '--out', out!, one!, two!];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    const report = JSON.parse(stdout) as MergeReport;

    expect(status).toBe(0);
    const merged = readRtpWithTshark(join(out!, 'media.pcapng'));
    expect(merged.map(({ payloadHash }) => payloadHash)).toEqual(sent);
    expect(report.verdict).toBe('complete');
    const held = [one!, two!].map((file) => readRtpWithTshark(file).length);
    expect(report.streams[0]!.inputs.map((input) => input.packets)).toEqual(held);
    expect(Math.max(...held)).toBeLessThan(packets);
  });
});
