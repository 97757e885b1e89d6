import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { placesOf } from '../../../../src/recording/leg/leg-view.ts';
import { ScriptedLeg } from '../../../support/scripted-leg.ts';

const architecture = new URL('../../../../docs/architecture.md', import.meta.url);
const seeds = Array.from({ length: 3_000 }, (_unused, index) => index + 1);

interface Life {
  /** What is not as it is to be when it is over. */
  readonly wrong: readonly string[];
  /** Of what it showed of itself: each change, as `from → to`. */
  readonly ways: readonly string[];
}

/** Everything in it follows from the seed. */
function lifeOf(seed: number): Life {
  const script = new ScriptedLeg(seed);
  script.run();
  const { leg, wrong, fates, timers, passed } = script;
  if (leg.phase !== 'ended') wrong.push(`${leg.phase}, ${leg.search.stage}, ends never`);
  if (timers.size > 0) wrong.push(`timers are left: ${[...timers.keys()].join()}`);
  if (script.sending.length > 0) wrong.push(`is sent still: ${script.sending.join()}`);
  if (leg.search.stage !== 'none' || placesOf(leg).length > 1) wrong.push('it is somewhere still');
  for (const [recordId, { released, invited, over }] of fates) {
    if (released !== 1) wrong.push(`${recordId} was released ${released} times`);
    if (invited && over !== 1) wrong.push(`${recordId} was let go of ${over} times`);
    if (!invited && over > 0) wrong.push(`${recordId} was let go of uninvited`);
  }
  const ways = passed.flatMap(([from, to]) => (from === to ? [] : [`${from} → ${to}`]));
  return { wrong: wrong.map((what) => `seed ${seed}: ${what}`), ways: [...new Set(ways)] };
}

/** The arrows of the first diagram below this heading, as `from → to`. */
function arrowsBelow(heading: string): string[] {
  const [, section = ''] = readFileSync(architecture, 'utf8').split(`### ${heading}\n`);
  const [, diagram = ''] = section.split('```mermaid');
  const arrows = (diagram.split('```')[0] ?? '').matchAll(/^ +(\w+) --> (\w+)/gmu);
  return [...arrows].map(([, from = '', to = '']) => `${from} → ${to}`.replaceAll('_', '-'));
}

describe('a leg among recorders, edge and clock that do anything', () => {
  const lives: Life[] = [];

  beforeAll(() => {
    lives.push(...seeds.map(lifeOf));
  }, 60_000);

  it('ends, sends nothing in pauses, and leaves nothing behind', () => {
    expect(lives.flatMap(({ wrong }) => wrong).slice(0, 10)).toEqual([]);
  });

  it('goes the ways that its diagram in docs/architecture.md shows, all of them and no other', () => {
    const gone = new Set(lives.flatMap(({ ways }) => ways));
    expect([...gone].sort()).toEqual([...new Set(arrowsBelow('A leg, as it shows itself'))].sort());
  });

  it('lives the same life again', () => {
    const lives = [new ScriptedLeg(7), new ScriptedLeg(7)];
    for (const life of lives) life.run();
    expect(lives[0]?.told).toEqual(lives[1]?.told);
    expect(lives[0]?.told.length).toBeGreaterThan(10);
  });
});
