import { expect, it } from 'vitest';
import type { CallStock, ForksStart } from '../../../src/recording/interfaces.ts';
import { SessionStarts } from '../../../src/recording/session-starts.ts';
import type { SessionStart } from '../../../src/recording/session-starts.ts';
import { settle } from '../../support/manual-clock.ts';
import { streamReport } from '../../support/reports.ts';

const stock: CallStock = {
  streams: { a: streamReport([]), b: streamReport([]) },
  forks: undefined,
};

function world() {
  const log: string[] = [];
  const refused = new Set<string>();
  const starts = new SessionStarts({
    takeStock: (requests) => {
      log.push(`stock ${requests.map(({ callId, retired }) => retired ?? callId).join(' ')}`);
      return Promise.resolve(requests.map(() => stock));
    },
    startForks: (all) => {
      log.push(`forks ${all.map(({ recordId }) => recordId).join(' ')}`);
      return Promise.resolve(
        all.map(({ recordId }) => (refused.has(recordId) ? new Error(recordId) : undefined)),
      );
    },
  });
  const start = (id: string, over: Partial<SessionStart> = {}): SessionStart => ({
    callId: id,
    retired: () => undefined,
    plan: (): ForksStart => ({ callId: id, recordId: id, to: {}, from: {}, paused: false }),
    begun: () => log.push(`begun ${id}`),
    ...over,
  });
  return { log, refused, starts, start };
}

it('starts what comes in one turn together', async () => {
  const { log, starts, start } = world();
  await Promise.all(['c1', 'c2', 'c3'].map((id) => starts.add(start(id))));
  expect(log).toEqual(['stock c1 c2 c3', 'forks c1 c2 c3', 'begun c1', 'begun c2', 'begun c3']);
});

it('starts sixteen at a time, so that a visit to the edge stays short', async () => {
  const { log, starts, start } = world();
  await Promise.all(Array.from({ length: 40 }, (_, index) => starts.add(start(`c${index}`))));
  const sizes = log
    .filter((line) => line.startsWith('stock'))
    .map((line) => line.split(' ').length);
  expect(sizes).toEqual([17, 17, 9]);
});

it('asks for what is to be retired when its turn has come', async () => {
  const { log, starts, start } = world();
  const ended: { recordId: string; at: number }[] = [];
  const done = starts.add(start('c1', { retired: () => ended[0] }));
  ended.push({ recordId: 'old', at: 5 });
  await done;
  expect(log[0]).toBe('stock old');
});

it('leaves the others alone when one cannot start', async () => {
  const { log, refused, starts, start } = world();
  refused.add('c2');
  const results = await Promise.allSettled([
    starts.add(
      start('c1', {
        plan: () => {
          throw new Error('ended meanwhile');
        },
      }),
    ),
    starts.add(start('c2')),
    starts.add(
      start('c3', {
        begun: () => {
          throw new Error('c3');
        },
      }),
    ),
    starts.add(start('c4')),
  ]);
  expect(results.map(({ status }) => status)).toEqual([
    'rejected',
    'rejected',
    'rejected',
    'fulfilled',
  ]);
  expect(log).toEqual(['stock c1 c2 c3 c4', 'forks c2 c3 c4', 'begun c4']);
});

it('gives all of them up when the edge does not answer, and goes on', async () => {
  const { log, start } = world();
  let closed = true;
  const starts = new SessionStarts({
    takeStock: (requests) => {
      if (closed) return Promise.reject(new Error('closed'));
      return Promise.resolve(requests.map(() => stock));
    },
    startForks: (all) => Promise.resolve(all.map(() => undefined)),
  });
  const all = await Promise.allSettled([starts.add(start('c1')), starts.add(start('c2'))]);
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  closed = false;
  await starts.add(start('c3'));
  expect(log).toEqual(['begun c3']);
});

it('does not wait for the edge to tell it of those that come later', async () => {
  const { log, start } = world();
  const answer = Promise.withResolvers<CallStock[]>();
  const starts = new SessionStarts({
    takeStock: (requests) => {
      log.push(`stock ${requests.length}`);
      return answer.promise;
    },
    startForks: (all) => Promise.resolve(all.map(() => undefined)),
  });
  const all = Array.from({ length: 20 }, (_, index) => starts.add(start(`c${index}`)));
  await settle();
  expect(log).toEqual(['stock 16', 'stock 4']);
  answer.resolve(Array.from({ length: 16 }, () => stock));
  await Promise.all(all);
});

it('begins nothing where nothing is to begin', async () => {
  const { log, starts, start } = world();
  await Promise.all([starts.add(start('c1', { plan: () => undefined })), starts.add(start('c2'))]);
  expect(log).toEqual(['stock c1 c2', 'forks c2', 'begun c2']);
});
