import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../../src/resource/candidate.ts';
import { policies, select, type PolicyName } from '../../../src/resource/selector.ts';

function candidate(id: string, values: Partial<Candidate> = {}): Candidate {
  const idle = { zone: 'z', capacity: 100, weight: 1, sessions: 0, lastChosen: 0 };
  return { id, ...idle, reluctant: false, ...values };
}

/** Draws these numbers one after the other. */
function drawing(...numbers: number[]): () => number {
  return () => numbers.shift() ?? 0;
}

it('asks the reluctant when there is nobody else, whatever their zone', () => {
  const options = { policy: 'least-loaded', avoidZones: ['z'], random: () => 0 } as const;
  const reluctant = candidate('a', { zone: 'y', reluctant: true });
  expect(select([reluctant, candidate('b')], options)?.id).toBe('b');
  expect(select([reluctant], options)?.id).toBe('a');
});

describe('policies', () => {
  const cases: [PolicyName, string, Candidate[], string, (() => number)?][] = [
    [
      'least-loaded',
      'compares sessions with capacity, not with each other',
      [candidate('a', { sessions: 10, capacity: 20 }), candidate('b', { sessions: 40 })],
      'b',
    ],
    [
      'least-loaded',
      'gives equal load to whoever waited longest',
      [candidate('a', { lastChosen: 7 }), candidate('b', { lastChosen: 3 })],
      'b',
    ],
    [
      'least-loaded',
      'takes from the roomiest zone first when loads are equal',
      [candidate('a', { zone: 'x' }), candidate('b', { zone: 'y' }), candidate('c', { zone: 'y' })],
      'b',
    ],
    ['least-loaded', 'goes by id at the very start', [candidate('b'), candidate('a')], 'a'],
    [
      'round-robin',
      'takes the one whose turn is longest past, whatever it carries',
      [candidate('a', { lastChosen: 2 }), candidate('b', { lastChosen: 1, sessions: 99 })],
      'b',
    ],
    [
      'weighted',
      'goes by weight, not by capacity',
      [
        candidate('a', { sessions: 5, weight: 1, capacity: 1000 }),
        candidate('b', { sessions: 10, weight: 3, capacity: 12 }),
      ],
      'b',
    ],
    [
      'two-choices',
      'takes the less loaded of the two drawn, not the least of all',
      [candidate('a', { sessions: 5 }), candidate('b', { sessions: 1 }), candidate('c')],
      'b',
      drawing(0, 0),
    ],
    [
      'two-choices',
      'never draws the same one twice',
      [candidate('a', { sessions: 5 }), candidate('b', { sessions: 1 })],
      'b',
      drawing(0, 0.99),
    ],
    ['two-choices', 'takes the only one there is', [candidate('a')], 'a', drawing(0.5, 0.5)],
  ];
  it.each(cases)('%s %s', (policy, _title, candidates, expected, random = drawing()) => {
    expect(policies[policy](candidates, random).id).toBe(expected);
  });

  it('weighted shares steady work in proportion to weight', () => {
    const sessions = { a: 0, b: 0, c: 0 };
    for (let n = 0; n < 60; n += 1) {
      const chosen = policies.weighted(
        [
          candidate('a', { weight: 1, sessions: sessions.a }),
          candidate('b', { weight: 2, sessions: sessions.b }),
          candidate('c', { weight: 3, sessions: sessions.c }),
        ],
        () => 0.5,
      );
      sessions[chosen.id as 'a' | 'b' | 'c'] += 1;
    }
    expect(sessions).toEqual({ a: 10, b: 20, c: 30 });
  });
});

describe('select', () => {
  const options = { policy: 'least-loaded', random: () => 0.5 } as const;

  it('leaves a zone aside as long as another has a recorder, however loaded', () => {
    const able = [candidate('a', { zone: 'x' }), candidate('b', { zone: 'y', sessions: 99 })];
    expect(select(able, { ...options, avoidZones: ['x'] })?.id).toBe('b');
  });

  it('takes a recorder of a zone to avoid rather than none', () => {
    expect(select([candidate('a', { zone: 'x' })], { ...options, avoidZones: ['x'] })?.id).toBe(
      'a',
    );
  });

  it('selects nobody from nobody', () => {
    expect(select([], { ...options, avoidZones: [] })).toBeUndefined();
  });
});
