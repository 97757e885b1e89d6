import { expect, it } from 'vitest';
import type { Verdict } from '../../../src/recording/evidence.ts';
import { Suspicion } from '../../../src/recording/suspicion.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const times = { since: 0, deadAt: 0, safeAt: 0 };

function suspect(verdicts: Verdict[]) {
  const clock = new ManualClock();
  const settled: string[] = [];
  const suspicion = new Suspicion(
    clock,
    () => verdicts.shift() ?? 'wait',
    (verdict, reason) => settled.push(`${verdict} ${reason}`),
  );
  return { clock, settled, suspicion };
}

it('settles at once when the evidence is there', () => {
  const { clock, settled, suspicion } = suspect(['dead']);
  suspicion.raise('sip_closed', times);
  expect(settled).toEqual(['dead sip_closed']);
  expect(clock.pending).toBe(0);
});

it('looks again until the evidence is there', async () => {
  const { clock, settled, suspicion } = suspect(['wait', 'wait', 'alive']);
  suspicion.raise('sip_closed', times);
  await clock.advance(50);
  expect(settled).toEqual([]);
  await clock.advance(50);
  expect(settled).toEqual(['alive sip_closed']);
});

it('takes a second sign for the same suspicion', async () => {
  const { clock, settled, suspicion } = suspect(['wait', 'dead', 'dead']);
  suspicion.raise('sip_closed', times);
  suspicion.raise('options_timeout', times);
  await clock.advance(1_000);
  expect(settled).toEqual(['dead sip_closed']);
});

it('says nothing and leaves no timer once it was dropped', async () => {
  const { clock, settled, suspicion } = suspect(['wait', 'dead']);
  suspicion.raise('sip_closed', times);
  suspicion.drop();
  await clock.advance(1_000);
  expect(settled).toEqual([]);
  expect(clock.pending).toBe(0);
});
