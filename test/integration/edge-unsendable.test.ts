import { execFileSync, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenedPort } from '../../src/edge/types.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtpRun, sequenceOf } from '../support/rtp-fixtures.ts';
import type { UdpPeer } from '../support/udp-peer.ts';

let rig: EdgeRig;
let party: UdpPeer;
let port: OpenedPort;

beforeEach(async () => {
  rig = new EdgeRig();
  party = await rig.peer();
  port = await rig.port(party);
});
afterEach(() => rig.close());

const from = (first: number, length: number) => Array.from({ length }, (_, i) => first + i);
/** The kernel lets nobody send there who did not ask for it: EACCES, as a firewall's EPERM. */
const forbidden = { ip: '255.255.255.255', port: 9_000 };

describe('packets that the kernel does not take', () => {
  it('are told as long as that is so, and stay in the ring', async () => {
    const forkId = await rig.fork(port, forbidden);
    await party.send(port.rtp, ...rtpRun(1, 20));
    const { unsendable } = await rig.until(
      () => rig.forkReport(forkId),
      (report) => report.unsendable !== undefined,
    );
    expect(unsendable).toMatchObject({ sequence: 65_537, errno: 'EACCES' });
    expect(rig.forkSigns(forkId)).toMatchObject({ unsendableAt: unsendable!.at, live: false });
    await party.send(port.rtp, ...rtpRun(21, 20));
    const later = await rig.until(
      () => rig.forkReport(forkId),
      (report) => report.unsendable!.count > 2,
    );
    expect(later).toMatchObject({ sentPackets: 0, sent: [], overrun: [] });
    expect(later.unsendable).toMatchObject({ at: unsendable!.at, sequence: 65_537 });

    const recorder = await rig.peer();
    await rig.edge.setForkTarget(forkId, recorder.address, recorder.address);
    expect((await recorder.gets(40)).map(sequenceOf)).toEqual(from(1, 40));
    await rig.event('fork-live', (event) => event.forkId === forkId);
    expect(rig.forkReport(forkId).unsendable).toBeUndefined();
    expect(rig.forkSigns(forkId)).toMatchObject({ unsendableAt: 0, live: true });
  });

  it('keep no other recorder from its own', async () => {
    const recorder = await rig.peer();
    await rig.fork(port, forbidden);
    const healthy = await rig.fork(port, recorder.address);
    for (let i = 0; i < 20; ++i) await party.send(port.rtp, ...rtpRun(1 + 10 * i, 10));
    expect((await recorder.gets(200)).map(sequenceOf)).toEqual(from(1, 200));
    expect(rig.forkReport(healthy)).toMatchObject({
      sentPackets: 200,
      sendErrors: 0,
      replayed: [],
    });
  });

  it('are lost in us when they leave the ring', async () => {
    await rig.close();
    rig = new EdgeRig('127.0.0.1', { ring: { seconds: 10, bytes: 0 } });
    party = await rig.peer();
    port = await rig.port(party);
    const forkId = await rig.fork(port, forbidden);
    const payload = Buffer.alloc(1_000);
    for (let i = 0; i < 20; ++i) await party.send(port.rtp, ...rtpRun(1 + 10 * i, 10, { payload }));
    await rig.event('fork-overrun', (event) => event.forkId === forkId);
    const { overrun } = rig.forkReport(forkId);
    expect(overrun[0]!.first).toBe(65_537);
  });

  // The routes of the machine are for root.
  it.skipIf(process.getuid?.() !== 0)(
    'reach the recorder they are for, all and in order, when the way is open again',
    async () => {
      const recorder = await rig.peer('127.66.77.88');
      const route = (action: string) =>
        execFileSync('ip', ['route', action, 'unreachable', recorder.address.ip, 'table', 'local']);
      const forkId = await rig.fork(port, recorder.address);
      await party.send(port.rtp, ...rtpRun(1, 10));
      await recorder.gets(10);
      route('add');
      try {
        await party.send(port.rtp, ...rtpRun(11, 10));
        const { unsendable } = await rig.until(
          () => rig.forkReport(forkId),
          (report) => report.unsendable !== undefined,
        );
        expect(unsendable).toMatchObject({ sequence: 65_536 + 11, errno: 'EHOSTUNREACH' });
      } finally {
        route('del');
      }
      expect((await recorder.gets(20)).map(sequenceOf)).toEqual(from(1, 20));
      expect(rig.forkReport(forkId).unsendable).toBeUndefined();
    },
  );
});

/** A link of this host's own whose far end nobody is at: what its queue does not take is dropped on the way out. */
class Link {
  readonly host: string;
  readonly far: string;
  readonly #name = `tandem${process.pid % 100_000}`;

  constructor() {
    const net = `10.${100 + (process.pid % 100)}.${(process.pid >> 7) % 256}`;
    [this.host, this.far] = [`${net}.1`, `${net}.2`];
    ip('link', 'add', this.#name, 'type', 'veth', 'peer', 'name', `${this.#name}p`);
    ip('address', 'add', `${this.host}/30`, 'dev', this.#name);
    for (const end of [this.#name, `${this.#name}p`]) ip('link', 'set', end, 'up');
    ip('neigh', 'add', this.far, 'lladdr', '02:00:00:00:00:02', 'dev', this.#name);
  }

  /** From now on, or no longer: whoever sends gets ENOBUFS. */
  drop(drops: boolean): void {
    const queue = drops ? ['bfifo', 'limit', '1'] : ['pfifo'];
    execFileSync('tc', ['qdisc', 'replace', 'dev', this.#name, 'root', ...queue]);
  }

  close(): void {
    ip('link', 'delete', this.#name);
  }
}

function ip(...command: string[]): void {
  execFileSync('ip', command, { stdio: 'pipe' });
}

const canRun = (file: string, ...args: string[]): boolean => spawnSync(file, args).status === 0;
const canLink =
  process.getuid?.() === 0 && canRun('unshare', '--net', 'ip', 'link', 'add', 'type', 'veth');

describe.skipIf(!canLink)('packets that are dropped on the way out of the host', () => {
  let link: Link;

  beforeEach(async () => {
    await rig.close();
    link = new Link();
    rig = new EdgeRig('127.0.0.1', { legHosts: [link.host] });
    party = await rig.peer();
    port = await rig.port(party);
  });
  afterEach(() => {
    link.close();
  });

  it('are told when that lasts, and sent when it is over; no other recorder lacks any', async () => {
    link.drop(true);
    const forkId = await rig.fork(port, { ip: link.far, port: 9_000 });
    const recorder = await rig.peer();
    await rig.fork(port, recorder.address);
    for (let i = 0; i < 20; ++i) await party.send(port.rtp, ...rtpRun(1 + 10 * i, 10));
    expect((await recorder.gets(200)).map(sequenceOf)).toEqual(from(1, 200));
    const { unsendable } = await rig.until(
      () => rig.forkReport(forkId),
      (report) => report.unsendable !== undefined,
    );
    expect(unsendable).toMatchObject({ sequence: 65_537, errno: 'ENOBUFS' });
    expect(rig.forkSigns(forkId)).toMatchObject({ unsendableAt: unsendable!.at, live: false });
    expect(rig.forkReport(forkId)).toMatchObject({ sentPackets: 0, overrun: [] });

    link.drop(false);
    const { sent } = await rig.until(
      () => rig.forkReport(forkId),
      ({ sentPackets }) => sentPackets === 200,
    );
    expect(sent).toMatchObject([{ first: 65_537, last: 65_736 }]);
    expect(rig.forkReport(forkId).unsendable).toBeUndefined();
  });
});

describe('the signs of a fork', () => {
  it('say since when media is sent, and not while it is held', async () => {
    const recorder = await rig.peer();
    const forkId = await rig.fork(port, recorder.address);
    expect(rig.forkSigns(forkId)).toMatchObject({ sendingSince: 0, live: true, settled: false });
    await party.send(port.rtp, ...rtpRun(1, 5));
    await recorder.gets(5);
    const { sendingSince } = rig.forkSigns(forkId);
    expect(Math.abs(sendingSince - Date.now())).toBeLessThan(10_000);
    await rig.until(
      () => rig.forkSigns(forkId).sendingSince,
      (since) => since === 0,
    );
    await party.send(port.rtp, ...rtpRun(6, 5));
    await recorder.gets(10);
    expect(rig.forkSigns(forkId).sendingSince).toBeGreaterThan(sendingSince + 1_000);
  });
});
