import { describe, expect, it } from 'vitest';
import { fuzzChannel } from '../../fuzz/channel.ts';
import { fuzzMemory } from '../../fuzz/memory.ts';
import { fuzzRtp } from '../../fuzz/rtp.ts';

describe('the RTP and RTCP parsers', () => {
  it('survive a short run of mutated packets', () => {
    expect(fuzzRtp(0.3, 4_711).executions).toBeGreaterThan(1_000);
  });
});

describe('what reads commands to the edge', () => {
  it('survives a short run of mutated ones', () => {
    expect(fuzzChannel(0.3, 4_711).executions).toBeGreaterThan(1_000);
  });
});

describe('a view of an edge', () => {
  it('survives a short run of memory that somebody has written into', () => {
    expect(fuzzMemory(0.3, 4_711).executions).toBeGreaterThan(100);
  });
});
