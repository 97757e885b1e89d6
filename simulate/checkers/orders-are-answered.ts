import type { Checker } from './checker.ts';

/** Until a recorder that does not answer is given up, twice over. */
const orderMsMax = 30_000;

/** What is asked of a call is answered, whatever its recorders do. */
export function ordersAreAnswered(): Checker {
  const since = new Map<string, number>();
  const told = new Set<string>();
  return {
    name: 'orders are answered',
    during: (world) =>
      world.drivers.flatMap(({ truth }) => {
        if (truth.busy === 0 && truth.deleted !== 'asked') {
          since.delete(truth.id);
          return [];
        }
        const now = world.clock.now();
        const from = since.get(truth.id) ?? now;
        since.set(truth.id, from);
        if (now - from < orderMsMax || told.has(truth.id)) return [];
        told.add(truth.id);
        return [`${truth.id}: an order is not answered for ${now - from} ms`];
      }),
  };
}
