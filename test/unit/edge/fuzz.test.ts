import { describe, expect, it } from 'vitest';
import { fuzzRtp } from '../../fuzz/rtp.ts';

describe('the RTP and RTCP parsers', () => {
  it('survive a short run of mutated packets', () => {
    expect(fuzzRtp(0.3, 4_711).executions).toBeGreaterThan(1_000);
  });
});
