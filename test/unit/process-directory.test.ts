import { beforeEach, expect, it } from 'vitest';
import { ProcessDirectory } from '../../src/process-directory.ts';
import type { Death, ProcessTree } from '../../src/supervisor/messages.ts';

const startedAt = '2026-11-30T12:00:00.000Z';
const self = { role: 'control', id: 'control', pid: 1, startedAt, starts: 1 } as const;
const worker = { role: 'worker', id: 'w1', pid: 2, startedAt, starts: 4 } as const;
const tree: ProcessTree = {
  is: 'tree',
  settled: true,
  processes: [],
  recorders: [],
  deaths: [],
  counts: [],
};
const recorder = (id: string, pid: number) => ({
  ...{ id, pid, uri: `sip:127.0.0.1:${pid};transport=tcp`, zone: 'z', capacity: 5 },
  reportsEveryMs: 500,
});
const death = (id: string): Death => ({
  ...{ id, role: 'edge', process: 'edge', pid: 3, exit: 'SIGKILL', at: startedAt },
});

let told: string[];
let directory: ProcessDirectory;

beforeEach(() => {
  told = [];
  directory = new ProcessDirectory({
    self,
    workers: () => [worker],
    onUp: ({ id, pid }) => told.push(`up ${id} ${pid}`),
    onDown: (id) => told.push(`down ${id}`),
    onDeaths: (deaths) => told.push(...deaths.map(({ id }) => `died ${id}`)),
  });
});

it('names itself and its workers where there is no supervisor', () => {
  expect(directory.list()).toEqual([self, worker]);
  expect(directory.counts()).toEqual([]);
});

it('names what the supervisor does, and its workers', () => {
  const supervisor = { ...self, role: 'supervisor', id: 'supervisor', pid: 9 } as const;
  directory.take({ ...tree, processes: [supervisor, { ...self, starts: 2 }] });
  expect(directory.list()).toEqual([supervisor, { ...self, starts: 2 }, worker]);
});

it('tells of recorders that come, go, and are others than before', () => {
  directory.take({ ...tree, recorders: [recorder('r1', 11), recorder('r2', 12)] });
  directory.take({ ...tree, recorders: [recorder('r1', 11), recorder('r2', 12)] });
  directory.take({ ...tree, recorders: [recorder('r2', 22)] });
  directory.take({ ...tree, recorders: [recorder('r1', 21), recorder('r2', 22)] });
  expect(told).toEqual(['up r1 11', 'up r2 12', 'down r1', 'down r2', 'up r2 22', 'up r1 21']);
});

it('takes no recorder for gone that a new supervisor has not heard of yet', () => {
  directory.take({ ...tree, recorders: [recorder('r1', 11), recorder('r2', 12)] });
  directory.take({ ...tree, settled: false });
  directory.take({ ...tree, settled: false, recorders: [recorder('r1', 21)] });
  expect(told.splice(0)).toEqual(['up r1 11', 'up r2 12', 'down r1', 'up r1 21']);
  directory.take({ ...tree, recorders: [recorder('r1', 21)] });
  expect(told).toEqual(['down r2']);
});

it('tells of each death once, however often it is named', () => {
  directory.take({ ...tree, deaths: [death('one')] });
  directory.take({ ...tree, deaths: [death('one'), death('two')] });
  directory.take(tree);
  expect(told).toEqual(['died one', 'died two']);
});

it('says when every recorder has had its chance', async () => {
  let isSettled = false;
  void directory.settled.then(() => (isSettled = true));
  directory.take({ ...tree, settled: false });
  await Promise.resolve();
  expect(isSettled).toBe(false);
  directory.take(tree);
  await directory.settled;
});
