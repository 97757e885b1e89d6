import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { connect as connectTo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EdgeClient } from '../../src/edge/edge-client.ts';
import type { OpenedPort } from '../../src/edge/types.ts';
import { WireWriter } from '../../src/edge/wire-writer.ts';
import { wireMagic, wireVersion } from '../../src/edge/wire.ts';
import type { ControlMade, ControlPlan } from '../support/edge-control.ts';
import {
  EdgeState,
  groupOf,
  killGroup,
  testEdgeOptions,
  until,
  untilGone,
} from '../support/edge-state.ts';
import { rtcpTypes } from '../support/rtcp-fixtures.ts';
import { rtp, rtpRun, sequenceOf, ssrcOf } from '../support/rtp-fixtures.ts';
import { UdpPeer } from '../support/udp-peer.ts';

const byeType = 203;
const nobody = 65_534;
const controlProgram = fileURLToPath(new URL('../support/edge-control.ts', import.meta.url));

let state: EdgeState;
let peers: UdpPeer[];
let children: ChildProcess[];

beforeEach(() => {
  state = new EdgeState();
  peers = [];
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await state.close();
  await Promise.all(peers.map((peer) => peer.close()));
});

async function peer(): Promise<UdpPeer> {
  const opened = await UdpPeer.open();
  peers.push(opened);
  return opened;
}

async function openPort(client: EdgeClient, party: UdpPeer): Promise<OpenedPort> {
  const port = await client.openPort({ shard: 0, host: '127.0.0.1', latch: 'announced' });
  const { address } = party;
  await client.setRemote(port.portId, { rtp: address, rtcp: address, send: true, clockRates: {} });
  return port;
}

async function fork(client: EdgeClient, portId: number, recorder: UdpPeer): Promise<number> {
  const { address } = recorder;
  const options = { portId, streamIndex: 0, rtp: address, rtcp: address, paused: false };
  const [forkId] = await client.addForks([{ ...options, from: { kind: 'live' } }]);
  return forkId!;
}

const saysBye = ({ rtcp: compounds }: UdpPeer): boolean =>
  compounds.some((compound) => rtcpTypes(compound).includes(byeType));

/** The edge has taken so many of that port. */
async function taken(client: EdgeClient, portId: number, packets: number): Promise<void> {
  await until(`${packets} packets`, () => {
    const [report] = client.streamReports([portId]);
    return report!.packets >= packets;
  });
}

/** What a control in a process of its own has made. */
async function control(plan: Omit<ControlPlan, 'process'>): Promise<{
  readonly child: ChildProcess;
  readonly made: ControlMade;
}> {
  const whole: ControlPlan = {
    ...plan,
    process: { edge: testEdgeOptions(), stateDir: state.dir, orphanMs: 60_000 },
  };
  const child = spawn(process.execPath, [controlProgram, JSON.stringify(whole)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const made = JSON.parse(line) as ControlMade;
  state.own(made.edgePid);
  return { child, made };
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

describe('a control that is killed in mid-call', () => {
  it('is not missed by parties and recorders, and the next one adopts all that it has left', async () => {
    const [a, b, recorder] = [await peer(), await peer(), await peer()];
    const parties = [a.address, b.address] as const;
    const { child, made } = await control({ parties, recorder: recorder.address });
    const [portA, portB] = made.ports as [OpenedPort, OpenedPort];
    await a.send(portA.rtp, ...rtpRun(1, 3));
    await b.gets(3);
    await kill(child);
    await a.send(portA.rtp, ...rtpRun(4, 3));
    await b.send(portB.rtp, rtp({ sequence: 9 }));
    await b.gets(6);
    await a.gets(1);
    await recorder.gets(6);

    const { client, isNew } = await state.start();
    expect(isNew).toBe(false);
    expect(client.hello.pid).toBe(made.edgePid);
    const address = recorder.address;
    expect(client.found.forks).toEqual([
      {
        ...{ forkId: made.forkId, portId: portA.portId, streamIndex: 0 },
        ...{ rtp: address, rtcp: address, state: 'live' },
      },
    ]);
    expect(client.found.ports.find(({ portId }) => portId === portA.portId)).toEqual({
      ...portA,
      remote: { rtp: a.address, rtcp: a.address, send: true, clockRates: {} },
      route: { kind: 'direct', peerPortId: portB.portId },
    });
    await client.pauseFork(made.forkId);
    await a.send(portA.rtp, ...rtpRun(7, 2));
    await taken(client, portA.portId, 8);
    const [report] = await client.removeForks([made.forkId]);
    expect(report!.sentPackets).toBe(6);
    expect(report!.withheld).toMatchObject([{ first: 65_536 + 7, last: 65_536 + 8 }]);
    expect(recorder.received).toHaveLength(6);
    await client.closePort(portA.portId);
    expect((await client.inventory()).ports.map(({ portId }) => portId)).toEqual([portB.portId]);
  });

  it('takes mediasoup with it: the call goes edge to edge at once, each packet once', async () => {
    const [a, b, recorder] = [await peer(), await peer(), await peer()];
    const [transportA, transportB] = [await peer(), await peer()];
    const { child, made } = await control({
      parties: [a.address, b.address],
      transports: [transportA.address, transportB.address],
      recorder: recorder.address,
    });
    const [portA] = made.ports as [OpenedPort];
    await a.send(portA.rtp, ...rtpRun(1, 3));
    const through = await transportA.gets(3);
    await transportB.send(made.relay, ...through);
    await b.gets(3);
    // These it has, and does not give back any more.
    await a.send(portA.rtp, ...rtpRun(4, 3));
    await transportA.gets(6);
    await kill(child);
    await b.gets(6);
    await a.send(portA.rtp, ...rtpRun(7, 2));
    const heard = await b.gets(8);
    expect(heard.map((packet) => packet[12])).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const [first] = heard.map(sequenceOf);
    expect(heard.map(sequenceOf)).toEqual(heard.map((_, index) => (first! + index) & 0xffff));
    expect(new Set(heard.map(ssrcOf)).size).toBe(1);
    // What comes out of it late has been heard.
    await transportB.send(made.relay, ...transportA.received.slice(3));
    const { client } = await state.start();
    expect(client.found.ports.map(({ route }) => route.kind)).toEqual(['bypass', 'bypass']);
    expect(client.relayStalls()).toHaveLength(2);
    await a.send(portA.rtp, rtp({ sequence: 9 }));
    expect((await b.gets(9)).map((packet) => packet[12])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(transportA.received).toHaveLength(6);
  });
});

describe('one edge and several controls', () => {
  it('starts one edge where two want one', async () => {
    // The one may be cut off by the other before it has begun.
    const found = await Promise.allSettled([state.start(), state.start(), state.start()]);
    expect(found.map(({ status }) => status)).toContain('fulfilled');
    const { hello } = await state.connect();
    const log = readFileSync(join(state.dir, 'edge.log'), 'utf8').split('\n');
    const ready = log.filter((line) => line.includes('"msg":"ready"'));
    expect(ready.map((line) => (JSON.parse(line) as { pid: number }).pid)).toEqual([hello.pid]);
  });

  it('belongs to the control that came last', async () => {
    const { client: first } = await state.start();
    const party = await peer();
    const { portId } = await openPort(first, party);
    const closed = once(first, 'closed');
    const second = await state.connect();
    await expect(closed).resolves.toMatchObject([{ code: 'EDGE_LOST' }]);
    await expect(first.inventory()).rejects.toMatchObject({ code: 'EDGE_LOST' });
    expect(second.found.ports.map((port) => port.portId)).toEqual([portId]);
    expect(await second.status()).toMatchObject({ controls: 2, strangers: 0, malformed: 0 });
    expect(second.pickShard()).toBe(0);
  });

  it('refuses a control of another version, and keeps the one that it has', async () => {
    const { client } = await state.start();
    await expect(EdgeClient.connect(state.socketPath, { version: 99 })).rejects.toMatchObject({
      code: 'EDGE_VERSION',
      message: expect.stringContaining(String(client.hello.pid)) as string,
    });
    expect(await client.status()).toMatchObject({ controls: 1 });
  });

  it.runIf(process.getuid?.() === 0)('refuses who is of another user', async () => {
    const { client } = await state.start();
    expect(statSync(state.dir).mode & 0o777).toBe(0o700);
    expect(statSync(state.socketPath).mode & 0o777).toBe(0o600);
    // Even where files let him.
    await chmod(state.dir, 0o755);
    await chmod(state.socketPath, 0o666);
    const code = `require('node:net').connect(process.argv[1]).on('connect', () => console.log('in')).on('close', () => console.log('out'))`;
    const stranger = spawn(process.execPath, ['-e', code, state.socketPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
      uid: nobody,
      gid: nobody,
    });
    children.push(stranger);
    let said = '';
    stranger.stdout.on('data', (text) => (said += String(text)));
    await once(stranger, 'close');
    expect(said).toBe('in\nout\n');
    expect(await client.status()).toMatchObject({ strangers: 1, controls: 1 });
  });
});

describe('what is no command', () => {
  const hello = (): Buffer => {
    const writer = new WireWriter('hello', 0);
    writer.u32(wireMagic);
    writer.u16(wireVersion);
    return writer.end();
  };
  const length = (bytes: number): Buffer => {
    const field = Buffer.alloc(4);
    field.writeUInt32LE(bytes);
    return field;
  };
  /** Says it, and waits until the edge has heard enough. */
  const say = async (bytes: Buffer): Promise<void> => {
    const socket = connectTo(state.socketPath).on('error', () => undefined);
    socket.resume().write(bytes);
    await once(socket, 'close');
  };

  it.each([
    ['noise', Buffer.from('GET / HTTP/1.1\r\nHost: edge\r\n\r\n')],
    ['a frame of nothing', length(0)],
    ['a frame that is too large for a hello', length(1_000_000)],
    ['another magic', Buffer.concat([length(11), Buffer.alloc(11)])],
    ['another command first', new WireWriter('inventory', 0).end()],
  ])('ends its connection before the hello, and no other: %s', async (_title, bytes) => {
    const { client } = await state.start();
    await say(bytes);
    expect(await client.status()).toMatchObject({ malformed: 1, controls: 1 });
  });

  it.each([
    ['noise', Buffer.from('GET / HTTP/1.1\r\nHost: edge\r\n\r\n')],
    ['a command that there is not', Buffer.concat([length(5), Buffer.alloc(5, 0xfe)])],
    ['a second hello', hello()],
    [
      'a command with more than its fields',
      Buffer.concat([length(6), Buffer.from([13]), Buffer.alloc(5)]),
    ],
    [
      'a command with less than its fields',
      Buffer.concat([length(5), Buffer.from([4]), Buffer.alloc(4)]),
    ],
  ])('ends its connection after the hello, and not the edge: %s', async (_title, bytes) => {
    await state.start();
    await say(Buffer.concat([hello(), bytes]));
    const client = await state.connect();
    expect(await client.status()).toMatchObject({ malformed: 1 });
  });

  it('is told from what does not fit, which is refused and nothing else', async () => {
    const { client } = await state.start();
    const party = await peer();
    const port = { shard: 0, host: '127.0.0.1', latch: 'any' } as const;
    await expect(client.openPort({ ...port, host: 'localhost' })).rejects.toMatchObject({
      code: 'EDGE_FAILED',
      details: { field: 'host', value: 'localhost' },
    });
    await expect(client.openPort({ ...port, shard: 7 })).rejects.toMatchObject({
      code: 'EDGE_FAILED',
      message: 'no shard 7',
    });
    await expect(client.closePort(6_400)).rejects.toMatchObject({ message: 'no port 6400' });
    await expect(client.removeForks([])).rejects.toMatchObject({ code: 'EDGE_FAILED' });
    await expect(client.removeForks(Array<number>(65).fill(64))).rejects.toMatchObject({
      code: 'EDGE_FAILED',
      details: { field: 'forkIds.length', value: 65 },
    });
    expect((await openPort(client, party)).portId).toBeGreaterThan(0);
  });
});

describe('the order of what is told', () => {
  it('is that in which it was asked, and answers come in it', async () => {
    const { client } = await state.start();
    const [party, recorder] = [await peer(), await peer()];
    const { portId } = await openPort(client, party);
    const forkId = await fork(client, portId, recorder);
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    // What an order has done is seen by whoever was told that it has.
    const look = () => order.push(client.forkReports([forkId])[0]!.state);
    await Promise.all([
      client.pauseFork(forkId).then(note('pause')),
      client.resumeFork(forkId).then(note('resume')),
      client.resumeFork(1).catch(note('refused')),
      client.inventory().then(note('inventory')),
    ]);
    expect(order).toEqual(['pause', 'resume', 'refused', 'inventory']);
    await client.pauseFork(forkId).then(look);
    await client.resumeFork(forkId).then(look);
    expect(order.slice(4)).toEqual(['paused', 'live']);
  });

  it('holds for 5,000 commands at once', async () => {
    const { client } = await state.start();
    const party = await peer();
    const { portId } = await openPort(client, party);
    const stocks = await Promise.all(
      Array.from({ length: 5_000 }, () => client.takeStock([portId], [])),
    );
    expect(stocks.every(({ streams: [report] }) => report!.packets === 0)).toBe(true);
  });
});

describe('a control that does not read', () => {
  it('is not answered without bound, holds up no packet, and is replaced by the next', async () => {
    const { client } = await state.start();
    const [a, b] = [await peer(), await peer()];
    const [portA, portB] = [await openPort(client, a), await openPort(client, b)];
    const direct = { kind: 'direct', peerPortId: portB.portId } as const;
    await client.setRoutes([{ portId: portA.portId, route: direct }]);
    const { pid } = client.hello;
    const residentKb = (): number =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
    const before = residentKb();

    const asked = Buffer.concat([
      ...[new WireWriter('hello', 0), ...Array.from({ length: 200_000 }, () => undefined)].map(
        (writer, number) => {
          if (writer === undefined) return new WireWriter('inventory', number).end();
          writer.u32(wireMagic);
          writer.u16(wireVersion);
          return writer.end();
        },
      ),
    ]);
    const socket = connectTo(state.socketPath).on('error', () => undefined);
    socket.pause();
    socket.write(asked);
    // It is asked for 40 MB, takes what it can answer, and no more.
    let left = asked.length;
    await until('the edge to stop reading', async () => {
      await a.send(portA.rtp, rtp({ sequence: 1 }));
      const { writableLength } = socket;
      const rests = writableLength === left;
      left = writableLength;
      await delay(100);
      return rests && socket.writableLength === left;
    });
    expect(socket.writableLength).toBeGreaterThan(0);
    expect(residentKb() - before).toBeLessThan(16_384);
    const heard = b.received.length;
    await a.send(portA.rtp, ...rtpRun(2, 3));
    await b.gets(heard + 3);
    const next = await state.connect();
    expect(await next.status()).toMatchObject({ controls: 3 });
    socket.destroy();
  });
});

describe('the end of the edge', () => {
  /** A recorder that is sent to. */
  async function recorded(client: EdgeClient): Promise<UdpPeer> {
    const [party, recorder] = [await peer(), await peer()];
    const port = await openPort(client, party);
    await fork(client, port.portId, recorder);
    await party.send(port.rtp, rtp({ sequence: 1 }));
    await recorder.gets(1);
    return recorder;
  }

  it('comes when no control adopts it in time: recorders are told goodbye', async () => {
    const { client } = await state.start({ orphanMs: 300 });
    const recorder = await recorded(client);
    client.close();
    await untilGone(client.hello.pid);
    expect(existsSync(state.socketPath)).toBe(false);
    expect(existsSync(client.hello.memory)).toBe(false);
    await until('a BYE', () => saysBye(recorder));
  });

  it('does not come while there is a control, nor when another one comes in time', async () => {
    const { client } = await state.start({ orphanMs: 4_000 });
    client.close();
    const next = await state.connect();
    await delay(5_000);
    expect(await next.status()).toMatchObject({ controls: 2 });
  });

  it.each(['SIGTERM', 'SIGINT'])('comes at once with %s', async (signal) => {
    const { client } = await state.start();
    const recorder = await recorded(client);
    const closed = once(client, 'closed');
    process.kill(client.hello.pid, signal);
    await closed;
    await untilGone(client.hello.pid);
    await until('a BYE', () => saysBye(recorder));
  });

  it('comes when control asks for it, and is told', async () => {
    const { client } = await state.start();
    const recorder = await recorded(client);
    await client.shutdown();
    await until('a BYE', () => saysBye(recorder));
    await untilGone(client.hello.pid);
    const again = await state.start();
    expect(again.isNew).toBe(true);
    expect(again.client.found).toEqual({ ports: [], forks: [] });
  });

  it('is told to its control when all of it is killed: nobody waits for what it had been asked', async () => {
    const { client } = await state.start();
    const closed = once(client, 'closed');
    process.kill(client.hello.pid, 'SIGSTOP');
    const asked = client.inventory();
    killGroup(groupOf(client.hello.pid));
    await expect(asked).rejects.toMatchObject({ code: 'EDGE_LOST' });
    await closed;
    // What it knew last can still be read.
    expect(client.counters()).toMatchObject({ ports: 0, forks: 0 });
    // What it left is no obstacle.
    const { client: next, isNew } = await state.start();
    expect(isNew).toBe(true);
    expect(next.hello.pid).not.toBe(client.hello.pid);
  });

  it('is not waited for by a control that finds it hanging', async () => {
    const { client } = await state.start();
    const { pid } = client.hello;
    process.kill(pid, 'SIGSTOP');
    await expect(EdgeClient.connect(state.socketPath, { helloMs: 200 })).rejects.toMatchObject({
      code: 'EDGE_FAILED',
      message: 'the edge does not answer',
    });
    process.kill(pid, 'SIGCONT');
    // Who has gone takes nobody's place.
    expect(await client.status()).toMatchObject({ controls: 1 });
    expect(await client.inventory()).toEqual({ ports: [], forks: [] });
  });

  it('does not come with that of a terminal or a parent', async () => {
    const { client } = await state.start();
    process.kill(client.hello.pid, 'SIGHUP');
    expect(await client.inventory()).toEqual({ ports: [], forks: [] });
    const [, , , , , session] = readFileSync(`/proc/${client.hello.pid}/stat`, 'utf8').split(' ');
    expect(Number(session)).toBe(groupOf(client.hello.pid));
    expect(Number(session)).not.toBe(groupOf(process.pid));
  });
});

describe('the start of the edge', () => {
  it('says why there is none', async () => {
    const started = state.start({ edge: testEdgeOptions({ legHosts: ['192.0.2.1'] }) });
    await expect(started).rejects.toMatchObject({
      code: 'EDGE_FAILED',
      message: expect.stringContaining('bind 192.0.2.1') as string,
    });
    await expect(state.start({ program: '/nonexistent' })).rejects.toMatchObject({
      code: 'EDGE_FAILED',
      message: expect.stringContaining('ENOENT') as string,
    });
    await expect(state.start({ program: '/bin/true' })).rejects.toMatchObject({
      code: 'EDGE_FAILED',
    });
    await expect(state.start({ orphanMs: 0 })).rejects.toMatchObject({
      details: { field: 'orphanMs', value: 0 },
    });
  });

  it('leaves it with no rights, on any thread', async () => {
    const { client } = await state.start({ edge: testEdgeOptions({ threads: 2 }), nice: 5 });
    const { pid } = client.hello;
    const tasks = readdirSync(`/proc/${pid}/task`);
    expect(tasks).toHaveLength(3);
    for (const task of tasks) {
      const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
        expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'));
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(status).toMatch(/^Seccomp:\s+2$/m);
    }
  });
});
