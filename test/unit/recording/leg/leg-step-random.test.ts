import { describe, expect, it } from 'vitest';
import { placesOf } from '../../../../src/recording/leg/leg-view.ts';
import { ScriptedLeg } from '../../../support/scripted-leg.ts';

const seeds = Array.from({ length: 3_000 }, (_unused, index) => index + 1);

/** What is not as it is to be after a life of which everything follows from the seed. */
function storyOf(seed: number): string[] {
  const script = new ScriptedLeg(seed);
  script.run();
  const { leg, wrong, fates, timers } = script;
  if (leg.phase !== 'ended') wrong.push(`${leg.phase}, ${leg.search.stage}, ends never`);
  if (timers.size > 0) wrong.push(`timers are left: ${[...timers.keys()].join()}`);
  if (script.sending.length > 0) wrong.push(`is sent still: ${script.sending.join()}`);
  if (leg.search.stage !== 'none' || placesOf(leg).length > 1) wrong.push('it is somewhere still');
  for (const [recordId, { released, invited, over }] of fates) {
    if (released !== 1) wrong.push(`${recordId} was released ${released} times`);
    if (invited && over !== 1) wrong.push(`${recordId} was let go of ${over} times`);
    if (!invited && over > 0) wrong.push(`${recordId} was let go of uninvited`);
  }
  return wrong.map((what) => `seed ${seed}: ${what}`);
}

describe('a leg among recorders, edge and clock that do anything', () => {
  it('ends, sends nothing in pauses, and leaves nothing behind', () => {
    expect(seeds.flatMap(storyOf).slice(0, 10)).toEqual([]);
  });

  it('lives the same life again', () => {
    const lives = [new ScriptedLeg(7), new ScriptedLeg(7)];
    for (const life of lives) life.run();
    expect(lives[0]?.told).toEqual(lives[1]?.told);
    expect(lives[0]?.told.length).toBeGreaterThan(10);
  });
});
