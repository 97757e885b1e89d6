import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EdgeView } from '../../src/edge/edge-view.ts';
import { kill, startEdgeProcess } from '../support/edge-process.ts';
import { EdgeRig } from '../support/edge-rig.ts';
import { rtp, rtpRun } from '../support/rtp-fixtures.ts';

const headerBytes = 4_096;
let rig: EdgeRig;
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-view-'));
  rig = new EdgeRig();
});
afterEach(async () => {
  rmSync(dir, { recursive: true });
  await rig.close();
});

/** The beginning of an edge's memory, changed. */
function changedHeader(change: (header: Buffer) => void): string {
  const header = Buffer.alloc(headerBytes);
  const memory = openSync(rig.edge.memoryPath(), 'r');
  readSync(memory, header, 0, headerBytes, 0);
  closeSync(memory);
  change(header);
  const path = join(dir, 'memory');
  writeFileSync(path, header);
  return path;
}

it('a view tells what the edge itself tells', async () => {
  const [party, recorder] = [await rig.peer(), await rig.peer()];
  const port = await rig.port(party);
  const forkId = await rig.fork(port, recorder.address);
  await party.send(port.rtp, ...rtpRun(1, 5), rtp({ sequence: 9 }));
  await rig.until(
    () => rig.streamReport(port.portId).packets,
    (count) => count === 6,
  );
  const view = EdgeView.open(rig.edge.memoryPath());
  expect(view.streamReports([port.portId])).toEqual(rig.edge.streamReports([port.portId]));
  expect(view.streamReports([port.portId])[0]).toMatchObject({ packets: 6, ssrc: port.ssrc });
  expect(view.forkReports([forkId])).toEqual(rig.edge.forkReports([forkId]));
  expect(view.forkReports([forkId])[0]).toMatchObject({ sentPackets: 6, state: 'live' });
  expect(view.forkSigns()).toEqual(rig.edge.forkSigns());
  expect(view.lastHeard()).toEqual(rig.edge.lastHeard());
  expect(view.sequencesAt([port.portId], 0)).toEqual([65_537]);
  expect(view.relayStalls()).toEqual([]);
  expect(view.legAddress(0, 1, 6)).toEqual(rig.edge.legAddress(0, 1, 6));
  expect(view.relayAddress(0)).toEqual(rig.edge.relayAddress(0));
  expect(view.counters()).toMatchObject({ packetsIn: 6, packetsToLegs: 6, ports: 1, forks: 1 });
  expect(view.startedAt()).toBeGreaterThan(0);
  view.close();
  expect(() => view.counters()).toThrow('the view is closed');
});

it('a view sees ports and forks come and go', async () => {
  const party = await rig.peer();
  const view = EdgeView.open(rig.edge.memoryPath());
  for (let round = 0; round < 3; round += 1) {
    const port = await rig.port(party);
    const forkId = await rig.fork(port, (await rig.peer()).address);
    expect(view.streamReports([port.portId])).toHaveLength(1);
    expect(view.forkSigns().map((signs) => signs.forkId)).toEqual([forkId]);
    await rig.edge.closePort(port.portId);
    expect(() => view.streamReports([port.portId])).toThrow(`no port ${port.portId}`);
    expect(() => view.forkReports([forkId])).toThrow(`no fork ${forkId}`);
    expect(view.lastHeard().size).toBe(0);
  }
  view.close();
});

it('a view of an edge that has ended shows that nothing is left', async () => {
  const port = await rig.port(await rig.peer());
  const view = EdgeView.open(rig.edge.memoryPath());
  rig.edge.close();
  expect(() => view.streamReports([port.portId])).toThrow(`no port ${port.portId}`);
  expect(view.counters()).toMatchObject({ ports: 0, forks: 0 });
  view.close();
});

it('a view of an edge that is killed shows what it knew last', async () => {
  const party = await rig.peer();
  const edge = await startEdgeProcess([party.address]);
  const [port] = edge.ports;
  const view = EdgeView.open(edge.memory);
  await party.send(port!.rtp, ...rtpRun(1, 3));
  await rig.until(
    () => view.streamReports([port!.portId])[0]!.packets,
    (count) => count === 3,
  );
  const before = view.streamReports([port!.portId]);
  await kill(edge);
  expect(view.streamReports([port!.portId])).toEqual(before);
  view.close();
});

it('what is no memory of this version is refused, and why', () => {
  const empty = join(dir, 'empty');
  writeFileSync(empty, '');
  expect(() => EdgeView.open(join(dir, 'none'))).toThrow('ENOENT');
  expect(() => EdgeView.open(empty)).toThrow('too short');
  const zeros = changedHeader((header) => header.fill(0));
  expect(() => EdgeView.open(zeros)).toThrow(/no memory of an edge/);
});

it.each<[string, RegExp, (header: Buffer) => void]>([
  ['another version', /version 7, not of version/, (header) => header.writeUInt32LE(7, 8)],
  [
    'records of another size',
    /a port has 5 in the memory/,
    (header) => header.writeUInt32LE(5, 16),
  ],
  ['no room for what it names', /bytes, not/, () => undefined],
])('memory with %s is refused', (_, message, change) => {
  const path = changedHeader(change);
  // As long as a header, and no longer.
  const long = join(dir, 'long');
  copyFileSync(path, long);
  writeFileSync(long, Buffer.alloc(1 << 20), { flag: 'a' });
  expect(() => EdgeView.open(long)).toThrow(message);
});
