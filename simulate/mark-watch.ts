import type { MarkName } from './marks.ts';
import type { World } from './world.ts';
import { recordedCalls } from './checkers/checker.ts';

/** What forks tell costs more than a look. */
const forksEvery = 3;

/** Looks which rare branches a seed reaches. */
export class MarkWatch {
  readonly #world: World;
  readonly #without = new Set<string>();
  #failovers = 0;
  #looks = 0;

  constructor(world: World) {
    this.#world = world;
  }

  look(): void {
    const { marks, edge, calls } = this.#world;
    for (const { truth, legs } of recordedCalls(this.#world)) {
      for (const { leg, state } of legs) {
        const key = `${truth.id} ${leg}`;
        if (state === 'failed') {
          this.#without.add(key);
          marks.hit('leg without a recorder');
        } else if (state === 'recording' && this.#without.delete(key)) {
          marks.hit('leg got a recorder after all');
        }
      }
      const failovers = calls.failovers().filter(({ callId }) => callId === truth.id);
      if (failovers.length > this.#failovers && truth.wish === 'off') {
        marks.hit('failover while paused');
      }
    }
    this.#looks += 1;
    for (const fork of this.#looks % forksEvery === 0 ? edge.forks : []) {
      const signs = fork.signs();
      if (signs.refusedAt > 0) marks.hit('ICMP refusal');
      if (signs.doubtedAt > 0) marks.hit('ICMP that proves nothing');
      const { denied, withheld, overrun, replayed } = fork.report();
      if (denied.length > 0) marks.hit('report by ranges denied packets');
      if (withheld.length > 0) marks.hit('packets withheld by a pause');
      if (replayed.length > 0) marks.hit('replay');
      if (replayed.length > 0 && overrun.length > 0) marks.hit('replay after overrun');
    }
    const all = calls.failovers();
    const recent = all.slice(this.#failovers);
    if (recent.length > 0) marks.hit('failover');
    if (
      recent.some(({ callId, leg }) =>
        recent.some((other) => other.callId === callId && other.leg !== leg),
      )
    ) {
      marks.hit('failover of both legs at once');
    }
    this.#failovers = all.length;
  }

  after(): void {
    const { marks } = this.#world;
    for (const { ledger } of recordedCalls(this.#world)) {
      const name = ledger.verdict.startsWith('missing') ? 'missing' : ledger.verdict;
      marks.hit(`verdict ${name}` as MarkName);
    }
  }
}
