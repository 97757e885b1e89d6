import { Registry } from 'prom-client';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { AlarmCenter } from '../../../src/alarm-center.ts';
import { parseConfig } from '../../../src/config.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { ResourceManager } from '../../../src/resource/resource-manager.ts';
import type { RecorderDefinition } from '../../../src/resource/recorder.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

it('raises no alarm for recorders that go down when it is closed, and leaves no timer', async () => {
  const clock = new ManualClock();
  const logger = pino({ level: 'silent' });
  const config = parseConfig({});
  const recorder: RecorderDefinition = {
    ...{ id: 'r1', uri: 'sip:r1.test', zone: 'z', capacity: 1, weight: 1 },
    ...{ state: 'up', tenants: [], sites: [] },
  };
  const resources = await ResourceManager.create({
    ...{ settings: config.resource, recorders: [recorder], clock, logger },
    probe: () => Promise.resolve({ status: 200 }),
  });
  const metrics = createMetrics(new Registry(), {
    calls: () => [],
    recordingSessions: () => [],
    recorders: () => [],
    processes: () => [],
    processDeaths: () => [],
    edge: () => {
      throw new Error('is not asked');
    },
  });
  const center = new AlarmCenter({ config, webhookKeys: [], resources, metrics, clock, logger });
  center.close();
  center.close();
  resources.markDown('r1', 'sip_closed');
  resources.close();
  await settle();
  expect(center.alarms.list()).toEqual([]);
  expect(clock.pending).toBe(0);
});
