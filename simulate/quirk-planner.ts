import type { Quirk } from './plan.ts';
import type { Random } from './random.ts';

/** What a sender does that is not plain speech. */
export function planQuirks(random: Random, lengthMs: number): Quirk[] {
  const count = random.pick([0, 0, 1, 1, 2, 4]);
  return Array.from({ length: count }, () => {
    const at = random.between(500, lengthMs);
    const kind = random.weighted<Quirk['kind']>({
      silence: 3,
      jump: 3,
      ssrc: 3,
      stray: 2,
      sparse: 2,
      dropped: 1,
    });
    switch (kind) {
      case 'silence':
        return { at, kind, forMs: random.pick([500, 2_000, 8_000, 60_000]) };
      case 'dropped':
        return { at, kind, forMs: random.pick([30, 200, 2_000]) };
      case 'sparse':
        return { at, kind, forMs: random.pick([2_000, 10_000]) };
      case 'jump':
        return { at, kind, by: random.pick([1, 5, 50, 150, 1_000, 3_100, 20_000, -20, -150]) };
      case 'ssrc':
        return { at, kind };
      case 'stray':
        return { at, kind, old: random.pick([5, 50, 150, 2_000]) };
      default:
        return kind satisfies never;
    }
  });
}
