import { expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';

/** Forks that are behind, and how many of them have their turn before what all may send is used up. */
type Round = [forks: number, turns: number];

it.each<[string, Round[], number[][]]>([
  [
    'begins one further each time, so that who blocks all behind him blocks each of them once',
    [
      [3, 3],
      [3, 3],
      [3, 3],
      [3, 3],
    ],
    [
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
      [0, 1, 2],
    ],
  ],
  [
    'begins with those whose turn did not come in the one before',
    [
      [3, 2],
      [3, 2],
      [3, 3],
      [3, 1],
    ],
    [[0, 1], [2, 0], [1, 2, 0], [2]],
  ],
  [
    'has a turn for each of those that are there',
    [
      [1, 9],
      [2, 9],
      [1, 9],
    ],
    [[0], [0, 1], [0]],
  ],
])('a round of forks that are behind %s', (_title, rounds, turns) => {
  expect(loadAddon().tables.paceRounds(rounds)).toEqual(turns);
});
