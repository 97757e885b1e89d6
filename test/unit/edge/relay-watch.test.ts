import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';
import type { RelayStep } from '../../../src/edge/addon.ts';

const addon = loadAddon();
const back: RelayStep = { back: true };

const packet = (sequence: number, at: number, change: Partial<RelayStep> = {}): RelayStep => ({
  ...{ at, sequence: sequence & 0xffff, payloadType: 0, payloadBytes: 160 },
  ...change,
});

/** `count` packets in order, `everyMs` apart. */
const run = (count: number, everyMs = 20, from = 0, change: Partial<RelayStep> = {}): RelayStep[] =>
  Array.from({ length: count }, (_, index) => packet(index, from + index * everyMs, change));

const trace = (steps: readonly RelayStep[]) => addon.traceRelay(steps, [0, 13]);
const silentAfter = (steps: readonly RelayStep[]): number | undefined => {
  const at = trace(steps).findIndex(({ silent }) => silent);
  const step = steps[at];
  return step !== undefined && 'at' in step ? step.at : undefined;
};

describe('mediasoup', () => {
  it.each([
    ['20 ms', 20, 160],
    ['10 ms', 10, 160],
    ['30 ms', 30, 180],
    ['60 ms', 60, 180],
  ])('counts as silent within 200 ms, with packets of %s', (_, everyMs, ms) => {
    expect(silentAfter(run(40, everyMs))).toBe(ms);
  });

  it('does not while anything comes back', () => {
    const steps = run(100).flatMap((step, index) => (index % 7 === 6 ? [step, back] : [step]));
    expect(silentAfter(steps)).toBeUndefined();
  });

  it.each<[string, RelayStep[]]>([
    ['a burst', run(500, 0)],
    ['two packets ten seconds apart', run(2, 10_000)],
    ['a thread that was held up for a second', [packet(0, 0), ...run(30, 0, 1_000)]],
    ['payload types that were not agreed', run(100, 20, 0, { payloadType: 101 })],
    ['empty packets', run(100, 20, 0, { payloadBytes: 0 })],
  ])('does not after %s', (_, steps) => {
    expect(silentAfter(steps)).toBeUndefined();
  });

  it('does after a few packets of comfort noise that all stay out', () => {
    expect(silentAfter(run(10, 200, 0, { payloadType: 13 }))).toBe(600);
  });
});

describe('what mediasoup does not forward', () => {
  const reasons = (steps: readonly RelayStep[]) =>
    trace(steps).map(({ unforwarded }) => unforwarded);

  it('is told by reason', () => {
    expect(
      reasons([
        packet(0, 0, { payloadType: 101 }),
        packet(1, 20),
        packet(2, 40, { payloadType: 101 }),
        packet(3, 60, { payloadBytes: 0 }),
        packet(4, 80),
      ]),
    ).toEqual(['payload_type', '', 'payload_type', 'empty', '']);
  });

  it.each([
    ['2,999 on', 2_999, ['', '', '', '']],
    ['3,000 on: two packets', 3_000, ['gap', 'gap', '', '']],
    ['3,100 on: two packets', 3_100, ['gap', 'gap', '', '']],
    ['1,499 back', -1_499, ['', '', '', '']],
    ['1,600 back: two packets', -1_600, ['gap', 'gap', '', '']],
  ])('are packets after a jump: %s', (_, jump, expected) => {
    const steps = [packet(2_000, 0), ...[0, 1, 2, 3].map((n) => packet(2_000 + jump + n, 20 * n))];
    expect(reasons(steps)).toEqual(['', ...expected]);
  });
});
