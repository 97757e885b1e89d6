import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Alarm } from '../../alarm/alarms.ts';
import { alarmList } from '../schemas/alarm.ts';
import { errors } from '../schemas/error.ts';
import { healthBody, type Health } from '../schemas/health.ts';
import { processList, type ProcessState } from '../schemas/process.ts';
import type { AppInstance } from './app-instance.ts';

const tags = ['operations'];

export function addOperationRoutes(
  app: AppInstance,
  options: {
    registry: Registry;
    health: () => Health;
    alarms: () => readonly Alarm[];
    processes: () => readonly ProcessState[];
  },
): void {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        summary: 'Metrics for Prometheus',
        tags,
        response: {
          200: {
            description: 'Text exposition format',
            content: { 'text/plain': { schema: z.string() } },
          },
          ...errors(),
        },
      },
    },
    async (_request, reply) => {
      const text = await options.registry.metrics();
      return reply.type(options.registry.contentType).send(text);
    },
  );

  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'getHealth',
        summary: 'Whether Tandem can take calls; needs no token',
        tags,
        security: [],
        response: { 200: healthBody, 503: healthBody },
      },
    },
    async (_request, reply) => {
      const health = options.health();
      return reply.code(health.status === 'unavailable' ? 503 : 200).send(health);
    },
  );

  app.get(
    '/v1/alarms',
    {
      schema: {
        operationId: 'listAlarms',
        summary: 'What an operator must know, newest last',
        tags,
        response: { 200: alarmList, ...errors() },
      },
    },
    () => ({ alarms: [...options.alarms()] }),
  );

  app.get(
    '/v1/processes',
    {
      schema: {
        operationId: 'listProcesses',
        summary: 'The processes that live, since when, and how often each was started',
        tags,
        response: { 200: processList, ...errors() },
      },
    },
    () => ({ processes: [...options.processes()] }),
  );

  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}
