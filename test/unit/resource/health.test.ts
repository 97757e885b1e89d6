import { describe, expect, it } from 'vitest';
import { HealthRecord, outcomeOf } from '../../../src/resource/health.ts';

const settings = { failures: 3, successes: 2 };

describe('health', () => {
  it.each([
    [200, 'willing'],
    [405, 'willing'],
    [501, 'willing'],
    [500, 'unwilling'],
    [503, 'unwilling'],
    [603, 'unwilling'],
  ])('takes a %d for %s', (status, outcome) => {
    expect(outcomeOf({ status })).toBe(outcome);
  });

  it('takes as many silent probes as configured when nothing else is known', () => {
    const health = new HealthRecord(settings);
    expect(health.observe('silent', 'up', 0)).toBeUndefined();
    expect(health.observe('silent', 'up', 1)).toBeUndefined();
    expect(health.observe('silent', 'up', 2)).toBe('died');
    expect(health.reason).toBe('options_timeout');
  });

  it('starts counting again after an answer', () => {
    const health = new HealthRecord(settings);
    health.observe('silent', 'up', 0);
    health.observe('silent', 'up', 1);
    expect(health.observe('willing', 'up', 2)).toBe('answered');
    expect(health.observe('silent', 'up', 3)).toBeUndefined();
  });

  it.each(['icmp', 'sip_closed', 'sip_timeout', 'rtcp_silence'] as const)(
    'takes one silent probe after %s, and names that reason',
    (reason) => {
      const health = new HealthRecord(settings);
      health.accuse(reason, 0);
      expect(health.observe('silent', 'suspect', 1)).toBe('died');
      expect(health.reason).toBe(reason);
    },
  );

  it.each(['sip_error', 'srs_bye', 'rtcp_loss'] as const)(
    'does not take one silent probe for death after %s',
    (reason) => {
      const health = new HealthRecord(settings);
      health.accuse(reason, 0);
      expect(health.observe('silent', 'suspect', 1)).toBeUndefined();
    },
  );

  it('lets stronger evidence take the place of weaker', () => {
    const health = new HealthRecord(settings);
    health.accuse('rtcp_loss', 0);
    health.accuse('icmp', 0);
    health.accuse('srs_bye', 0);
    expect(health.reason).toBe('icmp');
  });

  it('asks for several answers of one that was down', () => {
    const health = new HealthRecord(settings);
    for (const now of [0, 1, 2]) health.observe('silent', 'up', now);
    expect(health.observe('willing', 'down', 3)).toBeUndefined();
    expect(health.observe('willing', 'down', 4)).toBe('answered');
  });

  it('does not call a recorder dead that answers 503', () => {
    const health = new HealthRecord(settings);
    for (const now of [0, 1, 2, 3]) expect(health.observe('unwilling', 'up', now)).toBe('accused');
  });

  it('counts everything reported until it is cleared as one failure', () => {
    const health = new HealthRecord(settings);
    expect(health.accuse('icmp', 0)).toBe(true);
    for (let n = 0; n < 100; n += 1) expect(health.accuse('icmp', 1)).toBe(false);
    expect(health.observe('willing', 'suspect', 2)).toBe('answered');
  });

  it('lets one that fails again and again back later each time', () => {
    const health = new HealthRecord(settings);
    const holdsMs: number[] = [];
    let now = 0;
    for (let episode = 0; episode < 8; episode += 1) {
      health.accuse('icmp', now);
      const since = now;
      while (health.observe('willing', 'suspect', now) === undefined) now += 500;
      holdsMs.push(now - since);
    }
    expect(holdsMs).toEqual([0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('forgets earlier failures after a minute without', () => {
    const health = new HealthRecord(settings);
    health.accuse('icmp', 0);
    health.observe('willing', 'suspect', 0);
    health.accuse('icmp', 60_001);
    expect(health.observe('willing', 'suspect', 60_001)).toBe('answered');
  });
});
