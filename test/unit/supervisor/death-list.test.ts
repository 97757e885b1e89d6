import { expect, it } from 'vitest';
import { DeathList } from '../../../src/supervisor/death-list.ts';

const death = (pid: number) =>
  ({ role: 'edge', process: 'edge', pid, exit: 'SIGKILL', at: '2026-11-30T12:00:00Z' }) as const;

it('keeps deaths until they were told of', () => {
  const list = new DeathList();
  for (const pid of [1, 2, 3]) list.add(death(pid));
  const [first, second] = list.list();
  list.told([first!.id, second!.id, 'of another supervisor']);
  expect(list.list().map(({ pid }) => pid)).toEqual([3]);
});

it('drops the oldest where nobody listens for long', () => {
  const list = new DeathList();
  for (let pid = 1; pid <= 150; pid += 1) list.add(death(pid));
  expect(list.list().map(({ pid }) => pid)).toEqual(Array.from({ length: 100 }, (_, n) => n + 51));
});
