import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TandemProcess } from '../../test/support/tandem-process.ts';
import { RETURN_MS, SLOW_MS } from './faults.ts';
import type { FaultName } from './faults.ts';
import { RECORDERS } from './fleet.ts';
import type { Fleet } from './fleet.ts';
import type { RecorderProcess } from './recorder-process.ts';
import { recorderPorts } from './recorder-process.ts';
import { fillDisk } from './small-disk.ts';

export interface Injection {
  /** Unix ms. */
  readonly at: number;
  readonly variant: string | null;
  /** What the fault still does of itself: resolves when that is done. */
  readonly rest: Promise<unknown>;
}

/** As the recorders' and Tandem's own clocks have it. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Which recorders a fault concerns: the one that the seed gives, or that one and its neighbour, which is of the other zone,
 * so that there are calls with a leg on each.
 */
export function recordersConcerned(count: 0 | 1 | 2 | 4, first: number): number[] {
  return Array.from({ length: count }, (_, index) => (first + index) % RECORDERS);
}

/** @param concerned positions in the fleet */
export function inject(options: {
  readonly fault: FaultName;
  readonly trial: number;
  readonly fleet: Fleet;
  readonly concerned: readonly number[];
  readonly tandem: TandemProcess;
  /** For how long a recorder's signalling is to hang. */
  readonly hangMs: number;
}): Injection {
  const { fault, trial, fleet, concerned, tandem, hangMs } = options;
  const targets = concerned.map((index) => fleet.recorders[index]!);
  const [first] = targets;
  const at = now();
  const done = (variant: string | null = null, rest: Promise<unknown> = Promise.resolve()) => ({
    at,
    variant,
    rest,
  });
  switch (fault) {
    case 'none':
      return done();
    case 'kill':
    case 'kill-host':
    case 'both':
      for (const target of targets) target.signal('SIGKILL');
      return done();
    case 'refuse':
    case 'refuse-host':
      first!.order({ order: 'close-rtp', ports: recorderPorts });
      return done();
    case 'stop':
      first!.signal('SIGSTOP');
      return done();
    case 'partition':
      fleet.network!.cut(concerned[0]!);
      return done();
    case 'term':
      first!.signal('SIGTERM');
      return done();
    case 'drain':
      return done(null, tandem.api('PATCH', `/v1/recorders/${first!.id}`, { state: 'draining' }));
    case 'sip-only':
      if (trial % 2 === 1) {
        first!.order({ order: 'close-sip', ports: recorderPorts });
        return done('sockets closed');
      }
      first!.order({ order: 'hang-sip', ms: hangMs });
      return done('hangs');
    case 'slow':
      first!.signal('SIGSTOP');
      return done(
        null,
        sleep(SLOW_MS).then(() => {
          first!.signal('SIGCONT');
        }),
      );
    case 'loss':
      return done(fleet.network!.lose(concerned[0]!));
    case 'disk-full':
      fillDisk(first!.recordingsDir);
      return done();
    case 'none-left':
      for (const target of targets) target.signal('SIGKILL');
      return done(null, comeBack(targets));
    case 'rm-restart':
      tandem.killAll();
      return done(null, once(tandem.child, 'exit'));
  }
}

async function comeBack(targets: readonly RecorderProcess[]): Promise<void> {
  await Promise.all(
    RETURN_MS.map(async (afterMs, index) => {
      await sleep(afterMs);
      await targets[index]!.startAgain();
    }),
  );
}
