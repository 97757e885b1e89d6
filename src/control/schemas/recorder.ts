import { z } from 'zod';
import { recorderUri } from '../../config.ts';
import type { RecorderState } from '../recorder-directory.ts';

const recorderId = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dot, dash, underscore; at most 64');
const assigned = z.enum(['up', 'draining', 'standby']);
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
    affinities: z
      .int()
      .describe('Record ids known to belong to it, those from before a restart included'),
    pid: z.int().exactOptional().describe('Process id of an embedded recorder that runs'),
  })
  .meta({ id: 'Recorder' });

export const recorderList = z.strictObject({ recorders: z.array(recorderState) });
