import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { EdgeCounters } from '../../src/edge/types.ts';
import { createMetrics, describeMetrics } from '../../src/metrics.ts';

const counters: EdgeCounters = {
  wakeups: 1,
  packetsIn: 40,
  bytesIn: 6_880,
  packetsToParties: 40,
  packetsToRelay: 0,
  packetsFromRelay: 0,
  packetsToLegs: 80,
  rtcpIn: 2,
  rtcpOut: 3,
  icmpErrors: 0,
  sendErrors: 0,
  kernelDrops: 0,
  droppedEvents: 0,
  unforwarded: {},
  refused: { stranger: 7 },
  ports: 2,
  forks: 4,
  captures: 0,
};

function create(edge: () => EdgeCounters | undefined = () => counters): Registry {
  const registry = new Registry();
  createMetrics(registry, {
    calls: () => [{ state: 'answered', path: 'direct', count: 3 }],
    recordingSessions: () => [{ state: 'recording', count: 6 }],
    recorders: () => [
      { id: 'r1', state: 'up', sessions: 6, capacity: 500 },
      { id: 'r2', state: 'up', sessions: 0, capacity: 500 },
      { id: 'r3', state: 'down', sessions: 0, capacity: 500 },
    ],
    processes: () => [
      { role: 'recorder', id: 'r1', startedAt: '2026-11-30T12:00:00.500Z', starts: 3 },
    ],
    processDeaths: () => [{ role: 'recorder', id: 'r1', deaths: 2 }],
    edge,
  });
  return registry;
}

/** Those of prom-client itself; of processes, ours have a role. */
function isOfNode({ name, labels }: { name: string; labels: readonly string[] }): boolean {
  return /^tandem_(process|nodejs)_/.test(name) && !labels.includes('role');
}

describe('metrics', () => {
  it('keep the naming rules', () => {
    for (const metric of describeMetrics(create())) {
      const { name, type, help, labels } = metric;
      expect(name).toMatch(/^tandem_[a-z0-9_]+$/);
      expect(help).not.toBe('');
      for (const label of labels) expect(label).not.toMatch(/call|record_?id|ssrc/i);
      // Those of prom-client itself have their own habits.
      if (isOfNode(metric)) continue;
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });

  it('show at scrape what the parts say then', async () => {
    const text = await create().metrics();
    for (const line of [
      'tandem_calls{state="answered",path="direct"} 3',
      'tandem_recording_sessions{state="recording"} 6',
      'tandem_recorders{state="up"} 2',
      'tandem_recorders{state="down"} 1',
      'tandem_recorder_sessions{recorder="r1"} 6',
      'tandem_process_start_time_seconds{role="recorder",id="r1"} 1796040000.5',
      'tandem_process_starts_total{role="recorder",id="r1"} 3',
      'tandem_process_deaths_total{role="recorder",id="r1"} 2',
      'tandem_edge_packets_to_legs_total 80',
      'tandem_edge_forks 4',
      'tandem_rtp_refused_packets_total{reason="stranger"} 7',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });

  it('do not count the edge twice when scraped twice', async () => {
    const registry = create();
    await registry.metrics();
    expect(await registry.metrics()).toContain('tandem_edge_packets_received_total 40\n');
  });

  it('can be scraped while there is no edge', async () => {
    expect(await create(() => undefined).metrics()).toContain('tandem_edge_ports 0\n');
  });
});
