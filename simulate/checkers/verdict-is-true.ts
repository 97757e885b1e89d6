import { parties } from '../../src/recording/interfaces.ts';
import { filesOf, isHeld, recordedCalls, wasLiedTo } from './checker.ts';
import type { Checker, Recorded } from './checker.ts';
import type { World } from '../world.ts';

/** So long without a packet is no media. */
const mediaDueMs = 15_000;

/** No verdict is better than what is so; and where nothing was wrong it is the best. */
export const verdictIsTrue: Checker = { name: 'verdict is true', after: check };

function check(world: World): string[] {
  return recordedCalls(world).flatMap((recorded) => {
    const { truth, legs, ledger } = recorded;
    const lacking = legs.map((leg) => lackingOf(world, recorded, [leg]));
    const union = lackingOf(world, recorded, legs);
    const wrong: string[] = [];
    for (const [index, leg] of legs.entries()) {
      const { verdict } = ledger.legs.find((one) => one.leg === leg.leg) ?? { verdict: 'none' };
      const lacks = lacking[index] ?? 0;
      if (verdict === 'complete' && lacks > 0 && !wasLiedTo(world, leg)) {
        wrong.push(`${truth.id} leg ${leg.leg}: complete, and lacks ${lacks} packets`);
      }
    }
    const trusted = !legs.some((leg) => wasLiedTo(world, leg));
    const { verdict } = ledger;
    const whole = verdict === 'complete' || verdict === 'complete-by-merge';
    if (trusted && whole && union > 0)
      wrong.push(`${truth.id}: ${verdict}, and lacks ${union} packets`);
    if (trusted && verdict === 'complete' && lacking.some((lacks) => lacks > 0)) {
      wrong.push(`${truth.id}: complete, and a leg lacks packets`);
    }
    if (whole && truth.dropped > 0) {
      wrong.push(
        `${truth.id}: ${verdict}, and ${truth.dropped} packets were dropped at our socket`,
      );
    }
    if (whole && isMute(recorded))
      wrong.push(`${truth.id}: ${verdict}, and a party was never heard`);
    const { isQuiet } = world.plan;
    if (isQuiet && verdict !== 'complete' && legs.length === 2 && !hasSilence(recorded)) {
      wrong.push(`${truth.id}: ${verdict}, and nothing was wrong`);
    }
    const left = world.calls.failovers().filter(({ callId }) => callId === truth.id);
    if (isQuiet && left.length > 0) {
      wrong.push(
        `${truth.id}: left ${left[0]?.from ?? ''} (${left[0]?.reason ?? ''}), and nothing was wrong`,
      );
    }
    return wrong;
  });
}

/** Packets that were to be recorded and are in no file of these legs. */
function lackingOf(world: World, { truth }: Recorded, legs: Recorded['legs']): number {
  const files = legs.flatMap((leg) => filesOf(world, leg));
  let lacking = 0;
  for (const party of parties) {
    for (const { extended } of truth.wanted(party)) {
      if (!isHeld(files, party, extended)) lacking += 1;
    }
  }
  return lacking;
}

/** A party was to send for long enough, and did not once. */
function isMute({ truth }: Recorded): boolean {
  const answeredMs = truth.deletedAt - truth.begunAt;
  return answeredMs >= mediaDueMs && !truth.everHeld && hasSilence({ truth });
}

/** A party was never heard: in a call that is over at once, too. */
function hasSilence({ truth }: Pick<Recorded, 'truth'>): boolean {
  return parties.some((party) => truth.heard[party].length === 0);
}
