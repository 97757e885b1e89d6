import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

/** Nothing is left behind: calls, ports, forks, places on recorders, dialogs, transactions, routes, timers. */
export const nothingLeft = {
  name: 'nothing left behind',
  after: (world: World): string[] => named(ofCalls(world)),
  closed: (world: World): string[] =>
    named({
      ...ofCalls(world),
      transactions: world.userAgent.transactionCount,
      'timers of recording': world.life.recordingClock.waiting,
      'timers of SIP and of the resource manager': world.life.clock.waiting,
    }),
} satisfies Checker;

function ofCalls(world: World): Record<string, number> {
  const views = world.resources.list();
  return {
    calls: world.calls.count,
    routes: world.calls.routed,
    ports: world.edge.ports,
    forks: world.edge.forks.length,
    'places on recorders': views.reduce((sum, { sessions }) => sum + sessions, 0),
    'recording sessions': world.client.sessionCount,
    dialogs: world.userAgent.dialogCount,
    ...world.store.left,
    ...atRecorders(world),
  };
}

/** Sessions that recorders still have with which nothing was ever wrong. */
function atRecorders(world: World): Record<string, number> {
  return Object.fromEntries(
    [...world.recorders.values()]
      .filter(({ options: { id } }) => !world.troubles.any(id))
      .map((recorder) => [`sessions at ${recorder.options.id}`, recorder.sessions.length]),
  );
}

function named(counts: Readonly<Record<string, number>>): string[] {
  const left = Object.entries(counts).filter(([, count]) => count > 0);
  return left.length === 0 ? [] : [left.map(([name, count]) => `${count} ${name}`).join(', ')];
}
