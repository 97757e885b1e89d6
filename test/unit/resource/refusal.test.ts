import { describe, expect, it } from 'vitest';
import { meaningOf } from '../../../src/resource/refusal.ts';

const call = { about: 'call' };
const load = (waitMs?: number) => ({ about: 'load', waitMs });
const recorder = (reason = 'sip_error') => ({ about: 'recorder', reason });

describe('a refusal', () => {
  it.each([
    // The session that was offered.
    [300, undefined, call],
    [380, undefined, call],
    [400, undefined, call],
    [406, undefined, call],
    [413, undefined, call],
    [413, 5_000, call],
    [415, undefined, call],
    [480, undefined, call],
    [486, undefined, call],
    [488, undefined, call],
    [488, 5_000, call],
    [491, undefined, call],
    [499, undefined, call],
    [513, undefined, call],
    [580, undefined, call],
    [600, undefined, call],
    [603, undefined, call],
    [606, undefined, call],
    // Its load.
    [503, undefined, load()],
    [503, 60_000, load(60_000)],
    [503, 0, load(0)],
    [503, 4_294_967_295_000, load(3_600_000)],
    [480, 5_000, load(5_000)],
    [486, 5_000, load(5_000)],
    [500, 5_000, load(5_000)],
    [600, 5_000, load(5_000)],
    [603, 5_000, load(5_000)],
    [404, 5_000, load(5_000)],
    // Itself.
    [301, undefined, recorder()],
    [302, undefined, recorder()],
    [401, undefined, recorder()],
    [403, undefined, recorder()],
    [403, 5_000, recorder()],
    [404, undefined, recorder()],
    [405, undefined, recorder()],
    [407, undefined, recorder()],
    [408, undefined, recorder('sip_timeout')],
    [410, undefined, recorder()],
    [416, undefined, recorder()],
    [420, undefined, recorder()],
    [482, undefined, recorder()],
    [500, undefined, recorder()],
    [501, undefined, recorder()],
    [502, undefined, recorder()],
    [504, undefined, recorder('sip_timeout')],
    [505, undefined, recorder()],
    [599, undefined, recorder()],
    [604, undefined, recorder()],
  ])('of %d, Retry-After %s ms, is about %j', (status, retryAfterMs, meaning) => {
    const refusal = retryAfterMs === undefined ? { status } : { status, retryAfterMs };
    expect(meaningOf(refusal)).toEqual(meaning);
  });
});
