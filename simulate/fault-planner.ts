import type { FaultKind, FaultPlan } from './plan.ts';
import type { Random } from './random.ts';
import type { Manners } from './recorder/manners.ts';

/** A fault of one recorder, or of the way to it; sometimes two that belong together. */
export function planFault(random: Random, recorder: string, at: number): FaultPlan[] {
  const kind = random.weighted<FaultKind['kind'] | 'littleProof'>({
    kill: 14,
    hostDown: 8,
    manners: 40,
    hangUp: 6,
    redirect: 4,
    cut: 16,
    loss: 5,
    delay: 4,
    littleProof: 3,
    unsendable: 5,
    drain: 6,
    setClock: 4,
  });
  const forMs = random.pick([undefined, 100, 1_000, 3_000, 10_000]);
  const times = forMs === undefined ? { at } : { at, forMs };
  switch (kind) {
    case 'kill':
    case 'hostDown':
    case 'quotesLittle':
    case 'drain':
      return [{ ...times, kind, recorder }];
    case 'littleProof':
      return [
        { ...times, kind: 'quotesLittle', recorder },
        { ...times, at: at + 1, kind: 'kill', recorder },
      ];
    case 'manners':
      return [{ ...times, kind, recorder, change: planManners(random) }];
    case 'hangUp':
    case 'redirect':
      return [{ at, forMs: 1, kind, recorder }];
    case 'cut':
      return [
        {
          ...times,
          kind,
          recorder,
          traffic: random.pick(['media', 'reports', 'sip', 'all'] as const),
          way: random.pick(['there', 'back', 'both'] as const),
        },
      ];
    case 'loss':
      return [{ ...times, kind, recorder, share: random.pick([0.01, 0.05, 0.3, 0.7]) }];
    case 'delay':
      return [{ ...times, kind, recorder, delayMs: random.pick([50, 300, 1_500]) }];
    case 'unsendable':
      return [{ ...times, kind, recorder, error: random.pick(['EPERM', 'ENETUNREACH']) }];
    case 'setClock':
      return [planClock(random, at)];
    default:
      return kind satisfies never;
  }
}

/** Whoever looks after the machine sets its clock. */
export function planClock(random: Random, at: number): FaultPlan {
  return { at, kind: 'setClock', byMs: random.pick([-3_600_000, -11_000, 11_000, 3_600_000]) };
}

function planManners(random: Random): Partial<Manners> {
  const which = random.weighted({
    refuses: 10,
    answer: 8,
    answerMs: 6,
    hangs: 8,
    forgets: 3,
    leaves: 4,
    lies: 2,
    mute: 5,
    deaf: 5,
  });
  switch (which) {
    case 'refuses': {
      const status = random.pick([400, 403, 480, 486, 488, 500, 503, 503, 600]);
      const retryAfter = status === 503 && random.chance(0.5) ? random.pick([1, 5, 60]) : undefined;
      const times = random.pick([1, 1, 3, 100]);
      return { refuses: { status, times, ...(retryAfter === undefined ? {} : { retryAfter }) } };
    }
    case 'answer':
      return {
        answer: random.pick([
          'portZero',
          'oneLine',
          'inactive',
          'inactiveFirst',
          'nullAddress',
          'empty',
        ] as const),
      };
    case 'answerMs':
      return { answerMs: random.pick([300, 1_500, 3_990, 4_010, 6_000]) };
    default:
      return { [which]: true };
  }
}
