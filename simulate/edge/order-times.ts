import type { MarkName } from '../marks.ts';
import type { Random } from '../random.ts';

/** Until an order takes effect; what is asked for while one is waited for, whose answer takes a while, too, takes hold later. */
const slowMs = 50;
const answerMsMax = 5;
/** One order at most waits for another's answer. */
export const takesHoldMsMax = 2 * (slowMs + answerMsMax);

/** How long the edge takes to do what it is told, and its answer to come: most often next to nothing. */
export function orderTimes(
  random: Random,
  mark: (name: MarkName) => void,
): () => readonly [takesMs: number, answerMs: number] {
  return () => {
    const how = random.weighted({ quick: 70, busy: 26, slow: 4 });
    if (how === 'slow') mark('slow order to the edge');
    const takesMs = { quick: 0.05, busy: random.between(1, 5), slow: slowMs }[how];
    return [takesMs, random.pick([0.05, 0.05, 1, answerMsMax])];
  };
}
