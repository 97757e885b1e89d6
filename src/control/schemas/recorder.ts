import { z } from 'zod';
import { recorderUri } from '../../config.ts';
import type { RecorderState } from '../recorder-directory.ts';

const recorderId = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dot, dash, underscore; at most 64');
const assigned = z.enum(['up', 'draining', 'standby']);
const reports = z
  .enum(['auto', 'expected', 'none'])
  .describe('Receiver reports (RTCP) of it: `auto` is as it did in other sessions');
const limits = z.array(z.string().min(1).max(128)).max(1_000);

export const recorderParams = z.strictObject({ id: recorderId });

export const recorderBody = z
  .strictObject({
    // It becomes a Request-URI: nothing that could end the line or the header.
    uri: recorderUri.describe('sip:host:port;transport=tcp'),
    zone: z.string().min(1).max(64).default('default').describe('What fails together'),
    capacity: z.int().min(1).max(1_000_000).default(500).describe('Recording sessions at most'),
    weight: z.number().positive().max(1_000).default(1),
    state: assigned.optional().describe('As it is when absent; `up` for a new one'),
    tenants: limits.default([]).describe('Empty: for all'),
    sites: limits.default([]).describe('Empty: for all'),
    reports: reports.default('auto'),
  })
  .meta({ id: 'RecorderRequest' });

export const recorderPatch = z.strictObject({ state: assigned });

export const recorderState: z.ZodType<RecorderState> = z
  .strictObject({
    id: recorderId,
    uri: z.string(),
    zone: z.string(),
    state: z.enum(['up', 'suspect', 'down', 'draining', 'standby']),
    sessions: z.int().min(0),
    capacity: z.int(),
    weight: z.number(),
    tenants: z.array(z.string()),
    sites: z.array(z.string()),
    reports,
    reportsEveryMs: z
      .int()
      .min(0)
      .exactOptional()
      .describe('How often it reports what it receives; 0: it does not; absent: not known yet'),
    busyUntil: z
      .string()
      .exactOptional()
      .describe('RFC 3339: until then it takes no sessions, as it said itself (Retry-After)'),
    pid: z.int().exactOptional().describe('Process id of an embedded recorder that runs'),
  })
  .meta({ id: 'Recorder' });

export const recorderList = z.strictObject({ recorders: z.array(recorderState) });
